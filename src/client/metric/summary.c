/* Summaries: struct buckets of each thread; the window is what came since a step before. */
#include <math.h>
#include <string.h>

#include "client/core/module.h"
#include "client/core/problem.h"
#include "client/metric/export.h"
#include "client/metric/family.h"
#include "client/metric/registry.h"

enum { WINDOW_S = 600 };

static bool shape_of(const char *name, const sonde_summary_options *options,
                     struct family_shape *ret)
{
    static const double standard[] = {0.5, 0.9, 0.99};
    sonde_summary_options o = SONDE_SUMMARY_OPTIONS_INIT;
    if (options) {
        memcpy(&o, options, options->struct_size < sizeof o ? options->struct_size : sizeof o);
    }
    *ret = (struct family_shape){.kind = FAMILY_SUMMARY,
                                 .window_s = o.window_s ? o.window_s : WINDOW_S};
    bool given = o.quantiles && o.quantiles_n;
    const double *q = given ? o.quantiles : standard;
    size_t n = given ? o.quantiles_n : sizeof standard / sizeof *standard;
    bool good = n <= FAMILY_QUANTILES_MAX;
    for (size_t i = 0; good && i < n; i++) {
        good = q[i] >= 0 && q[i] <= 1 && (i == 0 || q[i] > q[i - 1]);
        ret->quantiles[i] = q[i];
    }
    if (!good) {
        problem_set("metric %.100s: quantiles must grow, lie in 0..1 and be at most %d",
                    name ? name : "", FAMILY_QUANTILES_MAX);
    }
    ret->quantiles_n = (uint32_t)n;
    return good;
}

sonde_summary *sonde_summary_get(const char *name, const char *help, const sonde_label *labels,
                                 const sonde_summary_options *options)
{
    struct family_shape shape;
    return shape_of(name, options, &shape)
               ? (sonde_summary *)family_series(name, help, labels, &shape)
               : NULL;
}

sonde_family *sonde_summary_family(const char *name, const char *help,
                                   const char *const *label_names,
                                   const sonde_summary_options *options)
{
    struct family_shape shape;
    return shape_of(name, options, &shape) ? family_get(name, help, label_names, &shape) : NULL;
}

sonde_summary *sonde_summary_with(sonde_family *family, const char *const *values)
{
    return (sonde_summary *)family_with(family, values, FAMILY_SUMMARY);
}

void sonde_summary_observe(sonde_summary *summary, double value)
{
    const struct series *s = (const struct series *)summary;
    if (!s || !atomic_load_explicit(&module_on, memory_order_relaxed)) {
        return;
    }
    union cell *c = cells_at(s->cell);
    struct buckets *b = c ? cells_buckets(c) : NULL;
    if (b) {
        buckets_observe(b, value);
    }
}

double sonde_summary_quantile(const sonde_summary *summary, double q)
{
    if (!summary) {
        return NAN;
    }
    bool locked = export_lock();
    struct buckets_sum window;
    registry_window((const struct series *)summary, &window);
    if (locked) {
        export_unlock();
    }
    return buckets_quantile(&window, q);
}
