/* Headers of strangers: the first byte says which, the rest is its value. What is accepted must be
 * accepted again as it was written. */
#include <stdlib.h>
#include <string.h>

#include "client/trace/baggage.h"
#include "client/trace/propagation.h"
#include "client/trace/tracestate.h"

static void check(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void traceparent(const char *s)
{
    sonde_context c, again;
    char text[SONDE_TRACEPARENT_SIZE];
    if (sonde_context_parse(s, &c) == 0) {
        check(sonde_context_valid(&c));
        sonde_context_format(&c, text);
        check(sonde_context_parse(text, &again) == 0 && memcmp(&c, &again, sizeof c) == 0);
    }
}

static void tracestate(const char *s, size_t n)
{
    struct tracestate t, again;
    if (tracestate_read(s, n, &t)) {
        check(t.n <= TRACESTATE_MAX);
        check(tracestate_read(t.text, t.n, &again));
        check(again.n == t.n && memcmp(again.text, t.text, t.n) == 0);
        tracestate_forget_threshold(&t);
        check(tracestate_read(t.text, t.n, &again) && !again.has_threshold);
    }
}

static void baggage(const char *s, size_t n)
{
    struct text once, twice;
    char value[64];
    size_t value_n;
    text_init(&once, 2 * BAGGAGE_MAX);
    text_init(&twice, 2 * BAGGAGE_MAX);
    baggage_read(s, n, &once);
    check(once.len <= BAGGAGE_MAX);
    baggage_read(once.bytes ? once.bytes : "", once.len, &twice);
    check(once.len == twice.len &&
          (once.len == 0 || memcmp(once.bytes, twice.bytes, once.len) == 0));
    (void)baggage_find(once.bytes ? once.bytes : "", once.len, "k", value, sizeof value, &value_n);
    text_done(&once);
    text_done(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 1) {
        return 0;
    }
    char *s = malloc(n);
    if (!s) {
        return 0;
    }
    memcpy(s, data + 1, n - 1);
    s[n - 1] = 0;
    sonde_context c;
    switch (data[0] % 6) {
    case 0:
        traceparent(s);
        break;
    case 1:
        tracestate(s, n - 1);
        break;
    case 2:
        baggage(s, n - 1);
        break;
    case 3:
        check(!propagation_b3(s, &c) || sonde_context_valid(&c));
        break;
    case 4:
        check(!propagation_uber(s, &c) || sonde_context_valid(&c));
        break;
    default:
        check(!propagation_sentry(s, &c) || sonde_context_valid(&c));
    }
    free(s);
    return 0;
}
