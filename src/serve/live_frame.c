#include "serve/live_state.h"

#include <math.h>
#include <stdatomic.h>

#include "base/bits.h"
#include "base/mem.h"
#include "serve/answer.h"

enum { VERSION = 1, HEADER = 40 /* bytes */, FRAME_MAX = 64 * 1024 * 1024 };

struct live_blob *live_blob_new(void)
{
    struct live_blob *b = mem_new(sizeof *b);
    atomic_store(&b->users, 1);
    buf_init(&b->bytes, FRAME_MAX);
    return b;
}

void live_blob_hold(struct live_blob *b)
{
    atomic_fetch_add(&b->users, 1);
}

void live_blob_drop(struct live_blob *b)
{
    if (!b || atomic_fetch_sub(&b->users, 1) != 1)
        return;
    buf_done(&b->bytes);
    mem_free(b);
}

void live_frame_points(const struct live_key *k, enum live_kind kind, int64_t from, int64_t to,
                       struct buf *out)
{
    size_t points = (size_t)(to - from + 1);
    size_t size = HEADER + k->series_n * points * sizeof(double);
    char *p = buf_reserve(out, size);
    if (!p)
        return;
    memset(p, 0, HEADER);
    p[0] = VERSION;
    p[1] = (char)kind;
    store32(p + 4, k->number);
    store32(p + 8, (uint32_t)(uint64_t)to);
    store32(p + 12, k->generation);
    store64(p + 16, (uint64_t)(from * k->step_ms));
    store32(p + 24, (uint32_t)k->step_ms);
    store32(p + 32, (uint32_t)k->series_n);
    store32(p + 36, (uint32_t)points);
    char *at = p + HEADER;
    for (size_t s = 0; s < k->series_n; s++) {
        for (int64_t b = from; b <= to; b++, at += sizeof(double)) {
            bool kept = b > k->last - (int64_t)k->points && b <= k->last;
            double v = kept ? k->series[s].values[(uint64_t)b % k->capacity] : NAN;
            store64(at, double_bits(v));
        }
    }
    buf_commit(out, size);
}

void live_frame_labels(const struct live_key *k, bool append, struct buf *out)
{
    buf_printf(out, "{\"op\":\"series\",\"key\":%u,\"generation\":%u,\"append\":%s,\"labels\":[",
               k->number, k->generation, append ? "true" : "false");
    for (size_t i = 0; i < k->series_n; i++) {
        if (i)
            buf_put_c(out, ',');
        answer_labels(out, str_of(k->series[i].key, k->series[i].key_n));
    }
    buf_put_str(out, STR("]}"));
}
