#include "scrape/writing.h"

#include "base/mem.h"
#include "model/sample.h"

void writing_init(struct writing *w, struct sink *s, size_t lane, struct tenant *t)
{
    *w = (struct writing){.sink = s, .lane = lane, .tenant = t};
    w->batch = mem_new(sizeof *w->batch);
}

void writing_done(struct writing *w)
{
    mem_free(w->batch);
    w->batch = NULL;
}

int writing_flush(struct writing *w)
{
    struct batch *b = w->batch;
    if (b->n == 0)
        return 0;
    struct why why = {0};
    int taken = w->sink->ops->append(w->sink, w->lane, w->tenant, b, &why);
    if (taken < 0)
        w->err = taken;
    if (taken < 0 || (size_t)taken < b->n) {
        w->refused += b->n - (size_t)MAX(taken, 0);
        w->why = why;
    }
    b->n = 0;
    return MIN(taken, 0);
}

static void put(struct writing *w, struct str key, int64_t ts_ms, double value,
                const struct reading_extra *extra)
{
    struct batch *b = w->batch;
    size_t i = b->n++;
    b->key[i] = key;
    b->ts_ms[i] = ts_ms;
    b->value[i] = value;
    b->histogram[i] = extra ? extra->histogram : NULL;
    b->start_ms[i] = extra ? extra->start_ms : 0;
    b->err[i] = 0;
    if (b->n == BATCH_MAX)
        (void)writing_flush(w); /* w->err keeps it */
}

void writing_put(struct writing *w, struct str key, int64_t ts_ms, double value)
{
    put(w, key, ts_ms, value, NULL);
}

static void end_series(struct writing *w, struct recall *recall, struct recall_line *l,
                       int64_t ts_ms)
{
    put(w, recall_key(recall, l), ts_ms, sample_stale(), NULL);
    l->live = false;
    recall->live_n--;
}

size_t writing_end_all(struct writing *w, struct recall *recall, int64_t ts_ms)
{
    size_t n = recall->live_n;
    for (size_t i = 0; i < recall->n && recall->live_n; i++)
        if (recall->lines[i].live)
            end_series(w, recall, &recall->lines[i], ts_ms);
    (void)writing_flush(w); /* w->err keeps it; before the keys may move */
    return n;
}

/* Series that were live and are not in this answer; still: how many of them are. */
static size_t end_gone(struct writing *w, struct recall *recall, size_t still, int64_t ts_ms)
{
    size_t gone = recall->live_n - still;
    for (size_t i = 0, left = gone; i < recall->n && left; i++) {
        struct recall_line *l = &recall->lines[i];
        if (!l->live || l->seen == recall->answer)
            continue;
        end_series(w, recall, l, ts_ms);
        left--;
    }
    return gone;
}

static void write_sides(struct writing *w, struct reading *r)
{
    const struct sink_ops *ops = w->sink->ops;
    const struct recall *recall = r->recall;
    for (size_t i = 0; i < r->exemplars.n; i++) {
        const struct recall_line *l = &recall->lines[r->exemplars.v[i].line];
        struct exemplar e = r->exemplars.v[i].exemplar;
        if (l->kind == RECALL_DROPPED || l->hidden)
            continue;
        e.key = recall_key(recall, &recall->lines[l->owner]);
        /* An exemplar that is refused is an example less, no loss of data. */
        (void)!ops->exemplar(w->sink, w->lane, w->tenant, &e, NULL);
    }
    for (size_t i = 0; i < r->metadata.n; i++)
        /* The same holds for a help text. */
        (void)!ops->metadata(w->sink, w->lane, w->tenant, &r->metadata.v[i]);
}

int writing_take(struct writing *w, struct reading *r, struct writing_count *ret, struct why *why)
{
    struct recall *recall = r->recall;
    struct writing_count count = {0};
    bool track = r->config->track_timestamps_staleness;
    size_t still = 0;
    w->err = 0;
    for (size_t i = 0; i < r->rows.n; i++) {
        const struct reading_row *row = &r->rows.v[i];
        struct recall_line *l = &recall->lines[row->line], *owner = &recall->lines[l->owner];
        bool first = owner->seen != recall->answer, old = owner->seen == recall->good;
        recall_see(recall, l);
        if (l->kind == RECALL_DROPPED || l->hidden)
            continue;
        recall_see(recall, owner);
        count.kept++;
        if (!first && !row->timed) {
            count.duplicates++;
            continue;
        }
        count.added += first && !old;
        if (!owner->live && (!row->timed || track)) {
            owner->live = true;
            recall->live_n++;
            still++;
        } else if (first) {
            still += owner->live;
        }
        put(w, recall_key(recall, owner), row->ts_ms, row->value,
            row->extra ? &r->extras.v[row->extra - 1] : NULL);
    }
    count.gone = end_gone(w, recall, still, r->now_ms);
    (void)writing_flush(w); /* w->err keeps it */
    write_sides(w, r);
    recall->good = recall->answer;
    recall_end(recall);
    *ret = count;
    if (!w->err)
        return 0;
    if (why)
        *why = w->why;
    return w->err;
}
