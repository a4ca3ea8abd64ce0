/* rules/rule_template.h - templates of labels and annotations, with Prometheus's functions.
 *
 * Flow:    text + data (labels, value) -> text/template -> text; query "..." goes back to the
 * engine Source:  Prometheus, docs/configuration/template_reference.md. Threads: pure functions
 * over their arguments.
 */
#ifndef RULES_RULE_TEMPLATE_H
#define RULES_RULE_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "model/histogram.h"

/* What a query in a template answers. */
struct rule_template_sample {
    struct str key; /* canonical labels */
    double value;
};

struct rule_template_data {
    struct str labels; /* canonical key, __name__ included where there is one: $labels */
    double value;      /* $value */
    const struct histogram *histogram; /* $value where not NULL */
    struct str external_labels;        /* canonical key: $externalLabels */
    struct str external_url;           /* $externalURL */
    int64_t now_ms;
    /* Runs an instant query at now_ms; memory from a. NULL: query fails. */
    int (*query)(void *context, struct str expr, struct arena *a, struct rule_template_sample **ret,
                 size_t *ret_n, struct why *why);
    void *context;
};

/* Appends the expanded text. A fault is -ERR_FORMAT with why; the caller writes
 * `<error expanding template: ...>` as Prometheus does. name says whose template it is:
 * `__alert_NAME`. */
MUST_USE int rule_template_expand(struct str text, struct str name,
                                  const struct rule_template_data *data, struct arena *a,
                                  struct buf *out, struct why *why);

/* Can text be parsed? Labels and values are not known yet. */
MUST_USE int rule_template_check(struct str text, struct str name, struct why *why);

#endif
