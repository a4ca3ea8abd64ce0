#include "alert/alert_inside.h"

#include "base/vec.h"

void alert_batch_init(struct alert_batch *b)
{
    *b = (struct alert_batch){0};
    arena_init(&b->arena);
}

void alert_batch_done(struct alerting *a)
{
    struct alert_batch *b = &a->batch;
    vec_free(&b->items);
    vec_free(&b->groups);
    vec_free(&b->told);
    vec_free(&b->groups_gone);
    vec_free(&b->silences_gone);
    vec_free(&b->items_gone);
    vec_free(&b->silences);
    vec_free(&b->history);
    vec_free(&b->messages);
    vec_free(&b->changed);
    arena_done(&b->arena);
}

bool alert_batch_empty(const struct alert_batch *b)
{
    return b->items.n + b->groups.n + b->told.n + b->groups_gone.n + b->silences_gone.n +
                   b->items_gone.n + b->silences.n + b->history.n + b->messages.n ==
               0 &&
           !b->ran && b->history_before_ms == 0;
}

void alert_batch_changed(struct alerting *a, const struct alert_item *i)
{
    struct arena *arena = &a->batch.arena;
    if (a->config.changed == NULL)
        return;
    struct alert v = {.labels = arena_str(arena, i->labels),
                      .annotations = arena_str(arena, i->annotations),
                      .starts_ms = i->starts_ms,
                      .ends_ms = i->ends_ms,
                      .resolved = i->resolved,
                      .first = true,
                      .value = i->value,
                      .generator_url = arena_str(arena, i->url)};
    vec_push(&a->batch.changed, v);
}

/* While the disk takes nothing, the newest rows wait and older ones do too, up to a limit. */
void alert_batch_history(struct alerting *a, const struct alert_history_row *row)
{
    struct arena *arena = &a->batch.arena;
    if (a->batch.history.n >= ALERT_HISTORY_WAITING_MAX)
        return;
    struct alert_history_row v = *row;
    v.labels = arena_str(arena, row->labels);
    v.what = arena_str(arena, row->what);
    v.who = arena_str(arena, row->who);
    v.text = arena_str(arena, row->text);
    vec_push(&a->batch.history, v);
}

static int write(void *context, struct state_tx *tx, struct why *why)
{
    return alert_state_write(context, tx, why);
}

static void settle_told(struct alerting *a)
{
    struct alert_batch *b = &a->batch;
    for (size_t k = 0; k < b->told.n; k++) {
        struct alert_told *t = b->told.v[k];
        t->dirty = false;
        if (!t->gone)
            continue;
        (void)map_drop(&a->told, str_of(t->key, t->key_n)); /* it is there */
        alert_told_free(t);
    }
}

static void settle(struct alerting *a)
{
    struct alert_batch *b = &a->batch;
    for (size_t k = 0; k < b->items.n; k++) {
        b->items.v[k]->dirty = false;
        b->items.v[k]->stored = true;
    }
    for (size_t k = 0; k < b->groups.n; k++)
        if (b->groups.v[k]) {
            b->groups.v[k]->dirty = false;
            b->groups.v[k]->stored = true;
        }
    settle_told(a);
    if (b->ran)
        a->run++;
    b->items.n = b->groups.n = b->told.n = b->groups_gone.n = b->silences_gone.n = 0;
    b->items_gone.n = b->silences.n = b->history.n = 0;
    b->ran = false;
    b->history_before_ms = 0;
}

int alert_batch_commit(struct alerting *a, int64_t now_ms, struct why *why)
{
    struct alert_batch *b = &a->batch;
    if (alert_batch_empty(b))
        return 0;
    int64_t begin = clock_monotonic_ns(a->config.clock);
    int err = state_write(a->config.state, write, a, why);
    alert_metric_written(clock_monotonic_ns(a->config.clock) - begin, err == 0);
    a->retry_ms = err ? now_ms + ALERT_RETRY_MS : 0;
    if (err)
        return err;
    thread_lock(&a->lock);
    settle(a);
    thread_unlock(&a->lock);
    if (b->messages.n && a->config.wake)
        a->config.wake(a->config.context);
    for (size_t k = 0; k < b->changed.n; k++)
        a->config.changed(a->config.changed_context, &b->changed.v[k]);
    b->messages.n = b->changed.n = 0;
    arena_reset(&b->arena);
    return 0;
}
