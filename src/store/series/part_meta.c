#include "store/series/part_meta.h"

#include <stdio.h>

#include "base/bits.h"
#include "base/hash.h"

static const char magic[8] = {'S', 'N', 'D', 'P', 'A', 'R', 'T', '\n'};

int64_t part_tier_ms(enum part_tier tier)
{
    return tier == PART_5M ? 300 * 1000 : tier == PART_1H ? 3600 * 1000 : 0;
}

static void put_text(struct buf *out, const char *text)
{
    struct str s = str_c(text);
    buf_put_varint(out, s.n);
    buf_put_str(out, s);
}

enum { NUMBERS = 15 };

/* The numbers of a meta in their order on disk. */
static void numbers(const struct part_meta *m, uint64_t ret[NUMBERS])
{
    const struct part_info *i = &m->info;
    const uint64_t v[NUMBERS] = {
        i->tier,
        i->level,
        i->sequence,
        zigzag(i->first_ms),
        zigzag(i->last_ms),
        i->series,
        i->chunks,
        i->samples,
        i->ts_columns,
        i->exemplars,
        i->data_bytes,
        i->ts_bytes,
        i->idx_bytes,
        m->top,
        m->top_bytes,
    };
    memcpy(ret, v, sizeof v);
}

void part_meta_encode(const struct part_meta *m, struct buf *out)
{
    uint8_t version[4], sum[4];
    uint64_t v[NUMBERS];
    store32(version, PART_META_VERSION);
    buf_put(out, magic, sizeof magic);
    buf_put(out, version, sizeof version);
    put_text(out, m->info.tenant);
    put_text(out, m->info.retention_class);
    numbers(m, v);
    for (size_t i = 0; i < NUMBERS; i++)
        buf_put_varint(out, v[i]);
    store32(sum, hash_crc32c(0, out->p, out->n));
    buf_put(out, sum, sizeof sum);
}

static const uint8_t *get_text(const uint8_t *p, const uint8_t *end, char *ret, size_t max)
{
    uint64_t n;
    p = p ? varint_get(p, end, &n) : NULL;
    if (!p || n > (uint64_t)(end - p) || n > max)
        return NULL;
    memcpy(ret, p, n);
    ret[n] = 0;
    return p + n;
}

static int take(const uint64_t v[NUMBERS], struct part_meta *m)
{
    struct part_info *i = &m->info;
    if (v[0] > PART_1H || v[1] > UINT32_MAX || v[5] > UINT32_MAX)
        return -ERR_CORRUPT;
    i->tier = (enum part_tier)v[0];
    i->level = (uint32_t)v[1];
    i->sequence = v[2];
    i->first_ms = unzigzag(v[3]);
    i->last_ms = unzigzag(v[4]);
    i->series = v[5];
    i->chunks = v[6];
    i->samples = v[7];
    i->ts_columns = v[8];
    i->exemplars = v[9];
    i->data_bytes = v[10];
    i->ts_bytes = v[11];
    i->idx_bytes = v[12];
    m->top = v[13];
    m->top_bytes = v[14];
    return 0;
}

int part_meta_decode(const uint8_t *p, size_t n, struct part_meta *ret)
{
    if (n < sizeof magic + 8 || memcmp(p, magic, sizeof magic) != 0 ||
        hash_crc32c(0, p, n - 4) != load32(p + n - 4))
        return -ERR_CORRUPT;
    if (load32(p + sizeof magic) != PART_META_VERSION)
        return -ERR_UNSUPPORTED;
    struct part_meta m = {0};
    uint64_t v[NUMBERS];
    const uint8_t *at = p + sizeof magic + 4, *end = p + n - 4;
    at = get_text(at, end, m.info.tenant, TENANT_NAME_MAX);
    at = get_text(at, end, m.info.retention_class, PART_CLASS_MAX);
    for (size_t i = 0; i < NUMBERS && at; i++)
        at = varint_get(at, end, &v[i]);
    if (!at || at != end || take(v, &m))
        return -ERR_CORRUPT;
    *ret = m;
    return 0;
}
