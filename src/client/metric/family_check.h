/* client/metric/family_check.h - is it a name, a label, a value; and do two metrics get along?
 *
 * Source:  Prometheus's data model; OpenMetrics 1.0 for names that clash
 * Threads: pure functions, but for the copies of bounds.
 */
#ifndef CLIENT_METRIC_FAMILY_CHECK_H
#define CLIENT_METRIC_FAMILY_CHECK_H

#include "client/metric/family.h"

bool family_check_name(const char *name);
/* Label names: NULL at the end (NULL: none). False with a problem. */
bool family_check_labels(const char *name, const char *const *label_names, enum family_kind kind);
/* Is what is asked for what f is? False with a problem. */
bool family_check_same(const struct sonde_family *f, const char *const *label_names,
                       const struct family_shape *shape);

/* The names of other metrics that might clash with this one, one after the other (i = 0, 1, ..);
 * NULL at the end. */
const char *family_check_relative(const char *name, enum family_kind kind, size_t i,
                                  char ret[FAMILY_NAME_MAX + 8]);
bool family_check_clash(const char *a, enum family_kind a_kind, const char *b,
                        enum family_kind b_kind);

bool family_check_value(const char *value); /* well-formed UTF-8 and not too long? */
void family_check_clean(const char *value, char ret[FAMILY_VALUE_MAX + 4]);

/* Copies bounds or quantiles of shape to f with their texts; false: no memory. */
bool family_check_copy_bounds(struct sonde_family *f, const struct family_shape *shape);
void family_check_free_bounds(struct sonde_family *f);

#endif
