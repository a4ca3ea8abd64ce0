/* sonde/metric.h - counters, gauges, histograms and summaries of the application.
 *
 * A metric has a name and label names; each set of label values is one series, which a handle
 * stands for. Handles are got once (sonde_counter_get, or sonde_counter_with for values that are
 * known at run time only), live until the process ends, and are the same for the same name and
 * labels. Counting takes no lock and no memory: each thread has cells of its own, which are added
 * up when somebody reads. Names are Prometheus's: [a-zA-Z_:][a-zA-Z0-9_:]*, labels
 * [a-zA-Z_][a-zA-Z0-9_]* and not beginning with "__". All series go to the daemon each second
 * (setting export.interval_ms), and as text to whom sonde_metrics_text() or the listener of the
 * setting metric.listen is asked by.
 *
 * Bounds: a metric has at most metric.series_max series (1000), all of them metric.series_total
 * (20000); what is beyond counts in one series of that metric with all label values "other", and
 * in sonde_client_lost_total{category="metric"}.
 *
 * Threads: any, for all functions. Functions that give a handle take a lock; those that count do
 *          not.
 * Errors:  a handle that cannot be had is NULL (sonde_last_problem() says why), and counting with
 *          NULL does nothing.
 */
#ifndef SONDE_METRIC_H
#define SONDE_METRIC_H

#include <sonde/core.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sonde_counter sonde_counter;
typedef struct sonde_gauge sonde_gauge;
typedef struct sonde_histogram sonde_histogram;
typedef struct sonde_summary sonde_summary;
typedef struct sonde_family sonde_family; /* a metric with label names, before it has values */

/* Counters: what only grows. A name that does not end in "_total" gets it appended. */

/* The counter of that name and labels (NULL: none), made where it is new. help may be NULL. NULL:
 * a bad name, a metric of that name of another type or with other label names, a limit. */
SONDE_API sonde_counter *sonde_counter_get(const char *name, const char *help,
                                           const sonde_label *labels);
/* The metric with these label names (NULL at the end), for sonde_counter_with(). */
SONDE_API sonde_family *sonde_counter_family(const char *name, const char *help,
                                             const char *const *label_names);
/* Its series of these values, one for each label name in their order; about 30 ns where the thread
 * has used it before. */
SONDE_API sonde_counter *sonde_counter_with(sonde_family *family, const char *const *values);
/* Adds n >= 0; whole numbers stay exact up to 2^53 of each thread. */
SONDE_API void sonde_counter_add(sonde_counter *counter, double n);
/* The same, and keeps the trace as an exemplar where context is sampled and there was none for a
 * while (setting metric.exemplar_ms). */
SONDE_API void sonde_counter_add_in(sonde_counter *counter, double n, const sonde_context *context);
SONDE_API double sonde_counter_value(const sonde_counter *counter);
/* From now on its value is what read() says, called for each export on whichever thread exports;
 * NULL: its cells again. When this returns the former read() is not running any more. read() must
 * not ask for exports. */
SONDE_API int sonde_counter_read_from(sonde_counter *counter, double (*read)(void *user),
                                      void *user);

/* Gauges: what goes up and down. */
SONDE_API sonde_gauge *sonde_gauge_get(const char *name, const char *help,
                                       const sonde_label *labels);
SONDE_API sonde_family *sonde_gauge_family(const char *name, const char *help,
                                           const char *const *label_names);
SONDE_API sonde_gauge *sonde_gauge_with(sonde_family *family, const char *const *values);
SONDE_API void sonde_gauge_set(sonde_gauge *gauge, double value);
SONDE_API void sonde_gauge_add(sonde_gauge *gauge, double n); /* n may be negative */
SONDE_API void sonde_gauge_set_now(sonde_gauge *gauge);       /* to the time: seconds since 1970 */
SONDE_API double sonde_gauge_value(const sonde_gauge *gauge);
SONDE_API int sonde_gauge_read_from(sonde_gauge *gauge, double (*read)(void *user), void *user);

/* Histograms: how values are distributed. Classic ones have the buckets that are given; native ones
 * have buckets that grow by 2^(1/8) (values are known within 4.5 %), from 2^-30 to 2^34, and cost 4
 * KiB for each thread that observes. */
