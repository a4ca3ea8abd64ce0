#include "net/http_body.h"

#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "net/http.h"

enum {
    ALIGNMENT = 64,
    WASTE_MAX = 64 * 1024, /* a kept buffer may be so much larger than wanted */
};

static size_t round_up(size_t size)
{
    size_t rounded = HTTP_BODY_FIRST;
    while (rounded < size && rounded < HTTP_BODY_KEPT_SIZE)
        rounded *= 2;
    return MAX(rounded, size);
}

int http_bodies_take(struct http_bodies *b, size_t size, struct http_body *ret)
{
    b->idle = false;
    for (size_t i = b->kept_n; i-- > 0;) {
        struct http_body have = b->kept[i];
        if (have.capacity < size || have.capacity - size > MAX(3 * size, (size_t)WASTE_MAX))
            continue;
        if (have.capacity > b->max - b->used)
            return -ERR_BUSY;
        memmove(b->kept + i, b->kept + i + 1, (b->kept_n - i - 1) * sizeof *b->kept);
        b->kept_n--;
        b->used += have.capacity;
        *ret = have;
        return 0;
    }
    size_t capacity = round_up(size);
    if (capacity > b->max - b->used)
        return -ERR_BUSY;
    struct http_body body = {.memory = mem_raw(capacity + HTTP_BODY_SLACK + ALIGNMENT),
                             .capacity = capacity};
    uintptr_t address = (uintptr_t)body.memory;
    body.p = (char *)body.memory + (ALIGNMENT - address % ALIGNMENT) % ALIGNMENT;
    /* The slack is read by fast decoders, so that it must hold something. */
    memset(body.p + capacity, 0, HTTP_BODY_SLACK);
    b->used += capacity;
    *ret = body;
    return 0;
}

int http_bodies_grow(struct http_bodies *b, struct http_body *body, size_t size)
{
    if (body->p && size <= body->capacity)
        return 0;
    struct http_body larger;
    int err = http_bodies_take(b, size, &larger);
    if (err)
        return err;
    if (body->n)
        memcpy(larger.p, body->p, body->n);
    larger.n = body->n;
    http_bodies_give(b, body);
    *body = larger;
    return 0;
}

void http_bodies_give(struct http_bodies *b, struct http_body *body)
{
    b->used -= body->capacity;
    body->n = 0;
    if (body->p && body->capacity <= HTTP_BODY_KEPT_SIZE && b->kept_n < HTTP_BODY_KEPT)
        b->kept[b->kept_n++] = *body;
    else
        mem_free(body->memory);
    *body = (struct http_body){0};
}

void http_bodies_trim(struct http_bodies *b)
{
    if (b->idle && b->kept_n > 0) {
        mem_free(b->kept[0].memory);
        memmove(b->kept, b->kept + 1, --b->kept_n * sizeof *b->kept);
    }
    b->idle = true;
}

void http_bodies_done(struct http_bodies *b)
{
    while (b->kept_n > 0)
        mem_free(b->kept[--b->kept_n].memory);
}
