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

int main(void)
{
    static const struct sink_ops NOTHING = {.tenant = nothing_tenant, .append = nothing_append};
    const struct ingest_settings settings = {64, 512, 4096, 600000};
    struct sink next = {&NOTHING};
    struct ingest *in = ingest_new(&settings, &next, &clock_real);
    struct batch *b = mem_new(sizeof *b);
    struct tenant *t;
    uint64_t taken = 0;
    b->n = BATCH_MAX;
    for (size_t i = 0; i < BATCH_MAX; i++)
        b->key[i] = STR("only the length is looked at");
    if (ingest_sink(in)->ops->tenant(ingest_sink(in), STR("default"), &t, NULL))
        return 1;
    int64_t from = cpu_ns();
    for (int i = 0; i < ROUNDS; i++)
        taken += (uint64_t)ingest_sink(in)->ops->append(ingest_sink(in), 0, t, b, NULL);
    double ns = (double)(cpu_ns() - from);
    printf("ingest: %.2f ns a sample\n", ns / (double)taken);
    ingest_free(in);
    mem_free(b);
    return taken == (uint64_t)ROUNDS * BATCH_MAX ? 0 : 1;
}
