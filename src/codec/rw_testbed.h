/* codec/rw_testbed.h - what the tests, fuzz targets and benchmarks of both versions of remote
 * write do alike. Included by them only.
 *
 * Threads: one.
 */
#ifndef CODEC_RW_TESTBED_H
#define CODEC_RW_TESTBED_H

#include <time.h>

#include "base/mem.h"
#include "base/rand.h"
#include "codec/rw1.h"
#include "codec/rw2.h"
#include "codec/wire_put.h"

/* A request as it grows, and where what is read of it goes. */
struct rw_testbed {
    struct rw1_reader r1;
    struct rw2_reader r2;
    struct batch b;
    struct sides s;
    struct buf request, series;
    struct why why;
};

static inline struct rw_testbed *rw_testbed_new(void)
{
    struct rw_testbed *t = mem_new(sizeof *t);
    rw1_init(&t->r1);
    rw2_init(&t->r2);
    buf_init(&t->request, 1 << 26);
    buf_init(&t->series, 1 << 24);
    return t;
}

static inline void rw_testbed_free(struct rw_testbed *t)
{
    rw1_done(&t->r1);
    rw2_done(&t->r2);
    buf_done(&t->request);
    buf_done(&t->series);
    mem_free(t);
}

/* The series is whole: it becomes that field of the request. */
static inline void rw_testbed_end_series(struct rw_testbed *t, unsigned field)
{
    wire_put_bytes(&t->request, field, buf_str(&t->series));
    buf_clear(&t->series);
}

/* The bytes in memory that ends right behind its slack; to be freed. */
static inline uint8_t *rw_testbed_copy(struct str bytes)
{
    uint8_t *copy = mem_new(bytes.n + CODEC_SLACK);
    if (bytes.n)
        memcpy(copy, bytes.p, bytes.n);
    return copy;
}

/* Reads the request with a few wrong bytes, again and again: read gives the batches that came. */
static inline bool rw_testbed_survives(struct rw_testbed *t,
                                       size_t (*read)(struct rw_testbed *t, const uint8_t *copy))
{
    enum { ROUNDS = 20000, BYTES = 4, BATCHES_MAX = 100 };
    struct rand rand;
    bool good = true;
    rand_init(&rand, 5);
    for (int i = 0; i < ROUNDS; i++) {
        uint8_t *copy = rw_testbed_copy(buf_str(&t->request));
        for (int k = 0; k < BYTES; k++)
            copy[rand_below(&rand, t->request.n)] = (uint8_t)rand_u64(&rand);
        good &= read(t, copy) <= BATCHES_MAX;
        mem_free(copy);
    }
    return good;
}

/* Uses all that was read, good or bad: it must not run wild. How many rows it was. */
static inline size_t rw_testbed_walk(const struct batch *b, const struct sides *s)
{
    struct why why;
    for (size_t i = 0; i < b->n; i++) {
        struct buf key;
        buf_init(&key, LABELS_KEY_MAX);
        (void)!labels_canonical(b->key[i], &key, &why);
        if (b->histogram[i] && histogram_check(b->histogram[i], &why) == 0)
            mem_free(histogram_copy(b->histogram[i]));
        buf_done(&key);
    }
    return b->n + s->exemplars_n + s->metadata_n + s->bad_n;
}

/* Time on the processor: other load of the machine does not count. */
static inline int64_t rw_testbed_cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

#endif
