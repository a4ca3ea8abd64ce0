#include "base/vec.h"
#include "rules/group_inside.h"
#include "text/template.h"

static struct str generator_of(const struct group_step *s)
{
    struct buf expr, url;
    buf_init(&expr, (size_t)4 * PROMQL_TEXT_MAX);
    buf_init(&url, (size_t)16 * PROMQL_TEXT_MAX);
    promql_print(s->rule->rule->tree, &expr);
    buf_put_str(&url, s->world->external_url);
    buf_put_str(&url, STR("/graph?g0.expr="));
    template_escape_query(buf_str(&expr), &url);
    buf_put_str(&url, STR("&g0.tab=1"));
    struct str out = arena_str(s->arena, buf_str(&url));
    buf_done(&url);
    buf_done(&expr);
    return out;
}

/* Resolved since the sink was last told, or told so long ago that it is told again. */
static bool is_due(const struct group_alert *a, int64_t t_ms, int64_t resend_ms)
{
    if (a->state == ALERT_PENDING)
        return false;
    if (a->resend || a->sent_ms == GROUP_NEVER || a->sent_ms > t_ms || a->resolved_ms > a->sent_ms)
        return true;
    return a->sent_ms + resend_ms < t_ms;
}

static struct alert alert_of(const struct group_step *s, struct group_alert *a)
{
    int64_t delay = MAX(s->group->interval_ms, s->world->resend_delay_ms);
    bool resolved = a->resolved_ms != GROUP_NEVER;
    bool first = a->sent_ms == GROUP_NEVER || a->resolved_ms > a->sent_ms;
    a->sent_ms = s->t_ms;
    a->resend = false;
    a->valid_until_ms = s->t_ms + 4 * delay;
    return (struct alert){.labels = arena_str(s->arena, a->key),
                          .annotations = arena_str(s->arena, a->annotations),
                          .starts_ms = a->fired_ms,
                          .ends_ms = resolved ? a->resolved_ms : a->valid_until_ms,
                          .resolved = resolved,
                          .first = first,
                          .value = a->value};
}

void group_send(const struct group_step *s)
{
    struct {
        struct alert *v;
        size_t n, capacity;
    } due = {0};
    size_t at = 0;
    if (s->world->alerts == NULL)
        return;
    thread_lock(&s->group->lock);
    for (struct map_slot *m; (m = map_next(&s->rule->active, &at)) != NULL;)
        if (is_due(m->value.p, s->t_ms, s->world->resend_delay_ms))
            vec_push(&due, alert_of(s, m->value.p));
    thread_unlock(&s->group->lock);
    if (due.n > 0) {
        struct str url = generator_of(s);
        for (size_t i = 0; i < due.n; i++)
            due.v[i].generator_url = url;
        s->world->alerts->ops->send(s->world->alerts, due.v, due.n);
    }
    vec_free(&due);
}
