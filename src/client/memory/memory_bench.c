/* client/memory/memory_bench.c - what counted allocators and caches cost, beside malloc() alone.
 *
 * usage: bench.client.memory.memory [ROUNDS]; prints one line of JSON for each. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "sonde/sonde.h"

enum { HELD = 64 };

static double now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void tell(const char *what, double begun, long n)
{
    printf("{\"what\":\"%s\",\"ns\":%.2f}\n", what, (now_ns() - begun) / (double)n);
}

int main(int argc, char **argv)
{
    long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 5000000;
    const char *const settings[] = {"socket=none", "spool.dir=none", NULL};
    sonde_options o = SONDE_OPTIONS_INIT;
    o.settings = settings;
    if (sonde_init(&o) != 0) {
        fprintf(stderr, "%s\n", sonde_last_problem());
        return 1;
    }
    sonde_memory *m = sonde_memory_get("bench");
    sonde_cache *c = sonde_cache_get("bench");
    void *volatile held[HELD] = {NULL};
    for (int pass = 0; pass < 3; pass++) { /* the last one counts: caches are warm */
        double begun = now_ns();
        for (long i = 0; i < rounds; i++) {
            free(held[i % HELD]);
            held[i % HELD] = malloc((size_t)(16 + i % 200));
        }
        tell("malloc and free", begun, rounds);
        for (int i = 0; i < HELD; i++) {
            free(held[i]);
            held[i] = NULL;
        }
        begun = now_ns();
        for (long i = 0; i < rounds; i++) {
            sonde_memory_free(m, held[i % HELD]);
            held[i % HELD] = sonde_memory_alloc(m, (size_t)(16 + i % 200));
        }
        tell("sonde_memory_alloc and _free", begun, rounds);
        for (int i = 0; i < HELD; i++) {
            sonde_memory_free(m, held[i]);
            held[i] = NULL;
        }
        begun = now_ns();
        for (long i = 0; i < rounds; i++) {
            sonde_cache_hit(c);
        }
        tell("sonde_cache_hit", begun, rounds);
        begun = now_ns();
        for (long i = 0; i < rounds; i++) {
            sonde_cache_lookup look = sonde_cache_begin(c);
            sonde_cache_end(&look, i % 8 != 0, "key");
        }
        tell("sonde_cache_begin and _end", begun, rounds);
        begun = now_ns();
        for (long i = 0; i < rounds; i++) {
            sonde_memory_add(m, 10);
        }
        tell("sonde_memory_add", begun, rounds);
    }
    return sonde_shutdown(1000) == 0 ? 0 : 1;
}
