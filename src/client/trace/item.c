#include "client/trace/item.h"

#include <string.h>

#include "client/core/id.h"
#include "client/core/proto.h"
#include "client/core/redact.h"

enum { KEYS_REMEMBERED = 256 }; /* a power of two */
enum { KEY_VALUE_KEY = 1, KEY_VALUE_VALUE = 2 };
enum { ANY_STRING = 1, ANY_BOOL = 2, ANY_INT = 3, ANY_DOUBLE = 4 };
static const char FILTERED[] = "[filtered]";

bool item_next(const uint64_t *words, size_t n, size_t *at, struct item *ret)
{
    if (*at >= n) {
        return false;
    }
    uint64_t head = words[*at];
    size_t key_n = head >> 16 & 0xffff, value_n = head >> 32;
    size_t takes = item_words(key_n, value_n);
    if ((head & 0xff) > ITEM_STATUS || takes > n - *at) {
        return false;
    }
    const uint64_t *key = words + *at + 1, *value = key + word_count(key_n);
    *ret = (struct item){.kind = (enum item_kind)(head & 0xff),
                         .parts = (unsigned)(head >> 8 & 0xff),
                         .key_n = key_n,
                         .value_n = value_n,
                         .key = (const char *)key,
                         .value = (const char *)value,
                         .word = value_n == sizeof(uint64_t) ? *value : 0};
    *at += takes;
    return true;
}

size_t item_cut(const char *s, size_t n, size_t max)
{
    if (n <= max) {
        return n;
    }
    n = max;
    while (n && ((unsigned char)s[n] & 0xc0) == 0x80) {
        n--;
    }
    return n;
}

/* What an attribute has to say, or false where it says nothing. */
static bool measure(const sonde_attr *a, size_t value_max, size_t *ret_key_n, size_t *ret_value_n)
{
    if (!a->key || !*a->key || a->type < SONDE_ATTR_STRING || a->type > SONDE_ATTR_BOOL) {
        return false;
    }
    *ret_key_n = item_cut(a->key, strlen(a->key), ITEM_KEY_MAX);
    *ret_value_n = sizeof(uint64_t);
    if (a->type == SONDE_ATTR_STRING) {
        const char *s = a->value.string;
        size_t n = !s ? 0 : a->length < 0 ? strlen(s) : (size_t)a->length;
        *ret_value_n = item_cut(s, n, value_max);
    }
    return true;
}

size_t item_attrs_words(const sonde_attr *attrs, size_t n, size_t value_max, size_t *ret_n)
{
    size_t words = 0, key_n, value_n;
    *ret_n = 0;
    for (size_t i = 0; attrs && i < n; i++) {
        if (measure(&attrs[i], value_max, &key_n, &value_n)) {
            words += item_words(key_n, value_n);
            ++*ret_n;
        }
    }
    return words;
}

static uint64_t value_word(const sonde_attr *a)
{
    uint64_t word = 0;
    switch (a->type) {
    case SONDE_ATTR_INT:
        return (uint64_t)a->value.integer;
    case SONDE_ATTR_DOUBLE:
        memcpy(&word, &a->value.number, sizeof word);
        return word;
    default:
        return a->value.boolean;
    }
}

void item_attrs_write(uint64_t *to, const sonde_attr *attrs, size_t n, size_t value_max)
{
    size_t key_n, value_n;
    for (size_t i = 0; attrs && i < n; i++) {
        if (!measure(&attrs[i], value_max, &key_n, &value_n)) {
            continue;
        }
        enum item_kind kind = (enum item_kind)attrs[i].type;
        if (kind == ITEM_STRING) {
            item_write(to, kind, 0, attrs[i].key, key_n, attrs[i].value.string, value_n);
        } else {
            item_write_word(to, kind, 0, attrs[i].key, key_n, value_word(&attrs[i]));
        }
        to += item_words(key_n, value_n);
    }
}

bool item_overwritten(const uint64_t *words, size_t n, size_t at, const struct item *i)
{
    struct item other;
    while (item_next(words, n, &at, &other)) {
        if (other.kind <= ITEM_BOOL) {
            if (other.key_n == i->key_n && memcmp(other.key, i->key, i->key_n) == 0) {
                return true;
            }
            continue;
        }
        for (unsigned part = 0; part < other.parts; part++) {
            struct item skipped;
            if (!item_next(words, n, &at, &skipped)) {
                return false;
            }
        }
    }
    return false;
}

/* What client/core/redact.h says of a key, remembered: programs have few of them. The worker's. */
static struct {
    uint64_t hash;
    bool secret;
} keys[KEYS_REMEMBERED];

void item_forget_keys(void)
{
    memset(keys, 0, sizeof keys);
}

static bool is_secret(const char *key, size_t n)
{
    uint64_t hash = id_hash(key, n, 0) | 1;
    size_t at = hash >> 8 & (KEYS_REMEMBERED - 1);
    if (keys[at].hash != hash) {
        keys[at].hash = hash;
        keys[at].secret = redact_key(key, n);
    }
    return keys[at].secret;
}

void item_otlp(struct text *t, unsigned field, const struct item *i)
{
    size_t pair = proto_open(t, field);
    proto_bytes(t, KEY_VALUE_KEY, i->key, i->key_n);
    size_t any = proto_open(t, KEY_VALUE_VALUE);
    bool secret = is_secret(i->key, i->key_n);
    if (secret) {
        proto_string(t, ANY_STRING, FILTERED);
    } else if (i->kind == ITEM_STRING) {
        size_t opened = proto_open(t, ANY_STRING);
        redact_text(t, i->value, i->value_n);
        proto_close(t, opened);
    } else if (i->kind == ITEM_INT) {
        proto_varint(t, ANY_INT, i->word);
    } else if (i->kind == ITEM_BOOL) {
        proto_varint(t, ANY_BOOL, i->word);
    } else {
        double number;
        memcpy(&number, &i->word, sizeof number);
        proto_double(t, ANY_DOUBLE, number);
    }
    proto_close(t, any);
    proto_close(t, pair);
}

static void clean_string(struct jot *j, const char *key, const struct item *i)
{
    struct text clean;
    text_init(&clean, 2 * i->value_n + 256);
    redact_text(&clean, i->value, i->value_n);
    jot_string_n(j, key, clean.bytes ? clean.bytes : "", clean.len);
    text_done(&clean);
}

void item_json(struct jot *j, const struct item *i)
{
    char key[ITEM_KEY_MAX + 1];
    size_t key_n = i->key_n < sizeof key - 1 ? i->key_n : sizeof key - 1;
    memcpy(key, i->key, key_n);
    key[key_n] = 0;
    if (redact_key(i->key, i->key_n)) {
        jot_string(j, key, FILTERED);
    } else if (i->kind == ITEM_STRING) {
        clean_string(j, key, i);
    } else if (i->kind == ITEM_INT) {
        jot_i64(j, key, (int64_t)i->word);
    } else if (i->kind == ITEM_BOOL) {
        jot_bool(j, key, i->word != 0);
    } else {
        double number;
        memcpy(&number, &i->word, sizeof number);
        jot_number(j, key, number);
    }
}
