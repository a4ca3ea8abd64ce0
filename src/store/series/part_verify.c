#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "store/series/part_read.h"

struct report {
    struct part *part;
    void (*f)(void *context, const char *text);
    void *context;
    const char *file;
    uint64_t problems;
    int64_t last_ms;
};

static void problem(struct report *r, const char *text)
{
    r->problems++;
    if (r->f)
        r->f(r->context, text);
}

static void damaged(void *context, uint64_t page, uint64_t offset, size_t n)
{
    struct report *r = context;
    char text[WHY_MAX];
    snprintf(text, sizeof text, "%s/%s: page %llu (bytes %llu to %llu of its stream) is damaged",
             r->part->dir, r->file, (unsigned long long)page, (unsigned long long)offset,
             (unsigned long long)(offset + n));
    problem(r, text);
}

static void check_file(struct report *r, const char *name, struct page_file *file)
{
    struct why why = {0};
    r->file = name;
    int err = page_verify(file, damaged, r, &why);
    if (err && err != -ERR_CORRUPT)
        problem(r, why.text[0] ? why.text : err_text(err));
}

static void warned(void *context, const char *text)
{
    problem(context, text);
}

static void bad(struct report *r, struct str key, const char *what)
{
    char text[WHY_MAX];
    snprintf(text, sizeof text, "part %s: series %u bytes of key: %s", r->part->dir,
             (unsigned)key.n, what);
    problem(r, text);
}

/* Do times ascend, and are the bounds in the directory true? */
static void check_times(struct report *r, const struct part_series *s, size_t i,
                        const struct column *col)
{
    const struct part_chunk *chunk = &s->chunks[i];
    for (size_t k = 0; k < col->n; k++) {
        if (col->ts_ms[k] <= r->last_ms && (i || k)) {
            bad(r, s->key, "its timestamps do not ascend");
            return;
        }
        r->last_ms = col->ts_ms[k];
    }
    if (col->ts_ms[0] != chunk->first_ms || col->ts_ms[col->n - 1] != chunk->last_ms)
        bad(r, s->key, "a chunk is not from when its directory says");
}

static void check_series(struct report *r, struct part_cursor *c, const struct part_series *s)
{
    for (size_t i = 0; i < s->chunks_n; i++) {
        struct column col;
        struct block block, again;
        const struct block *tier;
        size_t n;
        if (s->chunks[i].kind == PART_TIER) {
            /* The cursor tells of what it cannot read. */
            if (part_cursor_tier(c, i, &tier, &n))
                continue;
            if (tier[0].first_ms != s->chunks[i].first_ms ||
                tier[n - 1].last_ms != s->chunks[i].last_ms)
                bad(r, s->key, "aggregates are not from when their directory says");
            continue;
        }
        if (part_cursor_block(c, i, &block) || part_cursor_read(c, i, &col))
            continue;
        check_times(r, s, i, &col);
        if (!block.summarised || col.histogram)
            continue;
        again = block;
        chunk_summarise(col.ts_ms, col.value, col.n, &again);
        if (again.n != block.n || again.resets != block.resets ||
            memcmp(&again.min, &block.min, sizeof block.min) != 0 ||
            memcmp(&again.max, &block.max, sizeof block.max) != 0)
            bad(r, s->key, "its aggregates do not follow from its samples");
    }
}

uint64_t part_verify(struct part *p, void (*f)(void *context, const char *text), void *context)
{
    struct report r = {.part = p, .f = f, .context = context};
    struct part_cursor *c;
    struct part_series s;
    struct why why = {0};
    check_file(&r, "idx", p->idx);
    check_file(&r, "ts", p->ts);
    check_file(&r, "data", p->data);
    int err = part_select(p, NULL, INT64_MIN, INT64_MAX, warned, &r, &c, &why);
    if (err) {
        problem(&r, why.text);
        return r.problems;
    }
    uint64_t series = 0, samples = 0;
    while (part_cursor_next(c, &s) == 1) {
        series++;
        for (size_t i = 0; i < s.chunks_n; i++)
            samples += s.chunks[i].kind == PART_TIER ? 0 : s.chunks[i].n;
        check_series(&r, c, &s);
    }
    part_cursor_free(c);
    if (!r.problems &&
        (series != p->info.series || (p->info.tier == PART_RAW && samples != p->info.samples)))
        bad(&r, STR(""), "meta counts other series or samples than there are");
    return r.problems;
}
