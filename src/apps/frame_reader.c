#include "apps/frame_reader.h"

#include <string.h>

#include "base/bits.h"
#include "base/mem.h"

enum {
    HEADER = sizeof(struct frame_header),
    AT_KIND = 4,
    AT_FLAGS,
    AT_DETAIL,
    AT_VERSION,
    AT_SEQUENCE
};

void frame_reader_init(struct frame_reader *r)
{
    *r = (struct frame_reader){0};
}

void frame_reader_done(struct frame_reader *r)
{
    mem_free(r->p);
    *r = (struct frame_reader){0};
}

/* Bytes of the frame that begins at r->at, as far as it is known. */
static size_t wanted(const struct frame_reader *r)
{
    if (r->n - r->at < HEADER)
        return HEADER;
    return HEADER + MIN((size_t)load32(r->p + r->at), (size_t)FRAME_PAYLOAD_MAX);
}

static void resize(struct frame_reader *r, size_t capacity)
{
    r->p = mem_resize(r->p, capacity + FRAME_READER_SLACK);
    memset(r->p + r->n, 0, capacity + FRAME_READER_SLACK - r->n);
    r->capacity = capacity;
}

char *frame_reader_room(struct frame_reader *r, size_t *ret)
{
    if (r->at > 0) {
        memmove(r->p, r->p + r->at, r->n - r->at);
        r->n -= r->at;
        r->at = 0;
    }
    if (r->n == 0 && r->capacity > FRAME_READER_KEEP)
        resize(r, FRAME_READER_PIECE);
    /* Memory follows the bytes that have really come, not the length that a header claims. */
    if (r->capacity - r->n < FRAME_READER_PIECE) {
        size_t whole = wanted(r), doubled = MAX(2 * r->capacity, (size_t)FRAME_READER_PIECE);
        resize(r, MAX(MIN(whole, doubled), r->n + FRAME_READER_PIECE));
    }
    *ret = r->capacity - r->n;
    return r->p + r->n;
}

void frame_reader_got(struct frame_reader *r, size_t n)
{
    r->n += n;
}

static int refuse(struct frame_reader *r, enum err code, const char *text, struct why *why)
{
    r->bad = text;
    return why_set(why, code, "%s", text);
}

int frame_reader_next(struct frame_reader *r, struct frame *ret, struct why *why)
{
    if (r->bad)
        return why_set(why, ERR_FORMAT, "%s", r->bad);
    if (r->n - r->at < HEADER)
        return 0;
    const char *p = r->p + r->at;
    struct frame_header h = {.length = load32(p),
                             .kind = (uint8_t)p[AT_KIND],
                             .flags = (uint8_t)p[AT_FLAGS],
                             .detail = (uint8_t)p[AT_DETAIL],
                             .version = (uint8_t)p[AT_VERSION],
                             .sequence = load64(p + AT_SEQUENCE)};
    if (h.version != FRAME_VERSION)
        return refuse(r, ERR_UNSUPPORTED, "a frame of another version of the protocol", why);
    if (h.kind < FRAME_HELLO || h.kind > FRAME_BYE)
        return refuse(r, ERR_FORMAT, "a frame of a kind that no application sends", why);
    if (h.length > FRAME_PAYLOAD_MAX)
        return refuse(r, ERR_LIMIT, "a frame that is longer than 4 MiB", why);
    if (r->n - r->at < HEADER + h.length)
        return 0;
    *ret = (struct frame){h, str_of(p + HEADER, h.length)};
    r->at += HEADER + h.length;
    return 1;
}

bool frame_reader_partial(const struct frame_reader *r)
{
    return r->n > r->at;
}
