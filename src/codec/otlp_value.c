#include "codec/otlp_value.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "base/bits.h"
#include "codec/wire.h"
#include "text/json.h"
#include "text/number.h"

enum { DEPTH_MAX = 16, TEXT_MAX = 4 << 20 };

/* Fields of AnyValue. */
enum { TEXT = 1, BOOL = 2, INT = 3, DOUBLE = 4, ARRAY = 5, MAP = 6, BYTES = 7 };

static void put_base64(struct buf *out, struct str s)
{
    static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *p = (const uint8_t *)s.p;
    for (size_t i = 0; i < s.n; i += 3) {
        size_t left = s.n - i;
        uint32_t v = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
                     (left > 2 ? p[i + 2] : 0);
        buf_put_c(out, DIGITS[v >> 18]);
        buf_put_c(out, DIGITS[v >> 12 & 63]);
        buf_put_c(out, left > 1 ? DIGITS[v >> 6 & 63] : '=');
        buf_put_c(out, left > 2 ? DIGITS[v & 63] : '=');
    }
}

/* As JSON writes numbers: 1e-9, not 1e-09. */
static void put_double(struct buf *out, double v)
{
    char text[NUMBER_MAX];
    size_t n = number_format_point(v, text);
    if (n >= 4 && text[n - 4] == 'e' && text[n - 3] == '-' && text[n - 2] == '0') {
        text[n - 2] = text[n - 1];
        n--;
    }
    buf_put(out, text, n);
}

/* The value that an AnyValue message has: the last of the oneof; number 0 where it has none. */
static bool value_of(struct str message, struct wire_field *ret)
{
    const uint8_t *p = (const uint8_t *)message.p, *end = message.n ? p + message.n : p;
    struct wire_field f;
    *ret = (struct wire_field){0};
    while (p < end) {
        p = wire_next(p, end, &f);
        if (p == NULL)
            return false;
        static const uint8_t TYPES[] = {
            [TEXT] = WIRE_BYTES,     [BOOL] = WIRE_VARINT, [INT] = WIRE_VARINT,
            [DOUBLE] = WIRE_FIXED64, [ARRAY] = WIRE_BYTES, [MAP] = WIRE_BYTES,
            [BYTES] = WIRE_BYTES};
        if (f.number >= TEXT && f.number <= BYTES && f.type == TYPES[f.number])
            *ret = f;
    }
    return true;
}

/* One KeyValue message. */
static bool pair_of(const struct wire_field *message, struct str *ret_key, struct str *ret_value)
{
    struct wire_field f;
    *ret_key = *ret_value = (struct str){0};
    for (const uint8_t *p = message->p, *end = p + message->n; p < end;) {
        p = wire_next(p, end, &f);
        if (p == NULL)
            return false;
        if (wire_tag(&f) == WIRE_TAG(1, WIRE_BYTES))
            *ret_key = str_of((const char *)f.p, f.n);
        else if (wire_tag(&f) == WIRE_TAG(2, WIRE_BYTES))
            *ret_value = str_of((const char *)f.p, f.n);
    }
    return true;
}

struct pair {
    struct str key, value; /* value: an AnyValue message */
};

static int by_key(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    return str_cmp(x->key, y->key);
}

static int put_json(struct buf *out, struct arena *a, struct str message, unsigned depth);

static int put_array(struct buf *out, struct arena *a, const struct wire_field *list,
                     unsigned depth)
{
    struct wire_field f;
    buf_put_c(out, '[');
    bool first = true;
    for (const uint8_t *p = list->p, *end = p + list->n; p < end;) {
        p = wire_next(p, end, &f);
        if (p == NULL)
            return -ERR_FORMAT;
        if (wire_tag(&f) != WIRE_TAG(1, WIRE_BYTES))
            continue;
        if (!first)
            buf_put_c(out, ',');
        first = false;
        int err = put_json(out, a, str_of((const char *)f.p, f.n), depth);
        if (err)
            return err;
    }
    buf_put_c(out, ']');
    return 0;
}

