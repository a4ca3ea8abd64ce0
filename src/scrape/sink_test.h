/* scrape/sink_test.h - for tests: a sink that writes down what it gets, a line a sample.
 *
 * Threads: one at a time.
 */
#ifndef SCRAPE_SINK_TEST_H
#define SCRAPE_SINK_TEST_H

#include <stdlib.h>

#include "base/buf.h"
#include "base/bits.h"
#include "model/sample.h"
#include "model/sink.h"
#include "text/number.h"

struct sink_test {
    struct sink sink;
    struct buf samples, sides;
    int refuse; /* -ERR_x that append() gives, or 0 */
    size_t commits;
};

static int sink_test_tenant(struct sink *s, struct str name, struct tenant **ret, struct why *why)
{
    (void)name, (void)why;
    *ret = (struct tenant *)s;
    return 0;
}

static int sink_test_append(struct sink *s, size_t lane, struct tenant *tenant, struct batch *b,
                            struct why *why)
{
    struct sink_test *t = (struct sink_test *)s;
    (void)lane, (void)tenant;
    if (t->refuse)
        return why_set(why, (enum err) - t->refuse, "the store is full");
    for (size_t i = 0; i < b->n; i++) {
        labels_print(b->key[i], &t->samples);
        if (b->histogram[i])
            buf_printf(&t->samples, " histogram(%g %g %d %u)", b->histogram[i]->count,
                       b->histogram[i]->sum, b->histogram[i]->schema, b->histogram[i]->positive_n);
        else if (sample_is_stale(b->value[i]))
            buf_put_str(&t->samples, STR(" stale"));
        else
            buf_printf(&t->samples, " %g", b->value[i]);
        buf_printf(&t->samples, " @%lld", (long long)b->ts_ms[i]);
        if (b->start_ms[i])
            buf_printf(&t->samples, " start %lld", (long long)b->start_ms[i]);
        buf_put_c(&t->samples, '\n');
    }
    return (int)b->n;
}

static int sink_test_exemplar(struct sink *s, size_t lane, struct tenant *tenant,
                              const struct exemplar *e, struct why *why)
{
    struct sink_test *t = (struct sink_test *)s;
    (void)lane, (void)tenant, (void)why;
    labels_print(e->key, &t->sides);
    buf_put_c(&t->sides, ' ');
    labels_print(e->labels, &t->sides);
    buf_printf(&t->sides, " %g @%lld\n", e->value, (long long)e->ts_ms);
    return 0;
}

static int sink_test_metadata(struct sink *s, size_t lane, struct tenant *tenant,
                              const struct metadata *m)
{
    struct sink_test *t = (struct sink_test *)s;
    (void)lane, (void)tenant;
    buf_printf(&t->sides, STR_FMT ": %s, " STR_FMT ", " STR_FMT "\n", STR_ARG(m->metric),
               metric_type_text(m->type), STR_ARG(m->help), STR_ARG(m->unit));
    return 0;
}

static void sink_test_commit(struct sink *s, size_t lane, void (*done)(void *context, int err),
                             void *context)
{
    struct sink_test *t = (struct sink_test *)s;
    (void)lane;
    t->commits++;
    done(context, 0);
}

static const struct sink_ops sink_test_ops = {
    .tenant = sink_test_tenant,
    .append = sink_test_append,
    .exemplar = sink_test_exemplar,
    .metadata = sink_test_metadata,
    .commit = sink_test_commit,
};

static inline void sink_test_init(struct sink_test *t)
{
    *t = (struct sink_test){.sink.ops = &sink_test_ops};
    buf_init(&t->samples, 16 << 20);
    buf_init(&t->sides, 16 << 20);
}

static inline void sink_test_done(struct sink_test *t)
{
    buf_done(&t->samples);
    buf_done(&t->sides);
}

/* What came since the last call, as a text. */
static inline const char *sink_test_take(struct buf *b)
{
    buf_put_c(b, 0);
    b->n = 0;
    return b->p;
}

#endif
