/* serve/system_row.h - the collectors' last values, to look things up in.
 *
 * Threads: one at a time.
 */
#ifndef SERVE_SYSTEM_ROW_H
#define SERVE_SYSTEM_ROW_H

#include "base/arena.h"
#include "serve/serve.h"

struct system_rows {
    struct arena arena;
    struct serve_row *v; /* [n] */
    size_t n, capacity;
};

void system_row_read(const struct serve_source *source, struct system_rows *ret);
void system_row_done(struct system_rows *r);

/* The value of the first series of that name whose labels have label ("" any): NaN where there is
 * none. */
double system_row_value(const struct system_rows *r, const char *name, const char *label);

/* Walks the series of that name: the value of the label of that name and the value; *at starts at
 * 0 and stands behind the row then. False at the end. */
bool system_row_next(const struct system_rows *r, const char *name, const char *label, size_t *at,
                     struct str *ret_label, double *ret);

/* The value of a label of row i, as it is written; "" where it has none. */
struct str system_row_label(const struct system_rows *r, size_t i, const char *label);

#endif
