#include "client/log/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "client/core/lost.h"
#include "client/core/module.h"
#include "client/core/ring.h"
#include "client/core/setting.h"
#include "client/core/slot.h"
#include "client/core/ticks.h"
#include "client/log/breadcrumb.h"
#include "client/trace/current.h"
#include "client/trace/item.h"
#include "sonde/span.h"

enum { BUCKETS = 256, SECOND_NS = 1000000000 };

_Atomic uint8_t log_breadcrumb_least = SONDE_LOG_NONE;

/* Rate limits of records without a call site: by category, or by file and line. */
static sonde_log_site buckets[BUCKETS];

struct listener {
    sonde_log_callback *call;
    void *user;
};
/* Two places, so that a new callback and its pointer are seen together. */
static struct listener listeners[2];
static struct listener *_Atomic listener;

static _Thread_local bool telling __attribute__((tls_model("initial-exec")));
static _Atomic uint64_t recorded; /* by threads that have no ring of their own counted apart */

uint64_t log_recorded(void)
{
    return atomic_load_explicit(&recorded, memory_order_relaxed);
}

/* May one more of this call site pass within this second? *ret_kept_back: how many did not pass in
 * the seconds before. Threads that race at the turn of a second may let one more pass. */
static bool may_pass(sonde_log_site *site, int64_t unix_ns, uint32_t *ret_kept_back)
{
    uint64_t most = atomic_load_explicit(&setting.log_rate_max, memory_order_relaxed);
    uint64_t second = (uint64_t)(unix_ns / SECOND_NS);
    *ret_kept_back = 0;
    if (most == 0) {
        return true;
    }
    if (__atomic_load_n(&site->second, __ATOMIC_RELAXED) != second) {
        __atomic_store_n(&site->second, second, __ATOMIC_RELAXED);
        uint64_t before = __atomic_exchange_n(&site->count, 0, __ATOMIC_RELAXED);
        *ret_kept_back = before > most ? (uint32_t)(before - most) : 0;
    }
    if (__atomic_fetch_add(&site->count, 1, __ATOMIC_RELAXED) < most) {
        return true;
    }
    lost_add(LOST_LOG, LOST_RATE_LIMIT, 1);
    return false;
}

/* The end of a path is what tells. */
static const char *file_end(const char *file, size_t *ret_n)
{
    size_t n = file ? strlen(file) : 0;
    size_t skip = n > LOG_FILE_MAX ? n - LOG_FILE_MAX : 0;
    *ret_n = n - skip;
    return file ? file + skip : "";
}

static struct ring *ring_of(struct slot *s)
{
    struct ring *r = s->part[SLOT_LOG];
    if (!r) {
        r = ring_new(atomic_load_explicit(&setting.log_ring_bytes, memory_order_relaxed));
        if (r) {
            slot_publish(s, SLOT_LOG, r);
        }
    }
    return r;
}

static uint64_t *put(uint64_t *to, const char *s, size_t n)
{
    word_write(to, s, n);
    return to + word_count(n);
}

/* Into the thread's ring. */
static void put_record(const sonde_log_record *from, size_t message_n, uint32_t kept_back)
{
    struct slot *s = slot_mine();
    struct ring *ring = s ? ring_of(s) : NULL;
    size_t attrs_n = from->attrs_n < LOG_ATTRS_MAX ? from->attrs_n : LOG_ATTRS_MAX;
    size_t parts, items = item_attrs_words(from->attrs, attrs_n, LOG_VALUE_MAX, &parts);
    size_t category_n = item_cut(from->category, strlen(from->category), LOG_CATEGORY_MAX);
    size_t file_n, function_n = from->function ? strlen(from->function) : 0;
    const char *file = file_end(from->file, &file_n);
    function_n = function_n < LOG_FUNCTION_MAX ? function_n : LOG_FUNCTION_MAX;
    size_t words = word_count(category_n) + word_count(message_n) + word_count(file_n) +
                   word_count(function_n) + items;
    size_t bytes = sizeof(struct log_record) + words * sizeof(uint64_t);
    struct log_record *r = ring ? ring_reserve(ring, bytes) : NULL;
    if (!r) {
        lost_add(LOST_LOG, ring ? LOST_RING_FULL : LOST_MEMORY, 1);
        log_export_now();
        return;
    }
    *r = (struct log_record){.unix_ns = from->unix_ns,
                             .context = from->context,
                             .items = (uint32_t)items,
                             .line = (uint32_t)(from->line > 0 ? from->line : 0),
                             .suppressed = kept_back,
                             .category_n = (uint16_t)category_n,
                             .message_n = (uint16_t)message_n,
                             .file_n = (uint16_t)file_n,
                             .function_n = (uint16_t)function_n,
                             .attributes_lost = (uint16_t)(from->attrs_n - attrs_n),
                             .level = (uint8_t)from->level};
    uint64_t *to = put((uint64_t *)(r + 1), from->category, category_n);
    to = put(put(put(to, from->message, message_n), file, file_n), from->function, function_n);
    item_attrs_write(to, from->attrs, attrs_n, LOG_VALUE_MAX);
    ring_commit(ring, r, bytes);
    atomic_fetch_add_explicit(&recorded, 1, memory_order_relaxed);
    if (ring_used(ring) > ring->size / 2) {
        log_export_now();
    }
}

