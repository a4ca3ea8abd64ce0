#include "incident/incident_words.h"

#include <stdlib.h>
#include <string.h>

#include "incident/incident_moved.h"
#include "model/labels.h"

enum {
    TITLE_MAX = 300,
    MINUTE_MS = 60000,
    HOUR_MS = 3600000,
    SKEW_MS = 5000, /* clocks of senders differ: what is later by more cannot be a cause */
};

static const struct {
    const char *kind;
    int weight;
} KINDS[] = {{"deployment", 60},  {"configuration", 50}, {"crash", 45}, {"restart", 40},
             {"remediation", 30}, {"health", 25},        {"note", 20},  {"checkin", 15}};

static int kind_weight(struct str kind)
{
    for (size_t i = 0; i < COUNTOF(KINDS); i++)
        if (str_eq(kind, str_c(KINDS[i].kind)))
            return KINDS[i].weight;
    if (str_eq(kind, STR("alert")) || str_eq(kind, STR("incident")))
        return 0;
    return 10;
}

static int64_t distance_ms(const struct event *v, int64_t opened_ms)
{
    int64_t at = v->end_ms && v->end_ms <= opened_ms ? v->end_ms : v->time_ms;
    return at <= opened_ms ? opened_ms - at : at - opened_ms;
}

static bool shares(struct str a, struct str b)
{
    struct label l;
    for (const char *at = a.p; labels_next(a, &at, &l, NULL);)
        if (l.value.n && str_eq(labels_get(b, l.name), l.value))
            return true;
    return false;
}

/* A check's own change of state is what is to be explained. */
static bool is_itself(const struct event *v, struct str labels)
{
    struct str check = labels_get(v->labels, STR("check"));
    return check.n > 0 && str_eq(check, labels_get(labels, STR("check")));
}

struct cause {
    struct event event;
    int64_t weight;
};

static int by_weight(const void *a, const void *b)
{
    const struct cause *x = a, *y = b;
    return x->weight != y->weight ? (x->weight < y->weight ? 1 : -1) : 0;
}

size_t incident_words_causes(struct event *v, size_t n, struct str labels, int64_t opened_ms)
{
    struct arena a;
    size_t kept = 0;
    arena_init(&a);
    struct cause *c = arena_array(&a, n + 1, sizeof *c);
    for (size_t i = 0; i < n; i++) {
        int kind = kind_weight(v[i].kind);
        bool near = shares(v[i].labels, labels);
        int64_t minutes = distance_ms(&v[i], opened_ms) / MINUTE_MS;
        if (kind == 0 || v[i].time_ms > opened_ms + SKEW_MS || is_itself(&v[i], labels))
            continue;
        int64_t late = v[i].time_ms > opened_ms ? 30 : 0; /* after it: rather an effect */
        c[kept++] = (struct cause){v[i], kind + (near ? 35 : 0) - MIN(minutes, (int64_t)30) - late};
    }
    qsort(c, kept, sizeof *c, by_weight);
    for (size_t i = 0; i < kept; i++)
        v[i] = c[i].event;
    arena_done(&a);
    return kept;
}

void incident_words_span(int64_t ms, struct buf *out)
{
    if (ms < 2 * MINUTE_MS)
        buf_printf(out, "%lld s", (long long)(ms / 1000));
    else if (ms < 2 * HOUR_MS)
        buf_printf(out, "%lld min", (long long)(ms / MINUTE_MS));
    else
        buf_printf(out, "%lld h", (long long)(ms / HOUR_MS));
}

void incident_words_cause(const struct event *v, int64_t opened_ms, struct buf *out)
{
    buf_put_str(out, str_sub(v->title, 0, TITLE_MAX));
    if (v->time_ms > opened_ms) {
        buf_put_str(out, STR(", at the same time"));
        return;
    }
    buf_put_str(out, STR(", "));
    incident_words_span(distance_ms(v, opened_ms), out);
    buf_put_str(out, STR(" before"));
}

void incident_words_summary(const struct incident *i, const struct event *causes, size_t causes_n,
                            const struct incident_moved *moved, size_t moved_n, struct buf *out)
{
    buf_put_str(out, str_sub(i->title, 0, TITLE_MAX));
    if (i->problems > 1)
        buf_printf(out, " (and %zu more)", i->problems - 1);
    if (causes_n) {
        buf_put_str(out, STR("; likely because: "));
        incident_words_cause(&causes[0], i->opened_ms, out);
    }
    if (moved_n) {
        buf_put_str(out, STR("; moved most: "));
        incident_moved_say(&moved[0], out);
    }
    if (!causes_n && !moved_n)
        buf_put_str(out, STR("; nothing is known to have changed before it"));
}
