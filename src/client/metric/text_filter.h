/* client/metric/text_filter.h - of an exposition in Prometheus's text format, what carries a label.
 *
 * Threads: pure function.
 */
#ifndef CLIENT_METRIC_TEXT_FILTER_H
#define CLIENT_METRIC_TEXT_FILTER_H

#include "client/core/text.h"

/* Appends the samples of exposition that have name="value" among their labels, each family with its
 * comments. value is as the application wrote it, not escaped. Returns how many samples there are.
 */
size_t text_filter(const struct text *exposition, const char *name, const char *value,
                   struct text *ret);

#endif
