/* custom/custom_out.h - the values that one run of a row gives.
 *
 * Puts the row's name before a metric's and its labels beside the others, and holds its limit.
 *
 * Flow:    a source's values -> collect/emit.h
 * Threads: one at a time.
 */
#ifndef CUSTOM_CUSTOM_OUT_H
#define CUSTOM_CUSTOM_OUT_H

#include <stddef.h>

#include "collect/emit.h"
#include "custom/custom_settings.h"

struct custom_out {
    struct emit *emit;
    const struct custom_settings_row *row;
    struct label constant[CUSTOM_SETTINGS_LABELS_MAX];
    size_t constant_n;
    size_t over; /* [out] values that were left out */
};

/* One run into e, between emit_begin() and emit_end(). Labels of the row that are expressions
 * (begin with '$') are left to who reads them where expressions is true. */
void custom_out_init(struct custom_out *o, struct emit *e, const struct custom_settings_row *row,
                     bool expressions);

/* A value of NAME (name is "") or NAME_name, in which what no metric may have becomes '_'. Labels
 * may have any name likewise; those of the row win. */
struct custom_out_value {
    struct str name;
    enum metric_type type;      /* the family of a HISTOGRAM is NAME */
    const struct label *labels; /* [labels_n] */
    size_t labels_n;
    double value;
};
void custom_out_put(struct custom_out *o, const struct custom_out_value *v);

/* gauge or counter, as the row says. */
enum metric_type custom_out_type(const struct custom_settings_row *row);

/* Was all taken? -ERR_LIMIT with why. */
MUST_USE int custom_out_result(const struct custom_out *o, struct why *why);

#endif
