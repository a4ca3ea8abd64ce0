#include "watch/tail.h"

#include "base/mem.h"

void tail_done(struct tail *t)
{
    mem_free(t->p);
    *t = (struct tail){0};
}

void tail_clear(struct tail *t)
{
    t->n = t->at = 0;
}

static void copy_out(const struct tail *t, size_t n, char *ret)
{
    size_t from = (t->at + t->capacity - n) % t->capacity;
    size_t first = MIN(n, t->capacity - from);
    memcpy(ret, t->p + from, first);
    memcpy(ret + first, t->p, n - first);
}

static void grow(struct tail *t, size_t wanted)
{
    size_t capacity = t->capacity ? t->capacity : TAIL_FIRST;
    while (capacity < wanted && capacity < TAIL_MAX)
        capacity *= 2;
    if (capacity <= t->capacity)
        return;
    char *p = mem_raw(capacity);
    if (t->n)
        copy_out(t, t->n, p);
    mem_free(t->p);
    t->p = p;
    t->capacity = capacity;
    t->at = t->n;
}

void tail_add(struct tail *t, struct str bytes)
{
    t->total += bytes.n;
    grow(t, t->n + bytes.n);
    if (bytes.n > t->capacity)
        bytes = str_sub(bytes, bytes.n - t->capacity, bytes.n);
    if (bytes.n == 0)
        return;
    t->at %= t->capacity;
    size_t first = MIN(bytes.n, t->capacity - t->at);
    memcpy(t->p + t->at, bytes.p, first);
    memcpy(t->p, bytes.p + first, bytes.n - first);
    t->at = (t->at + bytes.n) % t->capacity;
    t->n = MIN(t->n + bytes.n, t->capacity);
}

struct str tail_copy(const struct tail *t, size_t n, struct arena *a)
{
    n = MIN(n, t->n);
    char *p = arena_raw(a, n + 1);
    if (n)
        copy_out(t, n, p);
    p[n] = '\0';
    return str_of(p, n);
}

struct str tail_lines(struct str s, size_t lines, size_t n)
{
    size_t from = s.n;
    size_t seen = 0;
    size_t end = s.n && s.p[s.n - 1] == '\n' ? s.n - 1 : s.n;
    if (lines == 0)
        return str_sub(s, s.n, s.n);
    for (from = end; from > 0 && s.n - from < n; from--)
        if (s.p[from - 1] == '\n' && ++seen == lines)
            break;
    return str_sub(s, from, s.n);
}
