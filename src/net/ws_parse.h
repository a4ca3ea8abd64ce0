/* net/ws_parse.h - bytes of a client -> WebSocket messages and control frames.
 *
 * No sockets: the connection feeds it, and so does the fuzz target.
 *
 * Source:  RFC 6455, section 5 (framing), 7.4 (close codes), 8.1 (UTF-8).
 * Threads: one at a time.
 */
#ifndef NET_WS_PARSE_H
#define NET_WS_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"

enum ws_opcode {
    WS_MORE = 0,
    WS_TEXT = 1,
    WS_BINARY = 2,
    WS_CLOSE = 8,
    WS_PING = 9,
    WS_PONG = 10,
};

enum { WS_CONTROL_MAX = 125, WS_HEAD_MAX = 14 };

struct ws_parse {
    /* Called for each whole message (WS_TEXT, WS_BINARY) and control frame; bytes are valid during
     * the call. False ends the parsing. */
    bool (*got)(void *context, enum ws_opcode opcode, struct str payload);
    void *context;
    uint8_t head[WS_HEAD_MAX];
    size_t head_n;
    bool in_payload, fin;
    uint8_t opcode;
    uint64_t left; /* of the payload */
    uint8_t mask[4];
    size_t mask_at;
    uint8_t message_opcode; /* of the message in parts, 0: none */
    struct buf message;
    char control[WS_CONTROL_MAX];
    size_t control_n;
};

void ws_parse_init(struct ws_parse *w, size_t message_max,
                   bool (*got)(void *context, enum ws_opcode opcode, struct str payload),
                   void *context);
void ws_parse_done(struct ws_parse *w);

/* Feeds n bytes, which are unmasked in place: 0, or the code to close with (1002, 1007, 1009). */
MUST_USE int ws_parse_feed(struct ws_parse *w, char *p, size_t n);

/* Reads the payload of a close frame: the code (1005 where there is none), or 1002 / 1007 as
 * *ret_refuse where it is not allowed. */
int ws_parse_close(struct str payload, int *ret_refuse);

/* Writes a server's frame head for n bytes of payload at to (WS_HEAD_MAX bytes of room): its
 * length. */
size_t ws_parse_head(enum ws_opcode opcode, uint64_t n, uint8_t *to);

#endif
