#include "apps/signal_record.h"

#include <string.h>

#include "apps/hello.h"
#include "base/bits.h"
#include "base/must.h"

enum {
    VERSION = 1,
    AT_VERSION = 0,
    AT_KIND = 1,
    AT_PART = 2,
    AT_PARTS = 4,
    AT_HEADER_N = 8,
    PREFIX = 12,
    HEADER_MAX = 4096,
    PIECE = QUEUE_BLOCK_MAX - PREFIX - HEADER_MAX,
    PARTS_MAX = SIGNAL_RECORD_BYTES_MAX / PIECE + 2,
};

/* ---- writing */

static void put_number(struct buf *b, const char *key, int64_t v)
{
    if (v != 0)
        buf_printf(b, "%s=%lld\n", key, (long long)v);
}

static void put_header(struct buf *b, const struct signal *s)
{
    hello_put(b, "service", s->service);
    hello_put(b, "instance", s->instance);
    put_number(b, "time_ms", s->time_ms);
    put_number(b, "pid", s->pid);
    put_number(b, "uid", s->uid);
    put_number(b, "of", (int64_t)s->of);
}

int signal_record_append(struct queue *q, const struct signal *s, uint64_t *ret_row)
{
    struct buf header, block;
    size_t parts = MAX((s->bytes.n + PIECE - 1) / PIECE, (size_t)1);
    uint64_t row = queue_facts(q).next;
    int err = 0;
    if (s->bytes.n > SIGNAL_RECORD_BYTES_MAX)
        return -ERR_LIMIT;
    buf_init(&header, HEADER_MAX);
    buf_init(&block, QUEUE_BLOCK_MAX);
    put_header(&header, s);
    must(!buf_failed(&header));
    for (size_t i = 0; i < parts && err == 0; i++) {
        uint8_t prefix[PREFIX] = {VERSION, (uint8_t)s->kind};
        store16(prefix + AT_PART, (uint16_t)i);
        store16(prefix + AT_PARTS, (uint16_t)parts);
        store32(prefix + AT_HEADER_N, i == 0 ? (uint32_t)header.n : 0);
        buf_clear(&block);
        buf_put(&block, prefix, sizeof prefix);
        if (i == 0)
            buf_put_str(&block, buf_str(&header));
        buf_put_str(&block, str_sub(s->bytes, i * PIECE, (i + 1) * PIECE));
        err = queue_append(q, STR(""), buf_str(&block), i + 1 == parts ? 1 : 0);
    }
    buf_done(&header);
    buf_done(&block);
    if (err == 0)
        *ret_row = row;
    return err;
}

/* ---- reading */
void signal_record_reader_init(struct signal_record_reader *r, struct queue *q,
                               struct queue_position at)
{
    *r = (struct signal_record_reader){0};
    if (q != NULL)
        queue_reader_init(&r->queue, q, at);
    buf_init(&r->bytes, HEADER_MAX + SIGNAL_RECORD_BYTES_MAX);
    arena_init(&r->arena);
}

void signal_record_reader_done(struct signal_record_reader *r)
{
    if (r->queue.queue != NULL)
        queue_reader_done(&r->queue);
    buf_done(&r->bytes);
    arena_done(&r->arena);
}

static struct str unescape(struct arena *a, struct str value)
{
    char *p = arena_raw(a, value.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < value.n; i++) {
        bool escape = value.p[i] == '%' && value.n - i > 2 && str_hex(value.p[i + 1]) >= 0 &&
                      str_hex(value.p[i + 2]) >= 0;
        p[n++] =
            escape ? (char)(str_hex(value.p[i + 1]) << 4 | str_hex(value.p[i + 2])) : value.p[i];
        i += escape ? 2 : 0;
    }
    p[n] = '\0';
    return str_of(p, n);
}

static void read_header(struct str header, struct arena *a, struct signal *ret)
{
    struct str line;
    while (str_split(&header, '\n', &line)) {
        size_t equals = str_find(line, '=');
        struct str key = str_sub(line, 0, equals), value = str_sub(line, equals + 1, line.n);
        int64_t number = 0;
        bool whole = str_i64(value, &number);
        if (str_eq(key, STR("service")))
            ret->service = unescape(a, value);
        else if (str_eq(key, STR("instance")))
            ret->instance = unescape(a, value);
        else if (whole && str_eq(key, STR("time_ms")))
            ret->time_ms = number;
        else if (whole && str_eq(key, STR("pid")))
            ret->pid = number;
        else if (whole && str_eq(key, STR("uid")))
            ret->uid = number;
        else if (whole && str_eq(key, STR("of")))
            ret->of = (uint64_t)number;
    }
}

static int forget(struct signal_record_reader *r)
{
    r->part = r->parts = 0;
    return -ERR_CORRUPT;
}

int signal_record_part(struct signal_record_reader *r, struct str block, struct signal_record *ret)
{
    const uint8_t *p = (const uint8_t *)block.p;
    if (block.n < PREFIX || p[AT_VERSION] != VERSION || p[AT_KIND] >= SIGNAL_KINDS_N)
        return forget(r);
    unsigned part = load16(p + AT_PART), parts = load16(p + AT_PARTS);
    size_t header_n = load32(p + AT_HEADER_N);
    if (part >= parts || parts > PARTS_MAX || header_n > MIN(block.n - PREFIX, (size_t)HEADER_MAX))
        return forget(r);
    if (part == 0) {
        buf_clear(&r->bytes);
        *r = (struct signal_record_reader){r->queue, r->bytes, r->arena,  header_n,
                                           0,        parts,    p[AT_KIND]};
    } else if (part != r->part || parts != r->parts || p[AT_KIND] != r->kind) {
        return forget(r);
    }
    buf_put_str(&r->bytes, str_sub(block, PREFIX, block.n));
    if (buf_failed(&r->bytes))
        return forget(r);
    if (++r->part < r->parts)
        return 0;
    r->part = r->parts = 0;
    arena_reset(&r->arena);
    *ret = (struct signal_record){
        .signal = {.kind = r->kind,
                   .uid = 0,
                   .bytes = str_sub(buf_str(&r->bytes), r->header_n, r->bytes.n)}};
    read_header(str_sub(buf_str(&r->bytes), 0, r->header_n), &r->arena, &ret->signal);
    return 1;
}

int signal_record_read(struct signal_record_reader *r, struct signal_record *ret)
{
    struct queue_block b;
    while (queue_read(&r->queue, &b) == 1) {
        int got = signal_record_part(r, buf_str(&b.bytes), ret);
        buf_done(&b.bytes);
        if (got != 1)
            continue;
        ret->row = b.row;
        ret->next = b.next;
        return 1;
    }
    return 0;
}
