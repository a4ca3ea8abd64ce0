/* client/metric/registry.h - reading the registry: what threads counted, summed up, to a writer.
 *
 * Threads: all under the exporter's lock (export.h), but for registry_read_from(), which takes it.
 */
#ifndef CLIENT_METRIC_REGISTRY_H
#define CLIENT_METRIC_REGISTRY_H

#include "client/metric/family.h"

enum { REGISTRY_NATIVE_EXEMPLARS = 8 };

double registry_counter(const struct series *s);
double registry_gauge(const struct series *s);

struct registry_distribution {
    uint64_t count;
    double sum;
    uint64_t bucket[FAMILY_BOUNDS_MAX + 1]; /* classic: of each bucket alone */
    struct buckets_sum buckets;             /* native */
};
void registry_distribution(const struct series *s, struct registry_distribution *ret);
double registry_classic_quantile(const struct family_shape *shape, const uint64_t *bucket,
                                 double q);
/* What a summary has seen in its window. */
void registry_window(const struct series *s, struct buckets_sum *ret);

int registry_read_from(struct series *s, double (*read)(void *user), void *user);

/* Everything that is not hidden and whose name matches (NULL: all), in the order of names. */
void registry_write(struct source_writer *w, bool (*match)(const char *name, void *context),
                    void *context);
void registry_slide(uint64_t now_ns); /* the windows of summaries; each few seconds */
void registry_reset(void);            /* all counts begin at zero */
void registry_told(void);             /* metadata is to be told again */
void registry_forget_bytes(void);     /* job or instance have changed */

#endif
