/* notify/wording_inside.h - between the files of notify/wording.h.
 *
 * wording.c            sets, expansion, cutting
 * wording_data.c       the data: what the dot is
 * wording_functions.c  functions
 * wording_texts.c      default templates
 *
 * Threads: constant tables, pure functions.
 */
#ifndef NOTIFY_WORDING_INSIDE_H
#define NOTIFY_WORDING_INSIDE_H

#include "notify/wording.h"
#include "text/template_words.h"

extern const char wording_texts[];
extern const struct template_functions wording_functions;

/* What functions know. */
struct wording_context {
    int64_t now_ms;
};

/* The dot over a message, which outlives it. */
struct template_value wording_data(const struct message *m, struct arena *a);

/* Names or values as []string. */
struct template_value wording_data_texts(const struct str *v, size_t n, struct arena *a);

/* Appends v as encoding/json writes it. */
void wording_data_json(const struct template_value *v, struct buf *out);

#endif
