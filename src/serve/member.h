/* serve/member.h - one member of a JSON object: its name and a value of the kinds that the APIs
 * have. Not Prometheus's envelope: that is serve/answer.h.
 *
 * Threads: pure functions over a writer.
 */
#ifndef SERVE_MEMBER_H
#define SERVE_MEMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "text/json.h"

void member_text(struct json_writer *w, const char *name, struct str text);
void member_whole(struct json_writer *w, const char *name, int64_t v);
void member_number(struct json_writer *w, const char *name, double v);

/* null where it is not known. */
void member_known(struct json_writer *w, const char *name, int64_t v, bool known);

/* A time or what else cannot be 0; null where it is. */
void member_time(struct json_writer *w, const char *name, int64_t ms);

/* {"name":"value",..} of a key, whose values may be empty. */
void member_labels(struct json_writer *w, const char *name, struct str key);

/* A list of v[n]. */
void member_texts(struct json_writer *w, const char *name, const struct str *v, size_t n);

#endif
