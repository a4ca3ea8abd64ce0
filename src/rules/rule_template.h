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
#include "text/template.h"

enum {
    RULE_TEMPLATE_BYTES_MAX = 1 << 20, /* of one expanded text */
    RULE_TEMPLATE_QUERIES_MAX = 1000,  /* that one expansion runs */
};

/* What a query in a template answers. */
struct rule_template_sample {
    struct str key; /* canonical labels */
    double value;
    const struct histogram *histogram; /* the value where not NULL */
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

    bool html;        /* values are escaped for HTML, and there is the function tmpl */
    bool strict_keys; /* a key that a map does not have is a fault, and not "" */
};

/* Appends the expanded text; text may use $labels, $externalLabels, $externalURL and $value. A
 * fault is -ERR_FORMAT or -ERR_LIMIT with why (`error executing template __alert_NAME: template:
 * ...`), and out is as it was; the caller writes `<error expanding template: ...>` as Prometheus
 * does. name says whose template it is: `__alert_NAME`. */
MUST_USE int rule_template_expand(struct str text, struct str name,
                                  const struct rule_template_data *data, struct arena *a,
                                  struct buf *out, struct why *why);

/* The same over any value for the dot, and without the four variables. */
MUST_USE int rule_template_expand_value(struct str text, struct str name,
                                        const struct template_value *dot,
                                        const struct rule_template_data *data, struct arena *a,
                                        struct buf *out, struct why *why);

/* Can text be parsed? Labels and values are not known yet. */
MUST_USE int rule_template_check(struct str text, struct str name, struct why *why);

#endif
