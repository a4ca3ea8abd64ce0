/* client/trace/item.h - attributes, events, links and a status as words, from the hot path to the
 * worker.
 *
 *     bits of the head    0..7 kind, 8..15 items that follow and belong to it, 16..31 bytes of the
 *                         key, 32..63 bytes of the value
 *     words of the key    (name of an event; none of a link, a status)
 *     words of the value  string; integer, number's bits, 0/1; moment of an event as ticks;
 *                         sonde_context of a link; message of a status
 *
 * Flow:    public functions -> items of a span or record -> ring -> OTLP, JSON
 * Threads: written by one thread with client/trace/word.h; read after copying.
 */
#ifndef CLIENT_TRACE_ITEM_H
#define CLIENT_TRACE_ITEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/core/jot.h"
#include "client/core/text.h"
#include "client/trace/word.h"
#include "sonde/core.h"

enum { ITEM_KEY_MAX = 255, ITEM_PARTS_MAX = 128 };

enum item_kind {
    ITEM_STRING = SONDE_ATTR_STRING,
    ITEM_INT = SONDE_ATTR_INT,
    ITEM_DOUBLE = SONDE_ATTR_DOUBLE,
    ITEM_BOOL = SONDE_ATTR_BOOL,
    ITEM_EVENT,
    ITEM_LINK,
    ITEM_STATUS,
};

struct item {
    enum item_kind kind;
    unsigned parts; /* items that follow and belong to it */
    size_t key_n, value_n;
    const char *key, *value; /* within the words */
    uint64_t word;           /* of values of 8 bytes */
};

static inline size_t item_words(size_t key_n, size_t value_n)
{
    return 1 + word_count(key_n) + word_count(value_n);
}

static inline uint64_t item_head(enum item_kind kind, unsigned parts, size_t key_n, size_t value_n)
{
    return (uint64_t)kind | (uint64_t)parts << 8 | (uint64_t)key_n << 16 | (uint64_t)value_n << 32;
}

/* Writes one into item_words() words; key_n is at most ITEM_KEY_MAX. */
static inline void item_write(uint64_t *to, enum item_kind kind, unsigned parts, const char *key,
                              size_t key_n, const void *value, size_t value_n)
{
    word_put(to, item_head(kind, parts, key_n, value_n));
    word_write(to + 1, key, key_n);
    word_write(to + 1 + word_count(key_n), value, value_n);
}

static inline void item_write_word(uint64_t *to, enum item_kind kind, unsigned parts,
                                   const char *key, size_t key_n, uint64_t value)
{
    word_put(to, item_head(kind, parts, key_n, sizeof value));
    word_write(to + 1, key, key_n);
    word_put(to + 1 + word_count(key_n), value);
}

/* The item at *at of [n] words, and *at behind it; false at the end, or where they are no items. */
bool item_next(const uint64_t *words, size_t n, size_t *at, struct item *ret);

/* Words of a list of attributes whose strings are cut at value_max bytes (at a whole character);
 * those without a key or with a bad type take none. *ret_n: how many are left. */
size_t item_attrs_words(const sonde_attr *attrs, size_t n, size_t value_max, size_t *ret_n);
void item_attrs_write(uint64_t *to, const sonde_attr *attrs, size_t n, size_t value_max);
/* At most max bytes of s, cut at a whole character of UTF-8. */
size_t item_cut(const char *s, size_t n, size_t max);

/* Is there an attribute of the same key behind this one (at: where the next one begins)? */
bool item_overwritten(const uint64_t *words, size_t n, size_t at, const struct item *i);

/* As KeyValue of OTLP into `field`, cleaned by client/core/redact.h. The worker, or who flushes
 * while it does not run. */
void item_otlp(struct text *t, unsigned field, const struct item *i);
void item_forget_keys(void); /* the setting redact may have changed: at the start */
/* As a member of the open object; secrets are replaced. */
void item_json(struct jot *j, const struct item *i);

#endif
