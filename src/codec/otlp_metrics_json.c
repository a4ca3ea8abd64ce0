#include "codec/otlp_metrics_json.h"

#include <math.h>

#include "base/bits.h"
#include "codec/wire_put.h"
#include "text/json.h"
#include "text/number.h"

enum { FIELDS_MAX = 16, TEXT_SHOWN_MAX = 40 };

enum type {
    TEXT,
    HEX,    /* bytes */
    BASE64, /* bytes */
    BOOL,
    INT,  /* varint of an int64 */
    UINT, /* varint */
    SINT, /* zigzag varint */
    TEMPORALITY,
    FIXED,
    SFIXED,
    DOUBLE,
    MESSAGE_TYPE,
};

enum message_id {
#define MESSAGE(name, fields) name##_ID,
#include "codec/otlp_metrics_json.tbl.h"
#undef MESSAGE
};

struct field {
    struct str key;
    uint8_t number;
    uint8_t type; /* enum type */
    bool repeated;
    uint8_t message; /* enum message_id */
};

#define FIELD(key, number, type)   {STR(key), number, type, false, 0},
#define LIST(key, number, type)    {STR(key), number, type, true, 0},
#define ONE(key, number, message)  {STR(key), number, MESSAGE_TYPE, false, message##_ID},
#define MANY(key, number, message) {STR(key), number, MESSAGE_TYPE, true, message##_ID},

static const struct field MESSAGES[][FIELDS_MAX] = {
#define MESSAGE(name, fields) [name##_ID] = {fields},
#include "codec/otlp_metrics_json.tbl.h"
#undef MESSAGE
};

struct transcoder {
    struct json_reader json;
    struct buf *out;
    struct why *why;
};

static int fail(struct transcoder *t, const struct field *f, const char *wanted)
{
    unsigned line, column;
    json_where(&t->json, &line, &column);
    return why_set(t->why, ERR_FORMAT, "line %u, column %u: \"" STR_FMT "\" is not %s", line,
                   column, STR_ARG(f->key), wanted);
}

/* ---- plain values */

static bool integer(const struct json_event *e, bool is_signed, uint64_t *ret)
{
    int64_t i;
    if (e->type != JSON_NUMBER && e->type != JSON_TEXT)
        return false;
    if (is_signed && str_i64(e->text, &i)) {
        *ret = (uint64_t)i;
        return true;
    }
    if (!is_signed && str_u64(e->text, ret))
        return true;
    /* 1e3 and 5.0 are whole numbers too. */
    double v;
    if (number_parse(e->text, &v) || v != floor(v))
        return false;
    if (is_signed && v >= -0x1p63 && v < 0x1p63)
        *ret = (uint64_t)(int64_t)v;
    else if (!is_signed && v >= 0 && v < 0x1p64)
        *ret = (uint64_t)v;
    else
        return false;
    return true;
}

static bool real(const struct json_event *e, double *ret)
{
    if (e->type == JSON_NUMBER) {
        *ret = e->number;
        return true;
    }
    if (e->type != JSON_TEXT)
        return false;
    if (str_eq(e->text, STR("NaN")))
        *ret = NAN;
    else if (str_eq(e->text, STR("Infinity")))
        *ret = INFINITY;
    else if (str_eq(e->text, STR("-Infinity")))
        *ret = -INFINITY;
    else
        return number_parse(e->text, ret) == 0;
    return true;
}

static bool temporality(const struct json_event *e, uint64_t *ret)
{
    static const char *const NAMES[] = {"AGGREGATION_TEMPORALITY_UNSPECIFIED",
                                        "AGGREGATION_TEMPORALITY_DELTA",
                                        "AGGREGATION_TEMPORALITY_CUMULATIVE"};
    for (size_t i = 0; e->type == JSON_TEXT && i < COUNTOF(NAMES); i++)
        if (str_eq(e->text, str_c(NAMES[i]))) {
            *ret = i;
            return true;
        }
    return integer(e, false, ret);
}

static bool put_hex(struct buf *out, unsigned number, struct str text)
{
    char bytes[64];
    if (text.n % 2 || text.n / 2 > sizeof bytes)
        return false;
    for (size_t i = 0; i < text.n; i += 2) {
        int high = str_hex(text.p[i]), low = str_hex(text.p[i + 1]);
        if (high < 0 || low < 0)
            return false;
        bytes[i / 2] = (char)(high << 4 | low);
    }
    wire_put_bytes(out, number, str_of(bytes, text.n / 2));
    return true;
}

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

static bool put_base64(struct buf *out, unsigned number, struct str text)
{
    uint32_t bits = 0;
    unsigned have = 0;
    while (text.n && text.p[text.n - 1] == '=')
        text.n--;
    buf_put_varint(out, (uint64_t)number << 3 | 2);
    buf_put_varint(out, text.n * 6 / 8);
    for (size_t i = 0; i < text.n; i++) {
        int digit = base64_digit(text.p[i]);
        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        have += 6;
        if (have >= 8) {
            have -= 8;
            buf_put_c(out, (char)(bits >> have));
        }
    }
    return text.n % 4 != 1;
}

static void put_fixed(struct buf *out, uint64_t v)
{
    char bytes[8];
    store64(bytes, v);
    buf_put(out, bytes, sizeof bytes);
}

