/* store/face/selector.h - a series selector as text: up{job="x",env!~"dev|test"}.
 *
 * The small part of PromQL that settings and deletions need; the whole language is in query/.
 *
 * Threads: pure functions.
 */
#ifndef STORE_FACE_SELECTOR_H
#define STORE_FACE_SELECTOR_H

#include "base/arena.h"
#include "store/face/series.h"

enum { SELECTOR_MATCHERS_MAX = 64 };

/* Parses text; the matchers and their texts are a's. -ERR_FORMAT with position and reason. */
MUST_USE int selector_parse(struct str text, struct arena *a, struct matcher **ret, size_t *ret_n,
                            struct why *why);

#endif
