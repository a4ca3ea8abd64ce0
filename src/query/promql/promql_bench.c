/* sum by (instance) (rate(node_cpu_seconds_total[5m])) over columns in memory: 2,800 series of 40
 * hosts, 15 s apart, 4 h and 5 min, at 241 steps of a minute. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "model/labels.h"
#include "query/promql/promql.h"

enum { HOSTS = 40, CPUS = 10, MODES = 7, SAMPLES = 980, STEPS = 241, ROUNDS = 20 };

struct bench_store {
    struct series_store face;
    struct buf keys[HOSTS * CPUS * MODES];
    int64_t ts[HOSTS][SAMPLES];
    double value[HOSTS * CPUS * MODES][SAMPLES];
};

struct series_cursor {
    struct bench_store *store;
    size_t at;
};

static int bench_select(struct series_store *s, struct tenant *t, const struct select *how,
                        struct series_cursor **ret, struct why *why)
{
    (void)t;
    (void)how;
    (void)why;
    *ret = mem_new(sizeof **ret);
    (*ret)->store = (struct bench_store *)s;
    return 0;
}

static int bench_next(struct series_cursor *c, struct series_view *ret, struct why *why)
{
    (void)why;
    if (c->at == HOSTS * CPUS * MODES)
        return 0;
    size_t i = c->at++, host = i / (CPUS * MODES);
    *ret = (struct series_view){.key = buf_str(&c->store->keys[i])};
    ret->column = (struct column){
        .ts_ms = c->store->ts[host], .value = c->store->value[i], .n = SAMPLES, .ts_id = host + 1};
    return 1;
}

static void bench_close(struct series_cursor *c)
{
    mem_free(c);
}

static const struct series_store_ops ops = {
    .select = bench_select, .next = bench_next, .close = bench_close};

static struct bench_store *fill(void)
{
    static const char *const modes[] = {"user", "system",  "iowait", "irq",
                                        "nice", "softirq", "steal"};
    struct bench_store *s = mem_new(sizeof *s);
    s->face.ops = &ops;
    for (size_t i = 0; i < HOSTS * CPUS * MODES; i++) {
        size_t host = i / (CPUS * MODES);
        char instance[32], cpu[16];
        int n = snprintf(instance, sizeof instance, "host-%02zu:9100", host);
        int m = snprintf(cpu, sizeof cpu, "%zu", i / MODES % CPUS);
        buf_init(&s->keys[i], 4096);
        labels_put(&s->keys[i], LABEL_METRIC, STR("node_cpu_seconds_total"));
        labels_put(&s->keys[i], STR("cpu"), str_of(cpu, (size_t)m));
        labels_put(&s->keys[i], STR("instance"), str_of(instance, (size_t)n));
        labels_put(&s->keys[i], STR("job"), STR("node"));
        labels_put(&s->keys[i], STR("mode"), str_c(modes[i % MODES]));
        double v = (double)(i * 7 % 1000);
        for (size_t k = 0; k < SAMPLES; k++) {
            s->ts[host][k] = (int64_t)k * 15000 + (int64_t)host * 370;
            v += (double)((i * 31 + k * 17) % 100) / 100;
            s->value[i][k] = v;
        }
    }
    return s;
}

static int64_t run_once(struct bench_store *s, const struct promql_expr *x, size_t *ret_n)
{
    struct promql_query q = {.expr = x,
                             .store = &s->face,
                             .tenant = (struct tenant *)(void *)s,
                             .start_ms = 300000,
                             .end_ms = 300000 + (STEPS - 1) * 60000LL,
                             .step_ms = 60000,
                             .limits = {.samples_max = 50000000}};
    struct promql_result *r;
    struct promql_failure failure;
    int64_t began = clock_monotonic_ns(&clock_real);
    if (promql_run(&q, &r, &failure) < 0) {
        fprintf(stderr, "%s\n", failure.text);
        exit(1);
    }
    int64_t took = clock_monotonic_ns(&clock_real) - began;
    *ret_n = promql_result_count(r);
    promql_result_free(r);
    return took;
}

int main(void)
{
    static const char *const queries[] = {
        "sum by (instance) (rate(node_cpu_seconds_total{mode!=\"idle\"}[5m]))",
        "rate(node_cpu_seconds_total[5m])",
        "sum by (instance) (node_cpu_seconds_total)",
        "max_over_time(node_cpu_seconds_total[5m])",
        "topk(5, rate(node_cpu_seconds_total[5m]))",
    };
    struct bench_store *s = fill();
    for (size_t k = 0; k < COUNTOF(queries); k++) {
        struct arena a;
        struct promql_expr *x;
        struct promql_failure failure;
        arena_init(&a);
        if (promql_parse(str_c(queries[k]), NULL, &a, &x, &failure) < 0)
            return 1;
        int64_t best = INT64_MAX;
        size_t n = 0;
        for (int i = 0; i < ROUNDS; i++)
            best = MIN(best, run_once(s, x, &n));
        double steps = (double)HOSTS * CPUS * MODES * STEPS;
        printf("%-72s %4zu series %8.2f ms %6.1f ns a step\n", queries[k], n, (double)best / 1e6,
               (double)best / steps);
        arena_done(&a);
    }
    for (size_t i = 0; i < HOSTS * CPUS * MODES; i++)
        buf_done(&s->keys[i]);
    mem_free(s);
    return 0;
}
