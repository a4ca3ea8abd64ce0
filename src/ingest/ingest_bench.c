/* What ingest adds to an append on the good path: nanoseconds a sample. */
#include <stdio.h>
#include <time.h>

#include "base/mem.h"
#include "ingest/ingest.h"

enum { ROUNDS = 100000 };

static int nothing_tenant(struct sink *s, struct str name, struct tenant **ret, struct why *why)
{
    *ret = (struct tenant *)(void *)s;
    return 0;
}

static int nothing_append(struct sink *s, size_t lane, struct tenant *t, struct batch *b,
                          struct why *why)
{
    return (int)b->n;
}

/* Time on the processor: other load of the machine does not count. */
static int64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

struct bench {
    struct ingest *in;
    struct tenant *tenant;
    struct batch b;
};

static bool measure(struct bench *x, const char *name, int rounds)
{
    uint64_t taken = 0;
    int64_t from = cpu_ns();
    for (int i = 0; i < rounds; i++)
        taken += (uint64_t)ingest_sink(x->in)->ops->append(ingest_sink(x->in), 0, x->tenant, &x->b,
                                                           NULL);
    double ns = (double)(cpu_ns() - from);
    printf("%s: %.2f ns a sample\n", name, ns / (double)taken);
    return taken == (uint64_t)rounds * BATCH_MAX;
}

int main(void)
{
    static const struct sink_ops NOTHING = {.tenant = nothing_tenant, .append = nothing_append};
    static const char *names[] = {"__name__"};
    struct ingest_settings settings = {64, 512, 4096, 600000, {NULL, 0}};
    struct relabel_row rules[] = {
        {"drop", ";", "go_.*|process_.*", "", "$1", {names, 1}, 0},
        {"labeldrop", ";", "pod_uid|container_id", "", "$1", {NULL, 0}, 0},
    };
    struct sink next = {&NOTHING};
    struct bench *x = mem_new(sizeof *x);
    struct buf key;
    buf_init(&key, 1024);
    labels_put(&key, LABEL_METRIC, STR("http_requests_total"));
    labels_put(&key, STR("instance"), STR("10.0.0.1:9100"));
    labels_put(&key, STR("job"), STR("api"));
    labels_put(&key, STR("method"), STR("GET"));
    labels_put(&key, STR("path"), STR("/api/v1/query_range"));
    x->in = ingest_new(&settings, &next, &clock_real);
    x->b.n = BATCH_MAX;
    for (size_t i = 0; i < BATCH_MAX; i++)
        x->b.key[i] = buf_str(&key);
    if (ingest_sink(x->in)->ops->tenant(ingest_sink(x->in), STR("default"), &x->tenant, NULL))
        return 1;
    bool good = measure(x, "ingest", ROUNDS);
    settings.relabel = (struct option_rows){rules, COUNTOF(rules)};
    ingest_reload(x->in, &settings);
    good &= measure(x, "ingest with two rules of relabelling", ROUNDS / 200);
    ingest_free(x->in);
    buf_done(&key);
    mem_free(x);
    return good ? 0 : 1;
}
