/* Reading the log: after a crash, and through damage. */
#include "store/disk/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "base/mem.h"
#include "store/disk/log_segment.h"

enum {
    WINDOW = 4 << 20,
    ZERO_BYTES = 2 * WINDOW,
    BLOCK_MAX = LOG_SEGMENT_BLOCK + LOG_SEGMENT_PAYLOAD
};

/* The bytes of a segment: a file through a window, or memory. */
struct source {
    struct disk *d;
    struct disk_file *f; /* NULL: memory */
    uint64_t size;
    uint8_t *window; /* [WINDOW], or all bytes */
    uint64_t from;   /* offset of window[0] */
    size_t n;        /* bytes in window */
    int err;         /* a read that failed; the rest counts as missing */
};

struct scan {
    struct source source;
    const struct log_replay *replay;
    struct log_replay_result *result;
    const struct cipher *cipher;
    const char *file;
    uint64_t segment;
    bool is_last;
    uint8_t *room; /* [LOG_SEGMENT_PAYLOAD] */
    uint64_t gaps; /* one bit a lane: something of it was lost before */
    uint64_t end;  /* behind the last sound block */
    int stopped;   /* what a callback returned */
};

/* The bytes from offset on: *ret_n of them, BLOCK_MAX unless the file ends. */
static const uint8_t *fetch(struct source *s, uint64_t offset, size_t *ret_n)
{
    uint64_t left = offset < s->size ? s->size - offset : 0;
    size_t wanted = (size_t)MIN(left, (uint64_t)BLOCK_MAX);
    if (s->f && (offset < s->from || offset + wanted > s->from + s->n)) {
        size_t got = 0;
        int err =
            disk_read(s->d, s->f, offset, s->window, (size_t)MIN(left, (uint64_t)WINDOW), &got);
        if (err) {
            s->err = err;
            got = 0;
        }
        s->from = offset;
        s->n = got;
    }
    uint64_t there = s->from + s->n > offset ? s->from + s->n - offset : 0;
    *ret_n = (size_t)MIN(there, (uint64_t)wanted);
    return *ret_n ? s->window + (offset - s->from) : s->window;
}

