#include "alert/alert_inside.h"

#include <inttypes.h>

#include "base/hash.h"
#include "base/vec.h"

enum { ID_BYTES_MAX = 64 << 20 };

struct message_alert alert_message_alert(struct alerting *a, const struct alert_item *i,
                                         int64_t now_ms)
{
    struct arena *arena = &a->batch.arena;
    bool over = i->ends_ms <= now_ms;
    return (struct message_alert){.labels = arena_str(arena, i->labels),
                                  .annotations = arena_str(arena, i->annotations),
                                  .starts_ms = i->starts_ms,
                                  .ends_ms = over ? i->ends_ms : 0,
                                  .resolved = over,
                                  .generator_url = arena_str(arena, i->url),
                                  .fingerprint = i->fingerprint};
}

/* The same decision has the same id: whom, about which group, when, why, about which alerts. */
static struct str id_of(struct alerting *a, const struct alert_telling *t, struct str kind,
                        uint32_t index)
{
    struct buf b;
    buf_init(&b, ID_BYTES_MAX);
    buf_put_str(&b, str_c(t->group->key));
    buf_put_c(&b, '\0');
    buf_put_str(&b, t->receiver->name);
    buf_put_c(&b, '\0');
    buf_put_str(&b, kind);
    buf_printf(&b, "/%u/%d/%" PRId64, index, (int)t->reason, t->tick_ms);
    for (size_t k = 0; k < t->n; k++)
        buf_printf(&b, "/%" PRIx64 "%c", t->alerts[k].fingerprint,
                   t->alerts[k].resolved ? 'r' : 'f');
    struct str id = arena_printf(&a->batch.arena, "%016" PRIx64 "%016" PRIx64,
                                 hash_xxh3(b.p, b.n, 1), hash_xxh3(b.p, b.n, 2));
    buf_done(&b);
    return id;
}

uint32_t alert_message_index(const struct plan_receiver *r, size_t i)
{
    uint32_t n = 0;
    for (size_t k = 0; k < i; k++)
        if (r->integrations[k].notifier == r->integrations[i].notifier)
            n++;
    return n;
}

void alert_message_add(struct alerting *a, const struct alert_telling *t,
                       const struct notify_integration *integration, uint32_t index)
{
    struct arena *arena = &a->batch.arena;
    struct str kind = str_c(integration->notifier->kind);
    struct message m = {.id = id_of(a, t, kind, index),
                        .receiver = arena_str(arena, t->receiver->name),
                        .kind = kind,
                        .index = index,
                        .group_key = arena_str(arena, str_c(t->group->key)),
                        .group_labels = arena_str(arena, t->group->labels),
                        .reason = t->reason,
                        .alerts = t->alerts,
                        .n = t->n,
                        .time_ms = t->now_ms,
                        .external_url = arena_str(arena, a->plan->external_url)};
    vec_push(&a->batch.messages, m);
    alert_metric_decided(t->reason);
}
