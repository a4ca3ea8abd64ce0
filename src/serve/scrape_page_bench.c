/* How long /metrics takes to write at 2,000 series of collectors: prints the median and the 99th
 * percentile in microseconds, by the clock and in processor time. usage: bench.serve.scrape_page
 * [rounds] */
#include "serve/scrape_page.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "os/thread.h"

enum { SERIES = 2000, FAMILY = 20, ROUNDS = 2000 };

struct table {
    struct serve_row rows[SERIES];
    char text[SERIES][96], family[SERIES / FAMILY][64];
};

static void each(void *context, void (*f)(void *f_context, const struct serve_row *row),
                 void *f_context)
{
    const struct table *t = context;
    for (size_t i = 0; i < SERIES; i++)
        f(f_context, &t->rows[i]);
}

static int compare(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

int main(int argc, char **argv)
{
    uint64_t rounds = ROUNDS;
    if (argc > 1 && (!str_u64(str_c(argv[1]), &rounds) || rounds == 0 || rounds > 1000000))
        return 2;
    struct table *t = mem_new(sizeof *t);
    for (size_t i = 0; i < SERIES; i++) {
        char *family = t->family[i / FAMILY];
        snprintf(family, sizeof t->family[0], "node_made_up_family_%zu_bytes_total", i / FAMILY);
        snprintf(t->text[i], sizeof t->text[0], "%s{device=\"device%zu\",mode=\"read\"}", family,
                 i % FAMILY);
        t->rows[i] = (struct serve_row){.family = str_c(family),
                                        .help = STR("A family of twenty devices."),
                                        .type = METRIC_COUNTER,
                                        .text = str_c(t->text[i]),
                                        .value = (double)(i * 7919 % 1000003) * 1.37};
    }
    const struct serve_source source = {.context = t, .each = each};
    int64_t *took = mem_array(rounds, sizeof *took), *cpu = mem_array(rounds, sizeof *cpu);
    struct buf b;
    buf_init(&b, 64 * 1024 * 1024);
    for (uint64_t i = 0; i < rounds; i++) {
        buf_clear(&b);
        int64_t began = clock_monotonic_ns(&clock_real), used = thread_cpu_ns();
        scrape_page_write(&source, i % 2 == 1, &b);
        cpu[i] = thread_cpu_ns() - used;
        took[i] = clock_monotonic_ns(&clock_real) - began;
    }
    qsort(took, rounds, sizeof *took, compare);
    qsort(cpu, rounds, sizeof *cpu, compare);
    printf(
        "metrics page: %d series, %zu bytes: median %.0f us, p99 %.0f us; processor time: median "
        "%.0f us, p99 %.0f us\n",
        SERIES, b.n, (double)took[rounds / 2] / 1000, (double)took[rounds * 99 / 100] / 1000,
        (double)cpu[rounds / 2] / 1000, (double)cpu[rounds * 99 / 100] / 1000);
    mem_free(cpu);
    mem_free(took);
    mem_free(t);
    buf_done(&b);
    return 0;
}
