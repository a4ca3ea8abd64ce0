#include "receive/graphite_feed.h"

#include <stdatomic.h>

#include "base/log.h"
#include "base/stat.h"
#include "codec/pickle.h"
#include "text/number.h"

enum { SHOW_EVERY_S = 10 /* of what is bad, one is shown */ };

static const char *const MODULE = "graphite";

static struct stat taken =
    STAT_COUNTER("sonde_graphite_samples_total", "Samples that came in Graphite's protocols.");
static struct stat bad = STAT_COUNTER(
    "sonde_graphite_refused_total",
    "Lines and pickled samples of Graphite's protocols that were bad or that the store refused.");
static struct stat lost =
    STAT_COUNTER("sonde_graphite_lost_total",
                 "Samples of Graphite's protocols that could not be stored at the time.");

static _Atomic int64_t shown_ns;

void graphite_feed_register(void)
{
    stat_register(&taken);
    stat_register(&bad);
    stat_register(&lost);
}

/* May one more be shown now? */
static bool show_now(void)
{
    int64_t now = clock_monotonic_ns(&clock_real);
    int64_t last = atomic_load_explicit(&shown_ns, memory_order_relaxed);
    return (last == 0 || now - last > SHOW_EVERY_S * 1000000000LL) &&
           atomic_compare_exchange_strong(&shown_ns, &last, now);
}

static void refuse(const char *peer, struct str what, const char *reason)
{
    stat_add(&bad, 1);
    if (show_now())
        log_warn(MODULE, "from %s: \"" STR_FMT "\": %s (%llu refused so far)", peer,
                 STR_ARG(str_sub(what, 0, GRAPHITE_SHOWN_MAX)), reason,
                 (unsigned long long)stat_count(&bad));
}

void graphite_feed_failed(int err, uint64_t samples)
{
    stat_add(&lost, samples);
    if (show_now())
        log_warn(MODULE, "%llu samples are lost: %s", (unsigned long long)samples, err_text(err));
}

void graphite_feed_init(struct graphite_feed *f, const struct graphite_shared *shared, size_t lane)
{
    f->shared = shared;
    f->lane = lane;
    f->fresh = 0;
    f->plan = shared->plan;
    graphite_init(&f->reader);
    arena_init(&f->arena);
}

void graphite_feed_done(struct graphite_feed *f)
{
    graphite_done(&f->reader);
    arena_done(&f->arena);
}

static void append(struct graphite_feed *f, const char *peer)
{
    struct batch *b = &f->batch;
    struct sink *sink = f->shared->sink;
    struct why why = {0};
    if (b->n == 0)
        return;
    int n = sink->ops->append(sink, f->lane, f->shared->tenant, b, &why);
    if (n < 0) {
        graphite_feed_failed(n, b->n);
        return;
    }
    stat_add(&taken, (uint64_t)n);
    f->fresh += (uint64_t)n;
    for (size_t i = 0; (size_t)n < b->n && i < b->n; i++)
        if (b->err[i] != 0)
            refuse(peer, labels_get(b->key[i], LABEL_METRIC),
                   why.text[0] ? why.text : err_text(b->err[i]));
}

void graphite_feed_lines(struct graphite_feed *f, struct str text, const char *peer)
{
    f->plan.now_ms = clock_wall_ms(f->shared->clock);
    graphite_begin(&f->reader, text, &f->plan);
    while (graphite_next(&f->reader, &f->batch, &f->sides) > 0) {
        append(f, peer);
        for (size_t i = 0; i < f->sides.bad_n; i++)
            refuse(peer, f->sides.bad[i].series, f->sides.bad[i].reason.p);
    }
}

/* A number, or a text that is one. */
static bool number_of(const struct pickle_value *v, double *ret)
{
    if (v->type == PICKLE_TEXT)
        return number_parse(v->text, ret) == 0;
    *ret = v->number;
    return v->type == PICKLE_NUMBER;
}

/* (path, (time, value)). NULL, or what is wrong. */
static const char *read_item(struct graphite_feed *f, const struct pickle_value *item,
                             struct str *ret_path)
{
    double time_s, value;
    if (item->type != PICKLE_LIST || item->list->n != 2 || item->list->v[0].type != PICKLE_TEXT)
        return "an item is not (path, (time, value))";
    *ret_path = item->list->v[0].text;
    const struct pickle_value *point = &item->list->v[1];
    if (point->type != PICKLE_LIST || point->list->n != 2)
        return "an item is not (path, (time, value))";
    if (!number_of(&point->list->v[0], &time_s))
        return "the time is not a number of seconds";
    if (!number_of(&point->list->v[1], &value))
        return "the value is not a number";
    return graphite_row(&f->reader, *ret_path, value, time_s, &f->batch);
}

int graphite_feed_pickle(struct graphite_feed *f, struct str bytes, const char *peer,
                         struct why *why)
{
    struct pickle_value v;
    arena_reset(&f->arena);
    int err = pickle_read(bytes, &f->arena, &v, why);
    if (err != 0)
        return err;
    if (v.type != PICKLE_LIST)
        return why_set(why, ERR_FORMAT, "the pickle is no list");
    f->plan.now_ms = clock_wall_ms(f->shared->clock);
    graphite_begin(&f->reader, (struct str){0}, &f->plan);
    f->batch.n = 0;
    graphite_forget(&f->reader);
    for (size_t i = 0; i < v.list->n; i++) {
        struct str path = STR("");
        const char *wrong = read_item(f, &v.list->v[i], &path);
        if (wrong != NULL)
            refuse(peer, path, wrong);
        if (f->batch.n < BATCH_MAX && i + 1 < v.list->n)
            continue;
        append(f, peer);
        f->batch.n = 0;
        graphite_forget(&f->reader);
    }
    return 0;
}
