/* Gauges: one double for all threads, since the last one that sets it counts. */
#include "client/core/module.h"
#include "client/core/ticks.h"
#include "client/metric/export.h"
#include "client/metric/family.h"
#include "client/metric/registry.h"

static const struct family_shape shape = {.kind = FAMILY_GAUGE};

sonde_gauge *sonde_gauge_get(const char *name, const char *help, const sonde_label *labels)
{
    return (sonde_gauge *)family_series(name, help, labels, &shape);
}

sonde_family *sonde_gauge_family(const char *name, const char *help, const char *const *label_names)
{
    return family_get(name, help, label_names, &shape);
}

sonde_gauge *sonde_gauge_with(sonde_family *family, const char *const *values)
{
    return (sonde_gauge *)family_with(family, values, FAMILY_GAUGE);
}

void sonde_gauge_set(sonde_gauge *gauge, double value)
{
    struct series *s = (struct series *)gauge;
    if (s && atomic_load_explicit(&module_on, memory_order_relaxed)) {
        atomic_store_explicit(&s->gauge, value, memory_order_relaxed);
    }
}

void sonde_gauge_set_now(sonde_gauge *gauge)
{
    sonde_gauge_set(gauge, (double)ticks_unix_now_ns() / 1e9);
}

void sonde_gauge_add(sonde_gauge *gauge, double n)
{
    struct series *s = (struct series *)gauge;
    if (s && atomic_load_explicit(&module_on, memory_order_relaxed)) {
        double old = atomic_load_explicit(&s->gauge, memory_order_relaxed);
        while (!atomic_compare_exchange_weak_explicit(&s->gauge, &old, old + n,
                                                      memory_order_relaxed, memory_order_relaxed)) {
        }
    }
}

double sonde_gauge_value(const sonde_gauge *gauge)
{
    const struct series *s = (const struct series *)gauge;
    if (!s) {
        return 0;
    }
    bool locked = export_lock();
    double v = registry_gauge(s);
    if (locked) {
        export_unlock();
    }
    return v;
}

int sonde_gauge_read_from(sonde_gauge *gauge, double (*read)(void *user), void *user)
{
    return gauge ? registry_read_from((struct series *)gauge, read, user) : SONDE_ERROR_ARGUMENT;
}
