/* Counters: a double of each thread. */
#include "client/core/lost.h"
#include "client/core/module.h"
#include "client/metric/export.h"
#include "client/metric/family.h"
#include "client/metric/registry.h"

static const struct family_shape shape = {.kind = FAMILY_COUNTER};

sonde_counter *sonde_counter_get(const char *name, const char *help, const sonde_label *labels)
{
    return (sonde_counter *)family_series(name, help, labels, &shape);
}

sonde_family *sonde_counter_family(const char *name, const char *help,
                                   const char *const *label_names)
{
    return family_get(name, help, label_names, &shape);
}

sonde_counter *sonde_counter_with(sonde_family *family, const char *const *values)
{
    return (sonde_counter *)family_with(family, values, FAMILY_COUNTER);
}

void sonde_counter_add(sonde_counter *counter, double n)
{
    const struct series *s = (const struct series *)counter;
    if (!s || !atomic_load_explicit(&module_on, memory_order_relaxed)) {
        return;
    }
    if (__builtin_expect(!(n >= 0), 0)) {
        lost_add(LOST_METRIC, LOST_REFUSED, 1);
        return;
    }
    union cell *c = cells_at(s->cell);
    if (__builtin_expect(c != NULL, 1)) {
        slot_add_double(&c->number, n);
    }
}

void sonde_counter_add_in(sonde_counter *counter, double n, const sonde_context *context)
{
    struct series *s = (struct series *)counter;
    sonde_counter_add(counter, n);
    if (s && atomic_load_explicit(&module_on, memory_order_relaxed)) {
        exemplar_keep(&s->exemplars, 1, 0, n, context);
    }
}

double sonde_counter_value(const sonde_counter *counter)
{
    const struct series *s = (const struct series *)counter;
    if (!s) {
        return 0;
    }
    bool locked = export_lock();
    double v = registry_counter(s);
    if (locked) {
        export_unlock();
    }
    return v;
}

int sonde_counter_read_from(sonde_counter *counter, double (*read)(void *user), void *user)
{
    return counter ? registry_read_from((struct series *)counter, read, user)
                   : SONDE_ERROR_ARGUMENT;
}
