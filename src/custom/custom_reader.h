/* custom/custom_reader.h - an answer (of a program, of a server) as values.
 *
 * Formats: value (one number), lines ("name value" or "name=value", labels in braces), nagios
 * (status and performance data), prometheus, json and regex (by the row's expressions).
 *
 * What can be read is given even where something else is wrong; the error tells of the first.
 *
 * Source:  Monitoring Plugins Development Guidelines, for performance data.
 * Threads: one at a time.
 */
#ifndef CUSTOM_CUSTOM_READER_H
#define CUSTOM_CUSTOM_READER_H

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "custom/custom_out.h"
#include "custom/custom_settings.h"

struct custom_reader;

/* Both outlive it. -ERR_FORMAT where an expression is bad, missing or not asked for. */
MUST_USE int custom_reader_new(const struct custom_settings_row *row,
                               const struct custom_settings_answer *answer,
                               struct custom_reader **ret, struct why *why);
void custom_reader_free(struct custom_reader *r); /* NULL is fine */

/* Does an exit status of 1 to 3 say something other than failure? */
bool custom_reader_takes_status(const struct custom_reader *r);

/* status is the exit status of a program, or 0. Gives values to e, between emit_begin() and
 * emit_end(). */
MUST_USE int custom_reader_run(const struct custom_reader *r, struct str text, int status,
                               struct emit *e, struct why *why);

#endif