/* A number without its tag; what was wanted instead, or NULL. */
static const char *number(struct buf *out, enum type type, const struct json_event *e)
{
    uint64_t v;
    double d;
    switch (type) {
    case BOOL:
        if (e->type != JSON_TRUE && e->type != JSON_FALSE)
            return "true or false";
        buf_put_varint(out, e->type == JSON_TRUE);
        return NULL;
    case DOUBLE:
        if (!real(e, &d))
            return "a number";
        buf_put_double_raw(out, d);
        return NULL;
    case TEMPORALITY:
        if (!temporality(e, &v))
            return "a temporality: 1 (delta) or 2 (cumulative)";
        buf_put_varint(out, v);
        return NULL;
    case INT:
    case SINT:
    case SFIXED:
        if (!integer(e, true, &v))
            return "a whole number";
        break;
    default:
        if (!integer(e, false, &v))
            return "a whole number of at least 0";
        break;
    }
    if (type == FIXED || type == SFIXED)
        put_fixed(out, v);
    else
        buf_put_varint(out, type == SINT ? zigzag((int64_t)v) : v);
    return NULL;
}

static int put_plain(struct transcoder *t, const struct field *f, const struct json_event *e)
{
    if (f->type == TEXT || f->type == HEX || f->type == BASE64) {
        if (e->type != JSON_TEXT)
            return fail(t, f, "a text");
        if (f->type == TEXT)
            wire_put_bytes(t->out, f->number, e->text);
        else if (f->type == HEX && !put_hex(t->out, f->number, e->text))
            return fail(t, f, "hexadecimal");
        else if (f->type == BASE64 && !put_base64(t->out, f->number, e->text))
            return fail(t, f, "base64");
        return 0;
    }
    bool fixed = f->type == FIXED || f->type == SFIXED || f->type == DOUBLE;
    buf_put_varint(t->out, (uint64_t)f->number << 3 | (fixed ? 1 : 0));
    const char *wanted = number(t->out, (enum type)f->type, e);
    return wanted ? fail(t, f, wanted) : 0;
}

/* ---- messages */

/* A field of bytes of which the length is not known yet: one byte is left for it. */
static size_t begin(struct transcoder *t, const struct field *f)
{
    buf_put_varint(t->out, (uint64_t)f->number << 3 | 2);
    buf_put_c(t->out, 0);
    return t->out->n;
}

static void end(struct transcoder *t, size_t from)
{
    struct buf *out = t->out;
    if (buf_failed(out))
        return;
    size_t n = out->n - from, more = varint_len(n) - 1;
    if (more) {
        if (buf_reserve(out, more) == NULL)
            return;
        memmove(out->p + from + more, out->p + from, n);
        buf_commit(out, more);
    }
    varint_put((uint8_t *)out->p + from - 1, n);
}

static int put_message(struct transcoder *t, enum message_id id);

static int put_field(struct transcoder *t, const struct field *f, const struct json_event *e)
{
    if (f->type != MESSAGE_TYPE)
        return put_plain(t, f, e);
    if (e->type != JSON_OBJECT)
        return fail(t, f, "an object");
    size_t from = begin(t, f);
    int err = put_message(t, (enum message_id)f->message);
    end(t, from);
    return err;
}

static int put_list(struct transcoder *t, const struct field *f)
{
    bool packed = f->type != MESSAGE_TYPE;
    size_t from = packed ? begin(t, f) : 0;
    struct json_event e;
    for (;;) {
        int got = json_next(&t->json, &e, t->why);
        if (got <= 0)
            return got ? got : fail(t, f, "whole");
        if (e.type == JSON_ARRAY_END)
            break;
        int err = 0;
        if (packed) {
            const char *wanted = number(t->out, (enum type)f->type, &e);
            err = wanted ? fail(t, f, wanted) : 0;
        } else {
            err = put_field(t, f, &e);
        }
        if (err)
            return err;
        if (buf_failed(t->out))
            return why_set(t->why, ERR_LIMIT, "the request is too large");
    }
    if (packed)
        end(t, from);
    return 0;
}

static const struct field *field_of(enum message_id id, struct str key)
{
    const struct field *f = MESSAGES[id];
    for (size_t i = 0; i < FIELDS_MAX && f[i].key.n; i++)
        if (str_eq(f[i].key, key))
            return &f[i];
    return NULL;
}

/* The members of an object that has begun. */
static int put_message(struct transcoder *t, enum message_id id)
{
    struct json_event e;
    for (;;) {
        int got = json_next(&t->json, &e, t->why);
        if (got < 0 || e.type == JSON_OBJECT_END)
            return got < 0 ? got : 0;
        const struct field *f = field_of(id, e.text);
        got = json_next(&t->json, &e, t->why);
        if (got < 0)
            return got;
        int err = 0;
        if (f == NULL)
            err = json_skip(&t->json, &e, t->why);
        else if (e.type == JSON_NULL)
            continue;
        else if (!f->repeated)
            err = put_field(t, f, &e);
        else if (e.type == JSON_ARRAY)
            err = put_list(t, f);
        else
            err = fail(t, f, "a list");
        if (err)
            return err;
    }
}

int otlp_metrics_json(struct str json, struct arena *a, struct buf *out, struct why *why)
{
    struct transcoder t = {.out = out, .why = why};
    struct json_event e;
    json_reader_init(&t.json, json, a);
    int got = json_next(&t.json, &e, why);
    if (got < 0)
        return got;
    if (got == 0 || e.type != JSON_OBJECT)
        return why_set(why, ERR_FORMAT, "the request is not a JSON object");
    int err = put_message(&t, REQUEST_ID);
    if (err)
        return err;
    if (buf_failed(out))
        return why_set(why, ERR_LIMIT, "the request is too large");
    got = json_next(&t.json, &e, why); /* nothing may follow */
    return got < 0 ? got : 0;
}
