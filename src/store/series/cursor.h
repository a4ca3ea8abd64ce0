/* store/series/cursor.h - one select over head and parts: series in key order, merged.
 *
 * Inside of the store. A cursor holds its parts until it is closed.
 *
 * Threads: one each; the cursors of one split may be on several.
 */
#ifndef STORE_SERIES_CURSOR_H
#define STORE_SERIES_CURSOR_H

#include "store/series/head_read.h"
#include "store/series/tenant.h"

MUST_USE int cursor_open(struct tenant *t, const struct select *how, struct series_cursor **ret,
                         struct why *why);
int cursor_next(struct series_cursor *c, struct series_view *ret, struct why *why);
int cursor_decode(struct series_cursor *c, const struct block *b, struct column *ret);
void cursor_warnings(struct series_cursor *c, series_warning_f *f, void *context);

/* As series_store_ops have them. */
uint64_t cursor_estimate(const struct series_cursor *c);
size_t cursor_split(struct series_cursor *c, size_t n, struct series_cursor **ret);
void cursor_close(struct series_cursor *c); /* NULL is fine */

#endif
