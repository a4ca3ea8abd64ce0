#include "client/core/id.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "client/core/ticks.h"

struct generator {
    uint64_t s[4];
    uint32_t epoch; /* in which it was seeded; 0: never */
};

static _Thread_local struct generator mine __attribute__((tls_model("initial-exec")));
static _Atomic uint32_t epoch = 1; /* counts up in a forked child, so that all seed again */

static uint64_t rotate(uint64_t x, int k)
{
    return x << k | x >> (64 - k);
}

static void seed(struct generator *g, uint32_t now)
{
    if (getrandom(g->s, sizeof g->s, GRND_NONBLOCK) != (ssize_t)sizeof g->s) {
        /* early at boot: the clock, the process and an address are what there is */
        g->s[0] = ticks_now();
        g->s[1] = (uint64_t)getpid() << 32 | (uint64_t)(uintptr_t)g;
        g->s[2] = (uint64_t)ticks_unix_now_ns();
    }
    g->s[3] |= 1; /* never all zero */
    g->epoch = now;
}

uint64_t id_u64(void)
{
    struct generator *g = &mine;
    uint32_t now = atomic_load_explicit(&epoch, memory_order_relaxed);
    if (__builtin_expect(g->epoch != now, 0)) {
        seed(g, now);
    }
    uint64_t result = rotate(g->s[1] * 5, 7) * 9, t = g->s[1] << 17;
    g->s[2] ^= g->s[0];
    g->s[3] ^= g->s[1];
    g->s[1] ^= g->s[2];
    g->s[0] ^= g->s[3];
    g->s[2] ^= t;
    g->s[3] = rotate(g->s[3], 45);
    return result;
}

double id_fraction(void)
{
    return (double)(id_u64() >> 11) * 0x1p-53;
}

void id_fill(uint8_t *ret, size_t n)
{
    for (size_t at = 0; at < n;) {
        /* A bit of the first of each eight bytes is set: never all zero, and the seven bytes at the
         * right of a trace id stay random, as W3C's flag promises. */
        uint64_t x = id_u64() | 1;
        size_t part = n - at < sizeof x ? n - at : sizeof x;
        memcpy(ret + at, &x, part);
        at += part;
    }
}

void id_text(char ret[33], const uint8_t id[16])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < 16; i++) {
        ret[2 * i] = digits[id[i] >> 4];
        ret[2 * i + 1] = digits[id[i] & 15];
    }
    ret[32] = 0;
}

void id_fork_child(void)
{
    atomic_fetch_add_explicit(&epoch, 1, memory_order_relaxed);
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    __extension__ unsigned __int128 wide = (unsigned __int128)a * b;
    return (uint64_t)wide ^ (uint64_t)(wide >> 64);
}

uint64_t id_hash(const void *bytes, size_t n, uint64_t seed_of)
{
    const uint64_t k0 = 0xa0761d6478bd642f, k1 = 0xe7037ed1a0b428db;
    const uint8_t *p = bytes;
    uint64_t h = seed_of ^ k0;
    size_t left = n;
    while (left >= 16) {
        uint64_t a, b;
        memcpy(&a, p, 8);
        memcpy(&b, p + 8, 8);
        h = mix(a ^ k1, b ^ h);
        p += 16;
        left -= 16;
    }
    uint64_t a = 0, b = 0;
    memcpy(&a, p, left < 8 ? left : 8);
    if (left > 8) {
        memcpy(&b, p + 8, left - 8);
    }
    return mix(k1 ^ n, mix(a ^ k1, b ^ h));
}
