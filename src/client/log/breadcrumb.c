#include "client/log/breadcrumb.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include "client/core/lost.h"
#include "client/core/module.h"
#include "client/core/redact.h"
#include "client/core/setting.h"
#include "client/core/ticks.h"
#include "client/trace/current.h"
#include "client/trace/item.h"
#include "sonde/log.h"

/* Places of a record, in words. The first is its sequence: twice its number, plus one while it is
 * written, plus two when it is there. */
enum {
    RECORD_WORDS = sizeof(struct breadcrumb_record) / sizeof(uint64_t),
    MESSAGE_AT = offsetof(struct breadcrumb_record, message),
    DATA_AT = offsetof(struct breadcrumb_record, data),
    DATA_WORD = DATA_AT / 8,
    RECORDS_MAX = 1000, /* of the setting breadcrumbs.max */
};
_Static_assert(sizeof(struct breadcrumb_record) % 8 == 0, "a record is whole words");
_Static_assert(DATA_AT % 8 == 0, "its data begin with a word");

static uint64_t *_Atomic ring; /* [RECORDS_MAX * RECORD_WORDS], touched only where used */
static _Atomic uint64_t next, first, most = 1;

bool breadcrumb_start(void)
{
    if (!atomic_load(&ring)) {
        void *p = mmap(NULL, (size_t)RECORDS_MAX * RECORD_WORDS * sizeof(uint64_t),
                       PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED) {
            return false;
        }
        atomic_store(&ring, p);
    }
    uint64_t n = setting.breadcrumbs_max;
    if (n != atomic_load(&most)) { /* numbers have other places now: what was there is forgotten */
        atomic_store(&most, n);
        sonde_breadcrumb_clear();
    }
    return true;
}

void sonde_breadcrumb_clear(void)
{
    atomic_store_explicit(&first, atomic_load_explicit(&next, memory_order_relaxed),
                          memory_order_relaxed);
}

static uint64_t *place_of(uint64_t *words, uint64_t number)
{
    uint64_t n = atomic_load_explicit(&most, memory_order_relaxed);
    return words + number % n * RECORD_WORDS;
}

/* The attributes as members of an object, as many as fit whole; returns the bytes. */
static size_t write_data(char data[BREADCRUMB_DATA_MAX], const sonde_attr *attrs, size_t n)
{
    struct text t;
    struct jot j;
    text_over(&t, data, BREADCRUMB_DATA_MAX - 1);
    jot_init(&j, &t);
    size_t whole = 0;
    for (size_t i = 0; attrs && i < n && !t.cut; i++) {
        const sonde_attr *a = &attrs[i];
        const char *s = a->value.string ? a->value.string : "";
        if (!a->key) {
            continue;
        }
        switch (a->type) {
        case SONDE_ATTR_STRING:
            jot_string_n(&j, a->key, s, a->length < 0 ? strlen(s) : (size_t)a->length);
            break;
        case SONDE_ATTR_INT:
            jot_i64(&j, a->key, a->value.integer);
            break;
        case SONDE_ATTR_DOUBLE:
            jot_number(&j, a->key, a->value.number);
            break;
        case SONDE_ATTR_BOOL:
            jot_bool(&j, a->key, a->value.boolean);
            break;
        default:
            continue;
        }
        whole = t.cut ? whole : t.len;
    }
    return whole;
}

/* Copies s with NULs up to the next word behind it; returns how many bytes of it. */
static size_t put_string(char *to, const char *s, size_t cap)
{
    size_t n = item_cut(s, strlen(s), cap - 1), end = n + 8 < cap ? n + 8 : cap;
    memcpy(to, s, n);
    memset(to + n, 0, end - n);
    return n;
}

