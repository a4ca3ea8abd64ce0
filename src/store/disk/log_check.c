#include "store/disk/log_check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "store/disk/log_segment.h"

enum {
    SEGMENT_MAX = 1 << 30, /* bytes, of the option log_segment_bytes */
    COPY = LOG_SEGMENT_HEADER / 2,
    COPY_USED = 104,    /* the rest of a copy is zeros */
    BLOCK_ZEROS = 36,   /* .. 40 */
    BLOCK_PADDING = 44, /* .. LOG_SEGMENT_BLOCK: behind the checksum, in the clear */
};

struct check {
    const struct keyring *ring;
    const char *path;
    const uint8_t *p; /* [n] the segment */
    size_t n;
    uint64_t segment;
    struct cipher *cipher;
    struct log_check *result;
    void (*f)(void *context, const char *text);
    void *context;
};

PRINTF(2, 3) static void problem(struct check *c, const char *format, ...)
{
    char text[WHY_MAX];
    va_list args;
    va_start(args, format);
    int n = snprintf(text, sizeof text, "%s: ", c->path);
    vsnprintf(text + n, sizeof text - (size_t)n, format, args);
    va_end(args);
    c->result->problems++;
    if (c->f)
        c->f(c->context, text);
}

static bool is_zero(const uint8_t *p, size_t n)
{
    return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0);
}

static int check_header(struct check *c, struct why *why)
{
    struct why own = {0};
    int err = log_segment_header_read(c->p, c->n, c->segment, c->ring, c->path, &c->cipher, &own);
    if (err == -ERR_CORRUPT) {
        if (!is_zero(c->p, c->n))
            problem(c, "its header is damaged");
        return 0;
    }
    if (err)
        return why_set(why, (enum err) - err, "%s", own.text);
    if (memcmp(c->p, c->p + COPY, COPY) != 0 || !is_zero(c->p + COPY_USED, COPY - COPY_USED))
        problem(c, "one copy of its header is damaged, the other one is sound");
    return 0;
}

static void check_blocks(struct check *c)
{
    uint8_t *room = mem_raw(LOG_SEGMENT_PAYLOAD);
    struct log_segment_block block;
    const uint8_t *payload;
    size_t at = LOG_SEGMENT_HEADER;
    while (at < c->n && log_segment_parse(c->p + at, c->n - at, c->segment, &block) &&
           block.length <= c->n - at - LOG_SEGMENT_BLOCK) {
        const uint8_t *head = c->p + at;
        c->result->blocks++;
        if (log_segment_open(c->cipher, &block, head, room, &payload))
            problem(c, "the block at byte %zu is damaged: its %u bytes of records are lost", at,
                    block.length);
        else if (!is_zero(head + BLOCK_ZEROS, 4) ||
                 (!c->cipher && !is_zero(head + BLOCK_PADDING, LOG_SEGMENT_BLOCK - BLOCK_PADDING)))
            problem(c, "the header of the block at byte %zu is damaged, its records are sound", at);
        at += LOG_SEGMENT_BLOCK + block.length;
    }
    if (at < c->n && !is_zero(c->p + at, c->n - at))
        problem(c,
                "there is no whole block at byte %zu: torn by a crash (then nothing that was "
                "acknowledged is lost), or damaged",
                at);
    mem_free(room);
}

static int check_segment(struct disk *d, const char *dir, struct check *c, struct why *why)
{
    char path[LOG_SEGMENT_PATH];
    void *p;
    log_segment_path(dir, c->segment, path);
    c->path = path;
    int err = disk_slurp(d, path, SEGMENT_MAX, &p, &c->n);
    if (err)
        return why_set(why, (enum err) - err, "cannot read %s: %s", path, err_text(err));
    c->p = p;
    c->result->segments++;
    if (c->n < LOG_SEGMENT_HEADER)
        problem(c, "it has no header");
    else
        err = check_header(c, why);
    if (!err && c->n >= LOG_SEGMENT_HEADER)
        check_blocks(c);
    cipher_free(c->cipher);
    c->cipher = NULL;
    mem_free(p);
    return err;
}

int log_check(struct disk *d, const char *dir, const struct keyring *ring, uint64_t from,
              void (*f)(void *context, const char *text), void *context, struct log_check *ret,
              struct why *why)
{
    struct log_check result = {0};
    struct check c = {.ring = ring, .result = &result, .f = f, .context = context};
    uint64_t *numbers;
    size_t n;
    int err = log_segment_list(d, dir, &numbers, &n);
    if (err)
        return why_set(why, (enum err) - err, "cannot list %s: %s", dir, err_text(err));
    for (size_t i = 0; i < n && !err; i++) {
        c.segment = numbers[i];
        if (c.segment >= from)
            err = check_segment(d, dir, &c, why);
    }
    mem_free(numbers);
    if (!err)
        *ret = result;
    return err;
}