static int put_map(struct buf *out, struct arena *a, const struct wire_field *list, unsigned depth)
{
    const uint8_t *end = list->p + list->n;
    struct wire_field f;
    size_t n = 0;
    for (const uint8_t *p = list->p; p < end; n++)
        if ((p = wire_next(p, end, &f)) == NULL)
            return -ERR_FORMAT;
    if (n > OTLP_VALUE_PAIRS_MAX)
        return -ERR_LIMIT;
    struct pair *pairs = arena_array(a, n + 1, sizeof *pairs);
    n = 0;
    for (const uint8_t *p = list->p; p < end;) {
        p = wire_next(p, end, &f);
        if (wire_tag(&f) != WIRE_TAG(1, WIRE_BYTES))
            continue;
        if (!pair_of(&f, &pairs[n].key, &pairs[n].value))
            return -ERR_FORMAT;
        n++;
    }
    qsort(pairs, n, sizeof *pairs, by_key);
    buf_put_c(out, '{');
    for (size_t i = 0; i < n; i++) {
        if (i)
            buf_put_c(out, ',');
        json_put_text(out, pairs[i].key);
        buf_put_c(out, ':');
        int err = put_json(out, a, pairs[i].value, depth);
        if (err)
            return err;
    }
    buf_put_c(out, '}');
    return 0;
}

/* A value that is no text of its own: in JSON, or alone. */
static int put_plain(struct buf *out, struct arena *a, const struct wire_field *v, unsigned depth)
{
    switch (v->number) {
    case BOOL:
        buf_put_str(out, v->v ? STR("true") : STR("false"));
        return 0;
    case INT:
        buf_put_i64(out, (int64_t)v->v);
        return 0;
    case ARRAY:
        return depth < DEPTH_MAX ? put_array(out, a, v, depth + 1) : -ERR_LIMIT;
    case MAP:
        return depth < DEPTH_MAX ? put_map(out, a, v, depth + 1) : -ERR_LIMIT;
    default:
        return 0;
    }
}

static int put_json(struct buf *out, struct arena *a, struct str message, unsigned depth)
{
    struct wire_field v;
    if (!value_of(message, &v))
        return -ERR_FORMAT;
    if (v.number == 0) {
        buf_put_str(out, STR("null"));
    } else if (v.number == TEXT) {
        json_put_text(out, str_of((const char *)v.p, v.n));
    } else if (v.number == DOUBLE) {
        if (isfinite(bits_double(v.v)))
            put_double(out, bits_double(v.v));
        else
            buf_put_str(out, STR("null"));
    } else if (v.number == BYTES) {
        buf_put_c(out, '"');
        put_base64(out, str_of((const char *)v.p, v.n));
        buf_put_c(out, '"');
    } else {
        return put_plain(out, a, &v, depth);
    }
    return 0;
}

static int text_of(struct str message, struct arena *a, struct str *ret)
{
    struct wire_field v;
    struct buf out;
    int err = 0;
    if (!value_of(message, &v))
        return -ERR_FORMAT;
    if (v.number == TEXT) {
        *ret = str_of((const char *)v.p, v.n);
        return 0;
    }
    buf_init(&out, TEXT_MAX);
    if (v.number == DOUBLE)
        put_double(&out, bits_double(v.v));
    else if (v.number == BYTES)
        put_base64(&out, str_of((const char *)v.p, v.n));
    else
        err = put_plain(&out, a, &v, 0);
    if (!err && buf_failed(&out))
        err = -ERR_LIMIT;
    if (!err)
        *ret = arena_str(a, buf_str(&out));
    buf_done(&out);
    return err;
}

/* By key; a stable order of few: insertion. */
static void sort(struct otlp_attribute *v, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct otlp_attribute one = v[i];
        size_t k = i;
        for (; k > 0 && str_cmp(v[k - 1].key, one.key) > 0; k--)
            v[k] = v[k - 1];
        v[k] = one;
    }
}

int otlp_value_attributes(struct str run, size_t max, struct arena *a, struct otlp_attribute **ret,
                          size_t *ret_n, struct why *why)
{
    const uint8_t *p = (const uint8_t *)run.p, *end = run.n ? p + run.n : p;
    struct wire_field f;
    size_t n = 0;
    for (const uint8_t *q = p; q < end; n++)
        if ((q = wire_next(q, end, &f)) == NULL)
            return why_set(why, ERR_FORMAT, "a malformed attribute");
    if (n > max)
        return why_set(why, ERR_LIMIT, "%zu attributes, at most %zu are taken", n, max);
    struct otlp_attribute *v = arena_array(a, n + 1, sizeof *v);
    for (size_t i = 0; i < n; i++) {
        struct str value;
        p = wire_next(p, end, &f);
        if (f.type != WIRE_BYTES || !pair_of(&f, &v[i].key, &value))
            return why_set(why, ERR_FORMAT, "a malformed attribute");
        int err = text_of(value, a, &v[i].value);
        if (err)
            return why_set(why, (enum err) - err, "the value of the attribute \"" STR_FMT "\" %s",
                           STR_ARG(v[i].key),
                           err == -ERR_LIMIT ? "is too deep or too large" : "is malformed");
    }
    sort(v, n);
    *ret = v;
    *ret_n = n;
    return 0;
}
