#include "apps/relay_limits.h"

#include <string.h>

void relay_limits_add(struct relay_limits *l, struct str category, int64_t until_ms)
{
    size_t at = 0;
    if (category.n >= RELAY_LIMITS_WORD)
        return;
    while (at < l->n && !str_eq(str_c(l->v[at].category), category))
        at++;
    if (at == RELAY_LIMITS_MAX) { /* the one that ends first makes room */
        at = 0;
        for (size_t i = 1; i < l->n; i++)
            at = l->v[i].until_ms < l->v[at].until_ms ? i : at;
        l->v[at].until_ms = 0;
    } else if (at == l->n) {
        l->v[l->n++].until_ms = 0;
    }
    if (category.n > 0)
        memcpy(l->v[at].category, category.p, category.n);
    l->v[at].category[category.n] = '\0';
    if (until_ms > l->v[at].until_ms)
        l->v[at].until_ms = until_ms;
}

void relay_limits_take(struct relay_limits *l, struct str header, int64_t now_ms)
{
    struct str limit, categories, category, seconds;
    while (str_split(&header, ',', &limit)) {
        limit = str_trim(limit);
        uint64_t s;
        if (!str_split(&limit, ':', &seconds) || !str_u64(str_trim(seconds), &s))
            continue;
        int64_t wait_ms = (int64_t)MIN(s, (uint64_t)RELAY_LIMITS_MS_MAX / 1000) * 1000;
        if (!str_split(&limit, ':', &categories) || categories.n == 0) {
            relay_limits_add(l, STR(""), now_ms + wait_ms);
            continue;
        }
        while (str_split(&categories, ';', &category))
            relay_limits_add(l, str_trim(category), now_ms + wait_ms);
    }
}

int64_t relay_limits_until(const struct relay_limits *l, struct str category)
{
    int64_t until_ms = 0;
    for (size_t i = 0; i < l->n; i++)
        if ((l->v[i].category[0] == '\0' || str_eq(str_c(l->v[i].category), category)) &&
            l->v[i].until_ms > until_ms)
            until_ms = l->v[i].until_ms;
    return until_ms;
}
