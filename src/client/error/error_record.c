#include "client/error/error_record.h"

#include <stdatomic.h>
#include <string.h>

#include "client/core/ticks.h"

static struct error_record records[ERROR_RECORDS_MAX]; /* zero pages until they are used */
static _Atomic uint64_t taken;                         /* a bit for each record */
static _Atomic uint64_t ready;
static _Atomic uint64_t sequence;

_Static_assert(ERROR_RECORDS_MAX == 64, "a record is a bit of a word");

struct error_record *error_record_take(void)
{
    uint64_t seen = atomic_load_explicit(&taken, memory_order_relaxed), bit;
    do {
        if (seen == UINT64_MAX) {
            return NULL;
        }
        bit = ~seen & (seen + 1); /* the lowest that is free */
    } while (!atomic_compare_exchange_weak_explicit(&taken, &seen, seen | bit, memory_order_acquire,
                                                    memory_order_relaxed));
    struct error_record *r = &records[__builtin_ctzll(bit)];
    memset(r, 0, offsetof(struct error_record, causes));
    r->data_n = 1;
    r->data[0] = 0;
    return r;
}

void error_record_put(struct error_record *r)
{
    r->sequence = atomic_fetch_add_explicit(&sequence, 1, memory_order_relaxed);
    atomic_fetch_or_explicit(&ready, UINT64_C(1) << (r - records), memory_order_release);
}

size_t error_record_ready(struct error_record *ret[ERROR_RECORDS_MAX])
{
    uint64_t bits = atomic_exchange_explicit(&ready, 0, memory_order_acquire);
    size_t n = 0;
    for (; bits; bits &= bits - 1) {
        struct error_record *r = &records[__builtin_ctzll(bits)];
        size_t at = n++;
        for (; at && ret[at - 1]->sequence > r->sequence; at--) {
            ret[at] = ret[at - 1];
        }
        ret[at] = r;
    }
    return n;
}

void error_record_free(struct error_record *r)
{
    atomic_fetch_and_explicit(&taken, ~(UINT64_C(1) << (r - records)), memory_order_release);
}

void error_record_reset(void)
{
    atomic_store(&ready, 0);
    atomic_store(&taken, 0);
}

uint32_t error_record_bytes(struct error_record *r, const void *bytes, size_t n, size_t align)
{
    size_t at = (r->data_n + align - 1) & ~(align - 1);
    if (at > ERROR_DATA_MAX || n > ERROR_DATA_MAX - at) {
        r->cut = true;
        return 0;
    }
    if (n) {
        memcpy(r->data + at, bytes, n);
    }
    r->data_n = (uint32_t)(at + n);
    return (uint32_t)at;
}

uint32_t error_record_text(struct error_record *r, const char *s)
{
    if (!s || !*s) {
        return 0;
    }
    size_t n = strnlen(s, ERROR_MESSAGE_MAX), room = ERROR_DATA_MAX - r->data_n;
    if (n == ERROR_MESSAGE_MAX || n + 1 > room) {
        r->cut = true;
        n = n + 1 > room ? (room ? room - 1 : 0) : n;
    }
    if (!room) {
        return 0;
    }
    uint32_t at = r->data_n;
    memcpy(r->data + at, s, n);
    r->data[at + n] = 0;
    r->data_n = (uint32_t)(at + n + 1);
    return at;
}
