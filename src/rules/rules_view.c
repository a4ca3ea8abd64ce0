#include "rules/rules_inside.h"

const char *rule_health_text(enum rule_health h)
{
    static const char *const TEXTS[] = {"unknown", "ok", "err"};
    return TEXTS[h];
}

const char *alert_state_text(enum alert_state s)
{
    static const char *const TEXTS[] = {"inactive", "pending", "firing"};
    return TEXTS[s];
}

void rules_view(struct rules *r, struct arena *a, struct rules_view *ret)
{
    thread_lock(&r->lock);
    ret->groups_n = r->entries.n;
    ret->groups = arena_array(a, r->entries.n + 1, sizeof *ret->groups);
    for (size_t i = 0; i < r->entries.n; i++)
        group_view(r->entries.v[i]->group, a, &ret->groups[i]);
    thread_unlock(&r->lock);
}

size_t rules_failing(struct rules *r)
{
    size_t n = 0;
    thread_lock(&r->lock);
    for (size_t i = 0; i < r->entries.n; i++)
        n += group_failing(r->entries.v[i]->group);
    thread_unlock(&r->lock);
    return n;
}

struct str rules_problem(struct rules *r, struct arena *a)
{
    thread_lock(&r->lock);
    struct str text = arena_str(a, str_trim(buf_str(&r->problem)));
    thread_unlock(&r->lock);
    return text;
}
