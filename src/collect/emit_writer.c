#include "collect/emit_writer.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/stat.h"
#include "model/sample.h"

void emit_writer_init(struct emit_writer *w, const struct emit_writer_plan *plan)
{
    *w = (struct emit_writer){.plan = *plan};
    w->batch = mem_new(sizeof *w->batch);
    map_init(&w->families, 0);
}

void emit_writer_done(struct emit_writer *w)
{
    if (w->batch == NULL)
        return;
    map_done(&w->families);
    mem_free(w->batch);
    w->batch = NULL;
}

static void flush(struct emit_writer *w)
{
    const struct emit_writer_plan *p = &w->plan;
    struct batch *b = w->batch;
    struct why why = {0};
    if (b->n == 0)
        return;
    int taken = p->sink->ops->append(p->sink, p->lane, p->tenant, b, &why);
    size_t good = taken > 0 ? (size_t)taken : 0;
    if (p->samples != NULL)
        stat_add(p->samples, good);
    stat_add(p->refused, b->n - good);
    bool failed = good < b->n;
    if (failed && !w->failed)
        log_warn(p->subject, "the store does not take all %s: %s", p->what,
                 why.text[0] ? why.text : err_text(taken < 0 ? taken : ERR_LIMIT));
    w->failed = failed;
    b->n = 0;
}

static void put(struct emit_writer *w, struct str key, int64_t ts_ms, double value)
{
    struct batch *b = w->batch;
    if (b->n == BATCH_MAX)
        flush(w);
    size_t i = b->n++;
    b->key[i] = key;
    b->ts_ms[i] = ts_ms;
    b->value[i] = value;
    b->histogram[i] = NULL;
    b->start_ms[i] = 0;
    b->err[i] = 0;
}

static void put_metadata(struct emit_writer *w, const struct emit_series *s)
{
    const struct emit_writer_plan *p = &w->plan;
    bool is_new;
    map_put(&w->families, s->base, &is_new); /* a set */
    if (!is_new)
        return;
    const struct metadata m = {.metric = s->base, .type = s->family->type, .help = s->help};
    /* Metadata is a convenience: without it the samples are still right. */
    (void)p->sink->ops->metadata(p->sink, p->lane, p->tenant, &m);
}

void emit_writer_run(struct emit_writer *w, struct emit *e, int64_t ts_ms)
{
    for (size_t i = e->n; i-- > 0;) {
        struct emit_series *s = e->v[i];
        if (s->run == e->run) {
            if (!s->published)
                put_metadata(w, s);
            s->published = true;
            put(w, s->key, ts_ms, s->value);
            continue;
        }
        if (s->published)
            put(w, s->key, ts_ms, sample_stale());
        flush(w); /* before its key goes */
        emit_drop(e, i);
    }
    flush(w);
}