static void tell(const sonde_log_record *r)
{
    const struct listener *l = atomic_load_explicit(&listener, memory_order_acquire);
    if (l && !telling) {
        telling = true;
        l->call(r, l->user);
        telling = false;
    }
}

/* A record that its level lets through; what is missing in it is filled in. */
static void pass(sonde_log_record *r, sonde_log_site *site)
{
    uint32_t kept_back;
    int64_t now = ticks_unix_ns(ticks_now());
    r->unix_ns = r->unix_ns > 0 ? r->unix_ns : now;
    if (!may_pass(site, now, &kept_back)) {
        return;
    }
    if (!sonde_context_valid(&r->context)) {
        r->context = current_context();
    }
    size_t message_n = item_cut(r->message, strlen(r->message), LOG_MESSAGE_MAX);
    put_record(r, message_n, kept_back);
    if (r->level >= atomic_load_explicit(&log_breadcrumb_least, memory_order_relaxed)) {
        breadcrumb_add(r->level, r->category, r->message, r->attrs, r->attrs_n, r->unix_ns);
    }
    tell(r);
}

/* Is there anything to be done for it? */
static bool wanted(int level, const char *category)
{
    return sonde_log_enabled(level) && level <= SONDE_LEVEL_FATAL && !telling &&
           atomic_load_explicit(&module_on, memory_order_relaxed) &&
           log_level_lets(level, category);
}

static sonde_log_site *bucket_of(const char *text, int line)
{
    return &buckets[(log_level_hash(text) + (uint32_t)line * 31) % BUCKETS];
}

void sonde_log_at(sonde_log_site *site, const char *function, int level, const char *category,
                  const char *format, ...)
{
    category = category ? category : "";
    if (!site || !format || !wanted(level, category)) {
        return;
    }
    char message[LOG_MESSAGE_MAX + 1];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(message, sizeof message, format, args);
    va_end(args);
    sonde_log_record r = SONDE_LOG_RECORD_INIT;
    r.level = level;
    r.category = category;
    r.message = n < 0 ? format : message;
    r.file = site->file;
    r.line = site->line;
    r.function = function;
    pass(&r, site);
}

void sonde_log_attrs_at(sonde_log_site *site, const char *function, int level, const char *category,
                        const char *message, const sonde_attr *attrs, size_t n)
{
    category = category ? category : "";
    if (!site || !wanted(level, category)) {
        return;
    }
    sonde_log_record r = SONDE_LOG_RECORD_INIT;
    r.level = level;
    r.category = category;
    r.message = message ? message : "";
    r.file = site->file;
    r.line = site->line;
    r.function = function;
    r.attrs = attrs;
    r.attrs_n = attrs ? n : 0;
    pass(&r, site);
}

void sonde_log_write(int level, const char *category, const char *message, const sonde_attr *attrs,
                     size_t n)
{
    category = category ? category : "";
    if (!wanted(level, category)) {
        return;
    }
    sonde_log_record r = SONDE_LOG_RECORD_INIT;
    r.level = level;
    r.category = category;
    r.message = message ? message : "";
    r.attrs = attrs;
    r.attrs_n = attrs ? n : 0;
    pass(&r, bucket_of(category, 0));
}

void sonde_log_forward(const sonde_log_record *record)
{
    if (!record || record->struct_size < sizeof *record ||
        !wanted(record->level, record->category ? record->category : "")) {
        return;
    }
    sonde_log_record r = *record;
    r.category = r.category ? r.category : "";
    r.message = r.message ? r.message : "";
    r.attrs_n = r.attrs ? r.attrs_n : 0;
    pass(&r, r.file ? bucket_of(r.file, r.line) : bucket_of(r.category, 0));
}

int sonde_log_on_record(sonde_log_callback *callback, void *user)
{
    if (!callback) {
        atomic_store_explicit(&listener, NULL, memory_order_release);
        return 0;
    }
    struct listener *now = atomic_load_explicit(&listener, memory_order_acquire);
    struct listener *next = now == &listeners[0] ? &listeners[1] : &listeners[0];
    *next = (struct listener){callback, user};
    atomic_store_explicit(&listener, next, memory_order_release);
    return 0;
}
