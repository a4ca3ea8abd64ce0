#include "net/ws_parse.h"

#include <string.h>

#include "base/must.h"

enum {
    BIT_FIN = 0x80,
    BITS_RESERVED = 0x70,
    BIT_MASK = 0x80,
    PROTOCOL_ERROR = 1002,
    NOT_UTF8 = 1007,
    TOO_BIG = 1009,
    NO_CODE = 1005,
    MESSAGE_KEPT = 64 * 1024, /* bytes of memory kept for the next message */
};

void ws_parse_init(struct ws_parse *w, size_t message_max,
                   bool (*got)(void *context, enum ws_opcode opcode, struct str payload),
                   void *context)
{
    *w = (struct ws_parse){.got = got, .context = context};
    buf_init(&w->message, message_max);
}

void ws_parse_done(struct ws_parse *w)
{
    buf_done(&w->message);
}

/* How long the head is, as far as its first two bytes say. */
static size_t head_length(const uint8_t *head)
{
    uint8_t n = head[1] & 127;
    return 2 + (n == 126 ? 2u : n == 127 ? 8u : 0u) + 4;
}

/* The first two bytes are there: 0 or the code to close with. */
static int check_head(const struct ws_parse *w)
{
    uint8_t opcode = w->head[0] & 15, n = w->head[1] & 127;
    bool fin = w->head[0] & BIT_FIN;
    if ((w->head[0] & BITS_RESERVED) || !(w->head[1] & BIT_MASK))
        return PROTOCOL_ERROR;
    switch (opcode) {
    case WS_MORE:
        return w->message_opcode ? 0 : PROTOCOL_ERROR;
    case WS_TEXT:
    case WS_BINARY:
        return w->message_opcode ? PROTOCOL_ERROR : 0;
    case WS_CLOSE:
    case WS_PING:
    case WS_PONG:
        return fin && n <= WS_CONTROL_MAX ? 0 : PROTOCOL_ERROR;
    default:
        return PROTOCOL_ERROR;
    }
}

/* The head is whole: what the payload will be. */
static int begin_payload(struct ws_parse *w)
{
    uint8_t n = w->head[1] & 127;
    size_t bytes = n == 126 ? 2 : n == 127 ? 8 : 0;
    w->left = bytes ? 0 : n;
    for (size_t i = 0; i < bytes; i++)
        w->left = w->left << 8 | w->head[2 + i];
    /* Lengths are to be written as short as they can be. */
    if ((n == 126 && w->left < 126) || (n == 127 && (w->left < 65536 || w->left >> 63)))
        return PROTOCOL_ERROR;
    memcpy(w->mask, w->head + 2 + bytes, 4);
    w->mask_at = 0;
    w->fin = w->head[0] & BIT_FIN;
    w->opcode = w->head[0] & 15;
    w->control_n = 0;
    w->in_payload = true;
    w->head_n = 0;
    if (w->opcode == WS_TEXT || w->opcode == WS_BINARY)
        w->message_opcode = w->opcode;
    if (w->opcode < WS_CLOSE && w->left > w->message.max - w->message.n)
        return TOO_BIG;
    return 0;
}

static void unmask(struct ws_parse *w, char *p, size_t n)
{
    uint8_t turned[8];
    for (size_t i = 0; i < 8; i++)
        turned[i] = w->mask[(w->mask_at + i) & 3];
    uint64_t word, mask;
    memcpy(&mask, turned, 8);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        memcpy(&word, p + i, 8);
        word ^= mask;
        memcpy(p + i, &word, 8);
    }
    for (; i < n; i++)
        p[i] = (char)(p[i] ^ (char)turned[i & 7]);
    w->mask_at = (w->mask_at + n) & 3;
}

/* The payload is whole. *ret_more: go on. */
static int end_payload(struct ws_parse *w, bool *ret_more)
{
    w->in_payload = false;
    if (w->opcode >= WS_CLOSE) {
        *ret_more = w->got(w->context, (enum ws_opcode)w->opcode, str_of(w->control, w->control_n));
        return 0;
    }
    if (!w->fin)
        return 0;
    enum ws_opcode opcode = (enum ws_opcode)w->message_opcode;
    w->message_opcode = 0;
    if (opcode == WS_TEXT && !str_utf8(buf_str(&w->message)))
        return NOT_UTF8;
    *ret_more = w->got(w->context, opcode, buf_str(&w->message));
    if (w->message.capacity > MESSAGE_KEPT)
        buf_done(&w->message);
    else
        buf_clear(&w->message);
    return 0;
}

int ws_parse_feed(struct ws_parse *w, char *p, size_t n)
{
    size_t at = 0;
    bool more = true;
    int code = 0;
    while (more && code == 0 && (at < n || (w->in_payload && w->left == 0))) {
        if (!w->in_payload) {
            w->head[w->head_n++] = (uint8_t)p[at++];
            if (w->head_n == 2)
                code = check_head(w);
            else if (w->head_n > 2 && w->head_n == head_length(w->head))
                code = begin_payload(w);
            continue;
        }
        size_t part = (size_t)MIN((uint64_t)(n - at), w->left);
        unmask(w, p + at, part);
        if (w->opcode < WS_CLOSE) {
            buf_put(&w->message, p + at, part);
        } else if (part > 0) {
            memcpy(w->control + w->control_n, p + at, part);
            w->control_n += part;
        }
        at += part;
        w->left -= part;
        if (w->left == 0)
            code = end_payload(w, &more);
    }
    must(!buf_failed(&w->message));
    return code;
}

int ws_parse_close(struct str payload, int *ret_refuse)
{
    *ret_refuse = 0;
    if (payload.n == 0)
        return NO_CODE;
    if (payload.n == 1) {
        *ret_refuse = PROTOCOL_ERROR;
        return PROTOCOL_ERROR;
    }
    int code = (uint8_t)payload.p[0] << 8 | (uint8_t)payload.p[1];
    bool known = (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
                 (code >= 3000 && code <= 4999);
    if (!known)
        *ret_refuse = PROTOCOL_ERROR;
    else if (!str_utf8(str_sub(payload, 2, payload.n)))
        *ret_refuse = NOT_UTF8;
    return code;
}

size_t ws_parse_head(enum ws_opcode opcode, uint64_t n, uint8_t *to)
{
    to[0] = (uint8_t)(BIT_FIN | opcode);
    if (n < 126) {
        to[1] = (uint8_t)n;
        return 2;
    }
    size_t bytes = n < 65536 ? 2 : 8;
    to[1] = bytes == 2 ? 126 : 127;
    for (size_t i = 0; i < bytes; i++)
        to[2 + i] = (uint8_t)(n >> (8 * (bytes - 1 - i)));
    return 2 + bytes;
}