/* Takes the place of a number; false where another writer is in it, or has been there later. */
static bool take_place(uint64_t *place, uint64_t number)
{
    uint64_t now = __atomic_load_n(place, __ATOMIC_RELAXED);
    return !(now & 1) && now <= 2 * number &&
           __atomic_compare_exchange_n(place, &now, 2 * number + 1, false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

void breadcrumb_add(int level, const char *category, const char *message, const sonde_attr *attrs,
                    size_t attrs_n, int64_t unix_ns)
{
    uint64_t *words = atomic_load_explicit(&ring, memory_order_acquire);
    if (!words) {
        return;
    }
    struct breadcrumb_record b;
    sonde_context c = current_context();
    b.unix_ns = unix_ns;
    b.level = level;
    memcpy(b.trace_id, c.trace_id, sizeof b.trace_id);
    memset(b.category, 0, sizeof b.category);
    put_string(b.category, category, sizeof b.category);
    size_t message_n = put_string(b.message, message, sizeof b.message);
    size_t data_n = write_data(b.data, attrs, attrs_n);
    memset(b.data + data_n, 0, data_n + 8 < sizeof b.data ? 8 : sizeof b.data - data_n);
    uint64_t number = atomic_fetch_add_explicit(&next, 1, memory_order_relaxed);
    uint64_t *place = place_of(words, number);
    if (!take_place(place, number)) {
        lost_add(LOST_BREADCRUMB, LOST_RING_FULL, 1);
        return;
    }
    const char *from = (const char *)&b;
    word_write(place + 1, from + 8, (MESSAGE_AT + message_n + 1 + 7) / 8 * 8 - 8);
    word_write(place + DATA_WORD, b.data, (data_n + 1 + 7) / 8 * 8);
    __atomic_store_n(place, 2 * number + 2, __ATOMIC_RELEASE);
}

void sonde_breadcrumb(int level, const char *category, const char *message, const sonde_attr *attrs,
                      size_t n)
{
    if (atomic_load_explicit(&module_on, memory_order_relaxed) && level >= SONDE_LEVEL_TRACE &&
        level <= SONDE_LEVEL_FATAL) {
        module_wake();
        breadcrumb_add(level, category ? category : "", message ? message : "", attrs, n,
                       ticks_unix_ns(ticks_now()));
    }
}

/* What lies behind the end of a string is an older record's. */
static void clean_end(char *s, size_t cap)
{
    size_t n = strnlen(s, cap - 1);
    memset(s + n, 0, cap - n);
}

static bool copy(const uint64_t *words, uint64_t number, struct breadcrumb_record *ret)
{
    const uint64_t *place = place_of((uint64_t *)(uintptr_t)words, number);
    uint64_t copied[RECORD_WORDS];
    if (word_get(place) != 2 * number + 2) {
        return false;
    }
    word_read(copied, place, RECORD_WORDS);
    if (__atomic_load_n(place, __ATOMIC_RELAXED) != 2 * number + 2) {
        return false;
    }
    memcpy((void *)ret, copied, sizeof copied);
    clean_end(ret->category, sizeof ret->category);
    clean_end(ret->message, sizeof ret->message);
    clean_end(ret->data, sizeof ret->data);
    return true;
}

size_t breadcrumb_raw(struct breadcrumb_record *ret, size_t cap)
{
    const uint64_t *words = atomic_load_explicit(&ring, memory_order_acquire);
    uint64_t end = atomic_load_explicit(&next, memory_order_acquire);
    uint64_t from = atomic_load_explicit(&first, memory_order_relaxed);
    uint64_t kept = atomic_load_explicit(&most, memory_order_relaxed);
    kept = kept < cap ? kept : cap;
    from = end - from > kept ? end - kept : from;
    size_t n = 0;
    for (uint64_t number = from; words && number < end; number++) {
        n += copy(words, number, &ret[n]);
    }
    return n;
}

static const char *sentry_level(int32_t level)
{
    static const char *const names[] = {"debug", "debug", "info", "warning", "error", "fatal"};
    return names[level >= SONDE_LEVEL_TRACE && level <= SONDE_LEVEL_FATAL ? level
                                                                          : SONDE_LEVEL_INFO];
}

static void json_data(const struct breadcrumb_record *b, struct jot *j)
{
    char whole[BREADCRUMB_DATA_MAX + 2], clean[4 * BREADCRUMB_DATA_MAX];
    struct text in, out;
    text_over(&in, whole, sizeof whole);
    text_add_char(&in, '{');
    text_add(&in, b->data, strnlen(b->data, sizeof b->data));
    text_add_char(&in, '}');
    text_over(&out, clean, sizeof clean);
    if (!in.cut && redact_json(&out, whole, in.len) && !out.cut) {
        jot_raw(j, "data", clean, out.len);
    }
}

void breadcrumb_json(const struct breadcrumb_record *b, struct jot *j)
{
    char clean[2 * BREADCRUMB_MESSAGE_MAX];
    struct text t;
    text_over(&t, clean, sizeof clean);
    redact_text(&t, b->message, strnlen(b->message, sizeof b->message));
    jot_object(j, NULL);
    jot_time(j, "timestamp", b->unix_ns);
    jot_string(j, "level", sentry_level(b->level));
    jot_string_n(j, "category", b->category, strnlen(b->category, sizeof b->category));
    jot_string_n(j, "message", clean, t.len);
    if (*b->data) {
        json_data(b, j);
    }
    jot_end(j);
}
