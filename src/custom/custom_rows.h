/* custom/custom_rows.h - what sonde-helper-sql prints, as values.
 *
 * The first line is an array of the columns' names, each one behind it an array of a row's values:
 * numbers, texts, true, false, null. Nothing behind the last row is missed: a line of "end" closes.
 *
 * Flow:    the helper's lines -> custom_out
 * Threads: one at a time.
 */
#ifndef CUSTOM_CUSTOM_ROWS_H
#define CUSTOM_CUSTOM_ROWS_H

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "collect/emit.h"
#include "custom/custom_settings.h"

/* -ERR_FORMAT where it is not that, or a column that the settings name is missing. */
MUST_USE int custom_rows_read(const struct custom_settings_sql *settings, struct str text,
                              struct emit *e, struct why *why);

/* What the helper is asked: an object with all that it needs, for its standard input. */
void custom_rows_ask(const struct custom_settings_sql *settings, struct buf *out);

#endif