PRINTF(2, 3) static void warn(struct scan *s, const char *format, ...)
{
    if (!s->replay->warn)
        return;
    char text[WHY_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    s->replay->warn(s->replay->context, text);
}

/* A sound block at offset: its payload, or NULL. *ret_whole says that its header at least is
 * sound and its length lies in the file. */
static const uint8_t *block_at(struct scan *s, uint64_t offset, struct log_segment_block *ret,
                               bool *ret_whole)
{
    size_t n;
    const uint8_t *payload, *p = fetch(&s->source, offset, &n);
    *ret_whole =
        log_segment_parse(p, n, s->segment, ret) && ret->length + (size_t)LOG_SEGMENT_BLOCK <= n;
    if (!*ret_whole || log_segment_open(s->cipher, ret, p, s->room, &payload))
        return NULL;
    return payload;
}

/* Hands the records of a block out; false where the block does not follow its format. */
static bool deliver(struct scan *s, const struct log_segment_block *block, const uint8_t *p)
{
    const uint8_t *end = p + block->length;
    struct log_record r = {
        .segment = s->segment, .lane = block->lane, .after_gap = s->gaps >> block->lane & 1};
    while (p < end && !s->stopped) {
        uint64_t n;
        p = varint_get(p, end, &n);
        if (!p || n >= (uint64_t)(end - p))
            return false;
        r.type = *p++;
        r.p = p;
        r.n = (size_t)n;
        p += n;
        s->result->records++;
        s->result->bytes += n;
        if (s->replay->record)
            s->stopped = s->replay->record(s->replay->context, &r);
    }
    return true;
}

/* The first possible place of a block header at or after offset; size where there is none. */
static uint64_t find_magic(struct source *s, uint64_t offset)
{
    while (offset < s->size) {
        size_t n;
        const uint8_t *p = fetch(s, offset, &n);
        if (n < LOG_SEGMENT_BLOCK)
            break;
        const uint8_t *hit = memmem(p, n, "SBLK", 4);
        if (hit)
            return offset + (uint64_t)(hit - p);
        offset += n - 3;
    }
    return s->size;
}

/* Looks behind damage for a sound block. *ret_next is the first one, or the size of the file;
 * *ret_proof says that some block there was written after the damaged place had been synced, so
 * that it is damage and not a torn end. */
static void look_behind(struct scan *s, uint64_t damage, uint64_t from, uint64_t *ret_next,
                        bool *ret_proof)
{
    struct log_segment_block block;
    bool whole;
    uint64_t at = find_magic(&s->source, from);
    *ret_next = s->source.size;
    *ret_proof = false;
    while (at < s->source.size && !*ret_proof) {
        if (!block_at(s, at, &block, &whole)) {
            at = find_magic(&s->source, at + 1);
            continue;
        }
        *ret_next = MIN(*ret_next, at);
        *ret_proof = block.synced > damage;
        if (!s->is_last)
            break;
        at = find_magic(&s->source, at + LOG_SEGMENT_BLOCK + block.length);
    }
}

/* Nothing but zeros from offset on, as far as ZERO_BYTES: what is preallocated and never written
 * need not be read to its end, which may be far. */
static bool is_zero_from(struct source *s, uint64_t offset)
{
    uint64_t end = MIN(s->size, offset + ZERO_BYTES);
    while (offset < end) {
        size_t n;
        const uint8_t *p = fetch(s, offset, &n);
        if (n == 0)
            return false;
        if (p[0] || memcmp(p, p + 1, n - 1) != 0)
            return false;
        offset += n;
    }
    return true;
}

/* No sound block at offset. Returns where to go on, or the size of the file to end. */
static uint64_t pass_damage(struct scan *s, uint64_t offset, const struct log_segment_block *block,
                            bool whole)
{
    if (is_zero_from(&s->source, offset))
        return s->source.size; /* preallocated, never written */

    uint64_t next, behind = whole ? offset + LOG_SEGMENT_BLOCK + block->length : offset + 1;
    bool proof;
    look_behind(s, offset, behind, &next, &proof);
    if (s->is_last && !proof)
        return s->source.size; /* torn by the crash: nobody was told that it is safe */

    s->result->damaged_blocks++;
    s->result->damaged_bytes += next - offset;
    if (whole && next == behind)
        s->gaps |= (uint64_t)1 << block->lane;
    else
        s->gaps = UINT64_MAX;
    warn(s, "%s is damaged at byte %llu: %llu bytes of the log are lost there", s->file,
         (unsigned long long)offset, (unsigned long long)(next - offset));
    return next;
}

static void scan_blocks(struct scan *s)
{
    uint32_t index = 0;
    uint64_t at = LOG_SEGMENT_HEADER;
    s->end = LOG_SEGMENT_HEADER;
    while (at < s->source.size && !s->stopped) {
        struct log_segment_block block;
        bool whole;
        const uint8_t *payload = block_at(s, at, &block, &whole);
        if (!payload) {
            at = pass_damage(s, at, &block, whole);
            continue;
        }
        if (block.index != index && s->gaps == 0) {
            warn(s, "%s lacks blocks before byte %llu", s->file, (unsigned long long)at);
            s->result->damaged_blocks++;
            s->gaps = UINT64_MAX;
        }
        index = block.index + 1;
        if (!deliver(s, &block, payload)) {
            warn(s, "%s holds a block at byte %llu that does not follow the format", s->file,
                 (unsigned long long)at);
            s->result->damaged_blocks++;
            s->gaps |= (uint64_t)1 << block.lane;
        }
        at += LOG_SEGMENT_BLOCK + block.length;
        s->end = at;
    }
}

/* -ERR_KEY ends a replay; a header that is damaged is passed (in the clear its blocks can be read
 * without it). */
static int scan_segment(struct scan *s, const struct keyring *ring, struct why *why)
{
    size_t n;
    struct cipher *cipher = NULL;
    struct why header_why = {0};
    const uint8_t *p = fetch(&s->source, 0, &n);
    int err = log_segment_header_read(p, n, s->segment, ring, s->file, &cipher, &header_why);
    if (err == -ERR_CORRUPT) {
        if (!is_zero_from(&s->source, 0)) {
            s->result->damaged_blocks++;
            warn(s, "%s", header_why.text);
        }
        err = 0;
    }
    if (err)
        return why_set(why, (enum err) - err, "%s", header_why.text);

    s->cipher = cipher;
    s->room = mem_raw(LOG_SEGMENT_PAYLOAD);
    scan_blocks(s);
    mem_free(s->room);
    cipher_free(cipher);
    if (s->source.err)
        return why_set(why, (enum err) - s->source.err, "cannot read %s: %s", s->file,
                       err_text(s->source.err));
    s->result->segments++;
    return s->stopped;
}

static int scan_file(struct disk *d, const char *dir, const struct keyring *ring, struct scan *s,
                     struct why *why)
{
    char path[LOG_SEGMENT_PATH];
    log_segment_path(dir, s->segment, path);
    s->file = path;
    s->source = (struct source){.d = d};
    int err = disk_open(d, path, DISK_READ, &s->source.f);
    if (!err)
        err = disk_size(d, s->source.f, &s->source.size);
    if (err) {
        why_set(why, (enum err) - err, "cannot open %s: %s", path, err_text(err));
    } else {
        s->source.window = mem_raw(WINDOW);
        err = scan_segment(s, ring, why);
        mem_free(s->source.window);
    }
    disk_close(d, s->source.f);
    s->file = NULL;
    return err;
}

int log_replay(struct disk *d, const char *dir, const struct keyring *ring,
               const struct log_replay *replay, struct log_replay_result *ret, struct why *why)
{
    uint64_t *numbers;
    size_t n;
    int err = log_segment_list(d, dir, &numbers, &n);
    if (err)
        return why_set(why, (enum err) - err, "cannot list %s: %s", dir, err_text(err));

    struct log_replay_result result = {.last_segment = n ? numbers[n - 1] : 0};
    for (size_t i = 0; !err && i < n; i++) {
        if (numbers[i] < replay->from_segment)
            continue;
        struct scan s = {
            .replay = replay, .result = &result, .segment = numbers[i], .is_last = i == n - 1};
        err = scan_file(d, dir, ring, &s, why);
    }
    mem_free(numbers);
    if (!err)
        *ret = result;
    return err;
}

int log_replay_bytes(const void *p, size_t n, uint64_t segment, const struct log_replay *replay,
                     struct log_replay_result *ret)
{
    struct log_replay_result result = {.last_segment = segment};
    struct scan s = {.replay = replay,
                     .result = &result,
                     .segment = segment,
                     .is_last = true,
                     .file = "segment",
                     .source = {.size = n, .n = n, .window = mem_copy(p, n)}};
    int err = scan_segment(&s, NULL, NULL);
    mem_free(s.source.window);
    if (!err)
        *ret = result;
    return err;
}

int log_segment_end(struct disk *d, const char *dir, const struct keyring *ring, uint64_t number,
                    uint64_t *ret_end, struct why *why)
{
    struct log_replay nothing = {0};
    struct log_replay_result result = {0};
    struct scan s = {.replay = &nothing, .result = &result, .segment = number, .is_last = true};
    int err = scan_file(d, dir, ring, &s, why);
    if (!err)
        *ret_end = result.damaged_blocks ? UINT64_MAX : s.end;
    return err;
}
