#include "serve/dump.h"

#include "base/map.h"
#include "model/labels.h"
#include "model/sample.h"
#include "serve/answer.h"
#include "serve/job.h"
#include "serve/param.h"

enum { SERIES_MAX = 10000000 };

/* ---- writing */

void dump_begin(struct dump *d, struct buf *out)
{
    *d = (struct dump){.samples = 0};
    exposition_write_init(&d->writer, out, EXPOSITION_OPENMETRICS, NAME_ESCAPE_NONE);
    buf_init(&d->name, LABEL_VALUE_MAX);
}

void dump_series(struct dump *d, const struct series_view *view)
{
    const struct column *c = &view->column;
    struct str name = labels_get(view->key, LABEL_METRIC);
    for (size_t i = 0; i < c->n; i++) {
        if (c->histogram && c->histogram[i]) {
            d->histograms++;
            continue;
        }
        if (sample_is_stale(c->value[i])) {
            d->markers++;
            continue;
        }
        if (!str_eq(name, buf_str(&d->name))) {
            buf_clear(&d->name);
            buf_put_str(&d->name, name);
            exposition_write_family(&d->writer, name, METRIC_UNKNOWN, STR(""), STR(""));
        }
        exposition_write_sample(&d->writer, view->key, c->value[i], true, c->ts_ms[i]);
        d->samples++;
    }
}

void dump_end(struct dump *d)
{
    exposition_write_end(&d->writer);
    buf_done(&d->name);
}

/* ---- over HTTP */

struct asked {
    struct param_selectors selectors;
    int64_t from_ms, to_ms;
};

struct dumping {
    struct job *job;
    struct dump dump;
    struct map seen; /* where there are several selectors */
};

static int take_one(void *context, const struct series_view *view, struct why *why)
{
    struct dumping *d = context;
    const struct asked *asked = d->job->context;
    bool fresh = true;
    if (asked->selectors.n > 1)
        (void)map_put(&d->seen, view->key, &fresh);
    if (fresh)
        dump_series(&d->dump, view);
    if (buf_failed(&d->job->body))
        return why_set(why, ERR_LIMIT, "the answer is longer than %zu bytes: ask for less at once",
                       d->job->body.max);
    return 0;
}

static void work(struct job *j)
{
    const struct asked *asked = j->context;
    struct dumping d = {.job = j};
    struct why why = {0};
    int err = 0;
    dump_begin(&d.dump, &j->body);
    map_init(&d.seen, (uint64_t)(uintptr_t)j);
    for (size_t i = 0; i < asked->selectors.n && j->tenant && err == 0; i++) {
        const struct select how = {.matchers = asked->selectors.v[i].matchers,
                                   .matchers_n = asked->selectors.v[i].n,
                                   .from_ms = asked->from_ms,
                                   .to_ms = asked->to_ms,
                                   .want = SELECT_SAMPLES,
                                   .series_max = SERIES_MAX};
        err = job_each_series(j, &how, take_one, &d, &why);
    }
    map_done(&d.seen);
    dump_end(&d.dump);
    j->type = exposition_write_content_type(EXPOSITION_OPENMETRICS);
    if (err != 0)
        answer_failure(j, err, &why);
}

void dump_handle(struct http_request *r, void *serve)
{
    struct asked *asked = arena_new(http_arena(r), sizeof *asked);
    if (param_selectors(r, PARAM_NEEDED, &asked->selectors) &&
        param_window(r, &asked->from_ms, &asked->to_ms))
        job_start(serve, r, work, asked);
}
