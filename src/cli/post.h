/* cli/post.h - sends something to the daemon, again and again until it answers; and what the
 * commands that send have in common.
 *
 * Threads: one.
 */
#ifndef CLI_POST_H
#define CLI_POST_H

#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* POSTs body to base + path, where nobody answers (or 5xx, 429 do) again after 1, 2, 4 .. s until
 * patience_ms are over. 0 for a 2xx, whose body is appended to ret (may be NULL); -ERR_FORMAT for
 * another status: why has what the daemon says. */
MUST_USE int post_send(const char *base, const char *path, const char *content_type,
                       struct str body, int64_t patience_ms, struct buf *ret, struct why *why);

/* Appends s as a part of a URL. */
void post_encode(struct str s, struct buf *out);

/* The value of --NAME VALUE (i moves on) or --NAME=VALUE at argv[*i]; NULL where it is another
 * word. name has its dashes. */
const char *post_option(int argc, char **argv, int *i, const char *name);

#endif
