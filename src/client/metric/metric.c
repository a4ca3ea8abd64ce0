#include "client/metric/metric.h"

#include <stdio.h>
#include <string.h>

#include "client/core/command.h"
#include "client/core/setting.h"
#include "client/core/ticks.h"
#include "client/core/worker.h"
#include "client/metric/cells.h"
#include "client/metric/export.h"
#include "client/metric/frame_writer.h"
#include "client/metric/listener.h"
#include "client/metric/metrics.h"
#include "client/metric/object_writer.h"
#include "client/metric/text_filter.h"
#include "client/metric/process.h"
#include "client/metric/registry.h"

enum { METADATA_PERIOD_MS = 60000, SLIDE_PERIOD_MS = 5000 };

static int64_t metadata_ms; /* when all of it was told; under the exporter's lock */
static _Atomic bool again;

void metric_export_again(void)
{
    atomic_store(&again, true);
}

void metric_export_frames(int64_t unix_ms,
                          void (*frame)(void *context, const struct text *payload, bool more),
                          void *context)
{
    struct frame_writer w;
    if (!export_lock()) {
        return;
    }
    frame_writer_init(&w, unix_ms, frame, context);
    w.all_metadata = atomic_exchange(&again, false) ||
                     unix_ms - metadata_ms >= METADATA_PERIOD_MS || unix_ms < metadata_ms;
    metrics_write(&w.writer, NULL, NULL);
    frame_writer_end(&w);
    if (w.all_metadata) {
        metadata_ms = unix_ms;
    }
    export_unlock();
}

static bool named(const char *name, void *pattern)
{
    return object_writer_match(pattern, name);
}

static int show(const struct command_call *call, struct jot *j, char *problem)
{
    char pattern[COMMAND_LINE_MAX];
    const char *wanted = call->n > 1 ? call->words[1] : "*";
    snprintf(pattern, sizeof pattern, "%s", wanted);
    struct object_writer w;
    if (metrics_begin() != 0) {
        snprintf(problem, SETTING_PROBLEM_MAX, "metrics cannot be read from within an export");
        return SONDE_ERROR_STATE;
    }
    jot_array(j, "metrics");
    object_writer_init(&w, j, pattern);
    metrics_write(&w.writer, named, pattern);
    object_writer_end(&w);
    jot_end(j);
    export_unlock();
    return 0;
}

/* Of one service: what carries its name as the label `service`. */
static int only_service(struct text *t, const char *service, char *problem)
{
    struct text some;
    text_init(&some, METRICS_TEXT_MAX);
    size_t n = text_filter(t, "service", service, &some);
    text_done(t);
    *t = some;
    if (n == 0) {
        snprintf(problem, SETTING_PROBLEM_MAX, "no metric has the label service=\"%.80s\"",
                 service);
        return SONDE_ERROR_NOT_FOUND;
    }
    return 0;
}

static int as_text(const struct command_call *call, struct jot *j, char *problem)
{
    const char *word = call->n > 1 ? call->words[1] : "";
    bool openmetrics = strcmp(word, "openmetrics") == 0;
    struct text t;
    text_init(&t, METRICS_TEXT_MAX);
    int err = metrics_text(&t, openmetrics);
    if (err) {
        snprintf(problem, SETTING_PROBLEM_MAX, "%s", sonde_error_text(err));
    } else if (*word && !openmetrics) {
        err = only_service(&t, word, problem);
    }
    if (!err) {
        jot_string_n(j, "text", t.bytes ? t.bytes : "", t.len);
    }
    text_done(&t);
    return err;
}

static int reset(const struct command_call *call, struct jot *j, char *problem)
{
    int err = sonde_metrics_reset();
    if (err) {
        snprintf(problem, SETTING_PROBLEM_MAX, "%s", sonde_error_text(err));
        return err;
    }
    jot_bool(j, "reset", true);
    return 0;
}

static struct command commands[] = {
    {.name = "metrics",
     .usage = "[NAME-PATTERN]",
     .help = "All metrics, or those whose names match a pattern with * and ?.",
     .level = COMMAND_VIEWER,
     .run = show},
    {.name = "prometheus",
     .usage = "[openmetrics | SERVICE]",
     .help = "All metrics in Prometheus's text format or in OpenMetrics', or those of a service.",
     .level = COMMAND_VIEWER,
     .run = as_text},
    {.name = "metrics-reset",
     .usage = "",
     .help = "Lets counters, histograms and summaries begin at zero.",
     .level = COMMAND_OPERATOR,
     .run = reset},
};

static void slide(void *unused)
{
    if (export_lock()) {
        registry_slide(ticks_monotonic_ns());
        export_unlock();
    }
}

static struct worker_task slide_task = {
    .name = "metric", .run = slide, .period_ns = (uint64_t)SLIDE_PERIOD_MS * 1000000};

/* Whoever is told now has been told nothing by this process of this name. */
static void forget_told(void)
{
    registry_forget_bytes();
    registry_told();
    metadata_ms = 0;
}

static int start(char *problem)
{
    int err = listener_start(problem);
    if (err) {
        return err;
    }
    export_lock();
    forget_told();
    registry_reset(); /* what was counted before a shutdown belongs to that run */
    export_unlock();
    cells_start();
    family_start();
    process_start();
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        command_add(&commands[i]);
    }
    worker_task_add(&slide_task);
    return 0;
}

static void stop(void)
{
    worker_task_remove(&slide_task);
    listener_stop();
    process_stop();
}

static void fork_child(void)
{
    export_fork_child();
    family_fork_child();
    listener_fork_child();
    export_lock();
    forget_told();
    registry_reset(); /* the parent reports what was counted before the fork */
    export_unlock();
}

const struct module metric_module = {
    .name = "metric",
    .start = start,
    .stop = stop,
    .fork_child = fork_child,
};
