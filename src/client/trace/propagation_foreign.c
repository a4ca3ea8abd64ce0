/* Headers of other tracing systems: hexadecimal ids of one or two words, and a decision. */
#include <string.h>

#include "client/core/id.h"
#include "client/trace/propagation.h"
#include "client/trace/sampler.h"

enum { FIELDS_MAX = 4, TRACE_DIGITS = 32, SPAN_DIGITS = 16 };

struct field {
    const char *s;
    size_t n;
};

/* Splits at a separator; 0 for more than FIELDS_MAX. */
static size_t split(const char *s, char separator, struct field *ret)
{
    size_t n = 0;
    while (n < FIELDS_MAX) {
        const char *end = strchr(s, separator);
        ret[n++] = (struct field){s, end ? (size_t)(end - s) : strlen(s)};
        if (!end) {
            return n;
        }
        s = end + 1;
    }
    return 0;
}

static int digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* 1..2*size digits, the last of which are the last bytes; false for bad ones and for all zero. */
static bool read_id(struct field f, uint8_t *ret, size_t size)
{
    bool any = false;
    if (f.n == 0 || f.n > 2 * size) {
        return false;
    }
    memset(ret, 0, size);
    for (size_t i = 0; i < f.n; i++) {
        int d = digit(f.s[f.n - 1 - i]);
        if (d < 0) {
            return false;
        }
        any = any || d;
        ret[size - 1 - i / 2] |= (uint8_t)(i % 2 ? d << 4 : d);
    }
    return any;
}

static bool read_ids(struct field trace, struct field span, sonde_context *ret)
{
    return read_id(trace, ret->trace_id, sizeof ret->trace_id) &&
           read_id(span, ret->span_id, sizeof ret->span_id);
}

/* The sender left it to us. */
static void decide(sonde_context *c)
{
    uint64_t threshold = sampler_threshold();
    c->flags = 0;
    if (sampler_random(c->trace_id) >= threshold) {
        c->flags = SONDE_CONTEXT_SAMPLED;
        sampler_into(c, threshold);
    }
}

/* "0" of B3: nothing of this request is to be kept. Its ids are of no importance. */
static void refuse(sonde_context *c)
{
    id_fill(c->trace_id, sizeof c->trace_id);
    id_fill(c->span_id, sizeof c->span_id);
}

/* '1', 'd' (debug), "true"; '0', "false"; nothing. False: none of them. */
static bool decision(struct field f, sonde_context *c)
{
    if (f.n == 0) {
        decide(c);
        return true;
    }
    bool one =
        (f.n == 1 && (*f.s == '1' || *f.s == 'd')) || (f.n == 4 && memcmp(f.s, "true", 4) == 0);
    bool zero = (f.n == 1 && *f.s == '0') || (f.n == 5 && memcmp(f.s, "false", 5) == 0);
    c->flags = one ? SONDE_CONTEXT_SAMPLED : 0;
    return one || zero;
}

bool propagation_b3(const char *value, sonde_context *ret)
{
    struct field f[FIELDS_MAX];
    size_t n = split(value, '-', f);
    sonde_context c = {0};
    if (n == 1 && f[0].n == 1 && *f[0].s == '0') {
        refuse(&c);
        *ret = c;
        return true;
    }
    if (n < 2 || !read_ids(f[0], f[1], &c) || !decision(n > 2 ? f[2] : (struct field){"", 0}, &c)) {
        return false;
    }
    *ret = c;
    return true;
}

static struct field whole(const char *s)
{
    return (struct field){s ? s : "", s ? strlen(s) : 0};
}

bool propagation_b3_multi(const char *trace, const char *span, const char *sampled,
                          const char *flags, sonde_context *ret)
{
    sonde_context c = {0};
    struct field how = flags && strcmp(flags, "1") == 0 ? whole("d") : whole(sampled);
    if (!trace && how.n == 1 && *how.s == '0') {
        refuse(&c);
        *ret = c;
        return true;
    }
    if (!trace || !span || !read_ids(whole(trace), whole(span), &c) || !decision(how, &c)) {
        return false;
    }
    *ret = c;
    return true;
}

bool propagation_uber(const char *value, sonde_context *ret)
{
    struct field f[FIELDS_MAX];
    sonde_context c = {0};
    char plain[256];
    size_t n = strlen(value), to = 0;
    for (size_t i = 0; i < n && to + 1 < sizeof plain; i++) { /* some clients send %3A for ':' */
        bool colon = value[i] == '%' && value[i + 1] == '3' && (value[i + 2] | 0x20) == 'a';
        plain[to++] = colon ? ':' : value[i];
        i += colon ? 2 : 0;
    }
    plain[to] = 0;
    uint8_t flags;
    if (split(plain, ':', f) != FIELDS_MAX || !read_ids(f[0], f[1], &c) || f[3].n == 0 ||
        f[3].n > 2) {
        return false;
    }
    bool some = read_id(f[3], &flags, 1); /* false: zero, or no number */
    if (!some && strspn(f[3].s, "0") != f[3].n) {
        return false;
    }
    c.flags = some && flags & 1 ? SONDE_CONTEXT_SAMPLED : 0;
    *ret = c;
    return true;
}

bool propagation_sentry(const char *value, sonde_context *ret)
{
    struct field f[FIELDS_MAX];
    size_t n = split(value, '-', f);
    sonde_context c = {0};
    if ((n != 2 && n != 3) || f[0].n != TRACE_DIGITS || f[1].n != SPAN_DIGITS ||
        !read_ids(f[0], f[1], &c) || !decision(n == 3 ? f[2] : (struct field){"", 0}, &c)) {
        return false;
    }
    *ret = c;
    return true;
}
