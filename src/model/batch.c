#include "model/batch.h"

static const char *const TYPES[] = {
    [METRIC_UNKNOWN] = "unknown",
    [METRIC_COUNTER] = "counter",
    [METRIC_GAUGE] = "gauge",
    [METRIC_HISTOGRAM] = "histogram",
    [METRIC_GAUGEHISTOGRAM] = "gaugehistogram",
    [METRIC_SUMMARY] = "summary",
    [METRIC_INFO] = "info",
    [METRIC_STATESET] = "stateset",
};

const char *metric_type_text(enum metric_type type)
{
    return (size_t)type < COUNTOF(TYPES) ? TYPES[type] : TYPES[METRIC_UNKNOWN];
}

bool metric_type_of(struct str text, enum metric_type *ret)
{
    for (size_t i = 0; i < COUNTOF(TYPES); i++) {
        if (str_eq(text, str_c(TYPES[i]))) {
            *ret = (enum metric_type)i;
            return true;
        }
    }
    if (str_eq(text, STR("untyped"))) {
        *ret = METRIC_UNKNOWN;
        return true;
    }
    return false;
}