typedef struct sonde_histogram_options {
    size_t struct_size;
    bool native;
    const double *bounds; /* classic: upper bounds, growing, without +Inf; NULL: 0.005 .. 10 */
    size_t bounds_n;      /* at most 64 */
} sonde_histogram_options;
#define SONDE_HISTOGRAM_OPTIONS_INIT                                                               \
    {                                                                                              \
        sizeof(sonde_histogram_options), false, NULL, 0                                            \
    }

/* options NULL: classic, with the bounds 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10.
 */
SONDE_API sonde_histogram *sonde_histogram_get(const char *name, const char *help,
                                               const sonde_label *labels,
                                               const sonde_histogram_options *options);
SONDE_API sonde_family *sonde_histogram_family(const char *name, const char *help,
                                               const char *const *label_names,
                                               const sonde_histogram_options *options);
SONDE_API sonde_histogram *sonde_histogram_with(sonde_family *family, const char *const *values);
/* NaN (and for native ones infinity) is left out and counted as lost. */
SONDE_API void sonde_histogram_observe(sonde_histogram *histogram, double value);
SONDE_API void sonde_histogram_observe_in(sonde_histogram *histogram, double value,
                                          const sonde_context *context);
/* Times something: observes the seconds since sonde_histogram_begin(). */
SONDE_API uint64_t sonde_histogram_begin(void);
SONDE_API void sonde_histogram_end(sonde_histogram *histogram, uint64_t begun);
SONDE_API uint64_t sonde_histogram_count(const sonde_histogram *histogram);
SONDE_API double sonde_histogram_sum(const sonde_histogram *histogram);
/* The value below which the share q (0..1) lies, interpolated as Prometheus does; NaN: no values.
 */
SONDE_API double sonde_histogram_quantile(const sonde_histogram *histogram, double q);

/* Summaries: quantiles over the last minutes, computed here (within 4.5 %). */
typedef struct sonde_summary_options {
    size_t struct_size;
    const double *quantiles; /* NULL: 0.5, 0.9, 0.99 */
    size_t quantiles_n;      /* at most 10 */
    unsigned window_s;       /* 0: 600; it slides in fifths */
} sonde_summary_options;
#define SONDE_SUMMARY_OPTIONS_INIT                                                                 \
    {                                                                                              \
        sizeof(sonde_summary_options), NULL, 0, 0                                                  \
    }

SONDE_API sonde_summary *sonde_summary_get(const char *name, const char *help,
                                           const sonde_label *labels,
                                           const sonde_summary_options *options);
SONDE_API sonde_family *sonde_summary_family(const char *name, const char *help,
                                             const char *const *label_names,
                                             const sonde_summary_options *options);
SONDE_API sonde_summary *sonde_summary_with(sonde_family *family, const char *const *values);
SONDE_API void sonde_summary_observe(sonde_summary *summary, double value);
SONDE_API double sonde_summary_quantile(const sonde_summary *summary, double q);

/* Takes one series out of a metric (its connection is closed): not exported any more, until
 * somebody gets it again; it then begins at zero. SONDE_ERROR_NOT_FOUND. */
SONDE_API int sonde_family_remove(sonde_family *family, const char *const *values);

/* All of them. */
enum sonde_metrics_format { SONDE_METRICS_TEXT = 0, SONDE_METRICS_OPENMETRICS = 1 };

/* All metrics of the process in Prometheus's text format 0.0.4 or OpenMetrics 1.0: writes at most
 * size bytes with a NUL; *ret_length is what all of it has (may be NULL). SONDE_ERROR_LIMIT where
 * it did not fit, SONDE_ERROR_STATE from within a callback of an export. */
SONDE_API int sonde_metrics_text(int format, char *ret, size_t size, size_t *ret_length);
/* The same as memory to be given back by free(); NULL: no memory, not started. */
SONDE_API char *sonde_metrics_new_text(int format);
/* Counters, histograms and summaries begin at zero again; gauges stay. */
SONDE_API int sonde_metrics_reset(void);
/* Takes a metric with all its series out; its handles may still be used and are not exported. It
 * begins at zero when it is got again. */
SONDE_API int sonde_metrics_remove(const char *name);

#ifdef __cplusplus
}
#endif
#endif
