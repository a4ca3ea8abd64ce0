/* Any bytes in steps of any length: the same messages come out as from one piece, within the cap.
 */
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/must.h"
#include "net/ws_parse.h"

enum { MESSAGE_MAX = 4096 };

struct seen {
    uint64_t hash;
    bool closed;
};

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static bool got(void *context, enum ws_opcode opcode, struct str payload)
{
    struct seen *s = context;
    must(payload.n <= (opcode >= WS_CLOSE ? (size_t)WS_CONTROL_MAX : (size_t)MESSAGE_MAX));
    must(opcode != WS_TEXT || str_utf8(payload));
    s->hash = hash_xxh3(payload.p, payload.n, s->hash ^ opcode);
    if (opcode == WS_CLOSE) {
        int refuse;
        int code = ws_parse_close(payload, &refuse);
        must(refuse || (code >= 1000 && code < 5000));
    }
    s->closed = opcode == WS_CLOSE;
    return !s->closed;
}

static int run(const uint8_t *p, size_t n, size_t step, struct seen *s)
{
    struct ws_parse w;
    ws_parse_init(&w, MESSAGE_MAX, got, s);
    int code = 0;
    for (size_t at = 0; at < n && !code && !s->closed; at += step) {
        size_t part = MIN(step, n - at);
        char *copy = mem_copy(p + at, part);
        code = ws_parse_feed(&w, copy, part);
        mem_free(copy);
    }
    ws_parse_done(&w);
    return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct seen whole = {0}, parts = {0};
    if (n < 2)
        return 0;
    int a = run(p + 1, n - 1, n, &whole), b = run(p + 1, n - 1, (size_t)1 + p[0] % 32, &parts);
    must(a == b && whole.hash == parts.hash && whole.closed == parts.closed);
    must(a == 0 || a == 1002 || a == 1007 || a == 1009);
    return 0;
}
