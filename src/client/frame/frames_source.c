/* Frames among the metrics: docs/manual/libsonde-frames.md. */
#include <math.h>
#include <string.h>

#include "client/frame/frames.h"
#include "client/metric/source.h"

struct row {
    const char *family;
    enum source_type type;
    const char *help, *unit;
    double (*value)(const sonde_frames_info *info);
};

static double janky_of(const sonde_frames_info *i)
{
    return (double)i->janky;
}

static double dropped_of(const sonde_frames_info *i)
{
    return (double)i->dropped;
}

static double delay_of(const sonde_frames_info *i)
{
    return i->delay;
}

static double rate_of(const sonde_frames_info *i)
{
    return i->rate;
}

static double target_of(const sonde_frames_info *i)
{
    return i->target_hz;
}

static const struct row rows[] = {
    {"sonde_frames_janky", SOURCE_COUNTER,
     "Frames that took more than twice the median of those before, and longer than a refresh.",
     NULL, janky_of},
    {"sonde_frames_dropped", SOURCE_COUNTER, "Refreshes that went by without a frame.", NULL,
     dropped_of},
    {"sonde_frame_delay_seconds", SOURCE_COUNTER, "What frames took beyond a refresh.", "seconds",
     delay_of},
    {"sonde_frame_rate", SOURCE_GAUGE, "Frames a second, over the window.", NULL, rate_of},
    {"sonde_frame_target_rate", SOURCE_GAUGE, "Frames a second that there should be.", NULL,
     target_of},
};

static void write_row(struct source_writer *w, const struct row *row,
                      const sonde_frames_info *infos, size_t n)
{
    source_family(w, row->family, row->type, row->help, row->unit);
    for (size_t i = 0; i < n; i++) {
        const sonde_label labels[] = {{"name", infos[i].name}, {NULL, NULL}};
        source_sample(w, row->type == SOURCE_COUNTER ? "_total" : "", labels,
                      row->value(&infos[i]));
    }
}

static void write_kinds(struct source_writer *w, const sonde_frames_info *infos, size_t n)
{
    source_family(w, "sonde_frames", SOURCE_COUNTER, "Frames: normal, slow or frozen.", NULL);
    for (size_t i = 0; i < n; i++) {
        const sonde_frames_info *f = &infos[i];
        uint64_t late = f->slow + f->frozen;
        const struct {
            const char *name;
            uint64_t value;
        } kinds[] = {{"normal", f->count > late ? f->count - late : 0},
                     {"slow", f->slow},
                     {"frozen", f->frozen}};
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
            const sonde_label labels[] = {{"name", f->name}, {"kind", kinds[k].name}, {NULL, NULL}};
            source_sample(w, "_total", labels, (double)kinds[k].value);
        }
    }
}

static void write_durations(struct source_writer *w)
{
    source_family(w, "sonde_frame_duration_seconds", SOURCE_HISTOGRAM, "How long frames took.",
                  "seconds");
    for (size_t i = 0, n = frames_count(); i < n; i++) {
        const sonde_label labels[] = {{"name", frames_at(i)->name}, {NULL, NULL}};
        struct buckets_sum sum;
        struct source_histogram h;
        memset(&sum, 0, sizeof sum);
        buckets_fold(&frames_at(i)->buckets, &sum);
        buckets_native(&sum, &h);
        source_native(w, labels, &h);
    }
}

static void write_window(struct source_writer *w, const sonde_frames_info *infos, size_t n)
{
    source_family(w, "sonde_frame_window_duration_seconds", SOURCE_GAUGE,
                  "Quantiles of the frames of the window, exact; 0 is the shortest, 1 the longest.",
                  "seconds");
    for (size_t i = 0; i < n; i++) {
        const sonde_frames_info *f = &infos[i];
        const struct {
            const char *quantile;
            double value;
        } rows_of[] = {{"0", f->minimum},
                       {"0.5", f->p50},
                       {"0.95", f->p95},
                       {"0.99", f->p99},
                       {"1", f->maximum}};
        for (size_t k = 0; f->window_count && k < sizeof rows_of / sizeof *rows_of; k++) {
            const sonde_label labels[] = {
                {"name", f->name}, {"quantile", rows_of[k].quantile}, {NULL, NULL}};
            source_sample(w, "", labels, rows_of[k].value);
        }
    }
}

struct list {
    sonde_frames_info infos[SONDE_FRAMES_MAX];
    size_t n;
};

static void add(const sonde_frames_info *info, void *user)
{
    struct list *l = user;
    if (l->n < SONDE_FRAMES_MAX) {
        l->infos[l->n++] = *info;
    }
}

static void write(struct source_writer *w, void *context)
{
    struct list l;
    l.n = 0;
    if (sonde_frames_each(add, &l) == 0) {
        return;
    }
    write_durations(w);
    write_kinds(w, l.infos, l.n);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        write_row(w, &rows[i], l.infos, l.n);
    }
    write_window(w, l.infos, l.n);
}

static struct source source = {.name = "frame", .write = write};

void frames_source_start(void)
{
    source_add(&source);
}

void frames_source_stop(void)
{
    source_remove(&source);
}
