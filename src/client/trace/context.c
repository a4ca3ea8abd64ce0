#include <string.h>

#include "client/trace/current.h"
#include "client/trace/span.h"
#include "sonde/span.h"

enum { TRACEPARENT_N = SONDE_TRACEPARENT_SIZE - 1, TRACE_AT = 3, SPAN_AT = 36, FLAGS_AT = 53 };

static char *put_hex(char *to, const uint8_t *bytes, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        *to++ = digits[bytes[i] >> 4];
        *to++ = digits[bytes[i] & 15];
    }
    return to;
}

void sonde_context_format(const sonde_context *context, char *ret)
{
    if (!ret) {
        return;
    }
    *ret = 0;
    if (!context) {
        return;
    }
    uint8_t flags = context->flags & (SONDE_CONTEXT_SAMPLED | SONDE_CONTEXT_RANDOM);
    memcpy(ret, "00-", TRACE_AT);
    char *at = put_hex(ret + TRACE_AT, context->trace_id, sizeof context->trace_id);
    *at++ = '-';
    at = put_hex(at, context->span_id, sizeof context->span_id);
    *at++ = '-';
    at = put_hex(at, &flags, 1);
    *at = 0;
}

/* Lower case alone, as W3C has it. */
static int digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool get_hex(const char *s, uint8_t *ret, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int high = digit(s[2 * i]), low = digit(s[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        ret[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

int sonde_context_parse(const char *traceparent, sonde_context *ret)
{
    if (!traceparent || !ret) {
        return SONDE_ERROR_ARGUMENT;
    }
    const char *s = traceparent + strspn(traceparent, " \t");
    size_t n = strlen(s);
    while (n && (s[n - 1] == ' ' || s[n - 1] == '\t')) {
        n--;
    }
    uint8_t version = 0xff, flags = 0;
    sonde_context c = {0};
    if (n < TRACEPARENT_N || !get_hex(s, &version, 1) || version == 0xff) {
        return SONDE_ERROR_ARGUMENT;
    }
    /* a later version may have more behind a dash; ours has not */
    if (version == 0 ? n != TRACEPARENT_N : n > TRACEPARENT_N && s[TRACEPARENT_N] != '-') {
        return SONDE_ERROR_ARGUMENT;
    }
    bool good = s[2] == '-' && s[SPAN_AT - 1] == '-' && s[FLAGS_AT - 1] == '-' &&
                get_hex(s + TRACE_AT, c.trace_id, sizeof c.trace_id) &&
                get_hex(s + SPAN_AT, c.span_id, sizeof c.span_id) &&
                get_hex(s + FLAGS_AT, &flags, 1);
    c.flags = flags & (SONDE_CONTEXT_SAMPLED | SONDE_CONTEXT_RANDOM);
    if (!good || !sonde_context_valid(&c)) {
        return SONDE_ERROR_ARGUMENT;
    }
    *ret = c;
    return 0;
}

sonde_context sonde_context_current(void)
{
    return current_context();
}

sonde_scope *sonde_context_attach(const sonde_context *context)
{
    return context && sonde_span_tracing() ? span_place(context, NULL, 0) : NULL;
}

void sonde_context_detach(sonde_scope *scope)
{
    if (!scope) {
        return;
    }
    struct slot *s;
    struct span_part *p = span_mine(&s);
    uint32_t state;
    sonde_span *n = span_of(scope, &state);
    if (n && n->role == SPAN_SCOPE && n->owner == p && span_close(n, state)) {
        span_give(n, p);
    }
}
