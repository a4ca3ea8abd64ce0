#include "client/send/queue.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "client/core/id.h"
#include "client/core/setting.h"
#include "client/core/ticks.h"

struct line {
    struct queue_entry *first, *last;
    uint8_t need;
};

static struct line lines[SPOOL_KINDS];
static uint64_t last_order;

/* Written by whoever holds the queue, read by all. */
static struct {
    _Atomic uint64_t memory_bytes, memory_entries, disk_refused;
    _Atomic uint64_t disk_bytes[SPOOL_KINDS], disk_files[SPOOL_KINDS];
    _Atomic int64_t oldest[SPOOL_KINDS];
} stats;

static void add(_Atomic uint64_t *to, uint64_t n)
{
    atomic_store_explicit(to, atomic_load_explicit(to, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

static uint64_t get(_Atomic uint64_t *from)
{
    return atomic_load_explicit(from, memory_order_relaxed);
}

const char *queue_kind_name(enum spool_kind kind)
{
    static const char *const names[SPOOL_KINDS] = {"envelopes", "logs", "spans"};
    return names[kind];
}

enum lost_category queue_category(const struct spool_name *name)
{
    if (name->kind != SPOOL_ENVELOPE) {
        return name->kind == SPOOL_SPANS ? LOST_SPAN : LOST_LOG;
    }
    return strncmp(name->category, "session", 7) == 0 ? LOST_SESSION : LOST_ERROR;
}

/* Reports on what was lost are not themselves something that was lost. */
static void count_lost(const struct spool_name *name, enum lost_reason reason)
{
    if (strcmp(name->category, "client_report") != 0) {
        lost_add(queue_category(name), reason, name->items);
    }
}

static void note_oldest(enum spool_kind kind)
{
    const struct queue_entry *e = lines[kind].first;
    atomic_store_explicit(&stats.oldest[kind], e ? e->name.unix_ns : 0, memory_order_relaxed);
}

static void account_memory(const struct queue_entry *e, bool in)
{
    add(&stats.memory_bytes, in ? e->size : 0 - (uint64_t)e->size);
    add(&stats.memory_entries, in ? 1 : UINT64_MAX);
}

static void account_disk(const struct queue_entry *e, bool in)
{
    add(&stats.disk_bytes[e->name.kind], in ? e->size : 0 - (uint64_t)e->size);
    add(&stats.disk_files[e->name.kind], in ? 1 : UINT64_MAX);
}

/* Puts e into its line by time: what was left by others comes before what is ours. */
static void insert(struct queue_entry *e)
{
    struct line *l = &lines[e->name.kind];
    struct queue_entry *after = l->last;
    while (after && after->name.unix_ns > e->name.unix_ns) {
        after = after->previous;
    }
    e->previous = after;
    e->next = after ? after->next : l->first;
    *(e->previous ? &e->previous->next : &l->first) = e;
    *(e->next ? &e->next->previous : &l->last) = e;
    note_oldest(e->name.kind);
}

/* Out of the queue, off the disk. */
static void end(struct queue_entry *e)
{
    struct line *l = &lines[e->name.kind];
    *(e->previous ? &e->previous->next : &l->first) = e->next;
    *(e->next ? &e->next->previous : &l->last) = e->previous;
    if (e->bytes) {
        account_memory(e, false);
    }
    if (e->on_disk) {
        spool_remove(&e->name);
        account_disk(e, false);
    }
    note_oldest(e->name.kind);
    free(e->bytes);
    free(e);
}

/* The oldest that nobody is at. */
static struct queue_entry *oldest_free(enum spool_kind kind, bool in_memory)
{
    struct queue_entry *e = lines[kind].first;
    while (e && (e->lent || (in_memory ? !e->bytes : !e->on_disk))) {
        e = e->next;
    }
    return e;
}

static void evict(struct queue_entry *e)
{
    if (!e->taken) {
        count_lost(&e->name, LOST_QUEUE_FULL);
    }
    end(e);
}

/* Makes room for one more file of n bytes; false: it is bigger than all room. */
static bool room_on_disk(enum spool_kind kind, size_t n)
{
    if (n > setting.spool_bytes) {
        return false;
    }
    while (get(&stats.disk_bytes[kind]) + n > setting.spool_bytes ||
           get(&stats.disk_files[kind]) >= QUEUE_FILES_MAX) {
        struct queue_entry *e = oldest_free(kind, false);
        if (!e) {
            return false;
        }
        evict(e);
    }
    return true;
}

/* Puts e on disk and out of memory. */
static bool to_disk(struct queue_entry *e)
{
    if (!room_on_disk(e->name.kind, e->size)) {
        return false;
    }
    if (!spool_write(&e->name, e->bytes, e->size, e->name.kind == SPOOL_ENVELOPE)) {
        add(&stats.disk_refused, 1);
        return false;
    }
    e->on_disk = true;
    account_disk(e, true);
    account_memory(e, false);
    free(e->bytes);
    e->bytes = NULL;
    return true;
}

/* Within send.memory_bytes: to disk with the oldest logs and spans, away with what no disk takes.
 */
static void bound_memory(void)
{
    static const enum spool_kind order[] = {SPOOL_SPANS, SPOOL_LOGS, SPOOL_ENVELOPE};
    for (size_t i = 0; i < SPOOL_KINDS && get(&stats.memory_bytes) > setting.send_memory_bytes;) {
        struct queue_entry *e = oldest_free(order[i], true);
        if (!e) {
            i++;
        } else if (!to_disk(e)) {
            evict(e);
        }
    }
}

static enum spool_kind kind_of(enum frame_kind kind)
{
    return kind == FRAME_SPANS ? SPOOL_SPANS : kind == FRAME_LOGS ? SPOOL_LOGS : SPOOL_ENVELOPE;
}

/* The category as a part of a file's name: [a-z0-9_]. */
static void copy_category(char ret[SPOOL_CATEGORY_MAX], const char *category)
{
    size_t n = 0;
    for (const char *p = category && *category ? category : "none";
         *p && n + 1 < SPOOL_CATEGORY_MAX; p++) {
        bool plain = (*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9');
        ret[n++] = plain ? *p : '_';
    }
    ret[n] = 0;
}

static struct queue_entry *entry_new(const struct spool_name *name, size_t size)
{
    struct queue_entry *e = calloc(1, sizeof *e);
    if (e) {
        e->name = *name;
        e->taken = name->taken;
        e->size = size;
        e->order = ++last_order;
    }
    return e;
}

void queue_put(const struct outgoing *what, const struct text *payload)
{
    struct spool_name name = {.unix_ns = ticks_unix_now_ns(),
                              .id = id_u64(),
                              .items = what->items,
                              .kind = (uint8_t)kind_of(what->kind)};
    copy_category(name.category, name.kind == SPOOL_ENVELOPE ? what->category : NULL);
    if (payload->len > SPOOL_FILE_MAX) {
        count_lost(&name, LOST_TOO_BIG);
        return;
    }
    struct queue_entry *e = entry_new(&name, payload->len);
    char *bytes = e ? malloc(payload->len ? payload->len : 1) : NULL;
    if (!bytes) {
        free(e);
        count_lost(&name, LOST_MEMORY);
        return;
    }
    memcpy(bytes, payload->len ? payload->bytes : "", payload->len);
    e->bytes = bytes;
    insert(e);
    account_memory(e, true);
    if (name.kind == SPOOL_ENVELOPE) {
        (void)to_disk(e); /* where the disk refuses it stays in memory, and is tried again */
    }
    bound_memory();
}

static void found(const struct spool_name *name, size_t size)
{
    struct queue_entry *e = entry_new(name, size);
    if (!e) {
        return; /* the file stays for the next start */
    }
    e->on_disk = true;
    insert(e);
    account_disk(e, true);
    (void)room_on_disk((enum spool_kind)name->kind, 0); /* the bounds hold for what is found too */
}

void queue_adopt(void)
{
    spool_adopt(found);
    int64_t oldest = ticks_unix_now_ns() - (int64_t)(setting.spool_age_s * 1000000000);
    for (size_t kind = 0; kind < SPOOL_KINDS; kind++) {
        for (struct queue_entry *e = lines[kind].first, *next; e; e = next) {
            next = e->next;
            if (e->name.unix_ns < oldest && !e->lent) {
                evict(e);
            }
        }
    }
}

static bool is_for(const struct queue_entry *e, enum queue_taker taker)
{
    uint8_t need = lines[e->name.kind].need;
    return !(e->taken & taker) && (need ? need & taker : !e->lent || e->lent == taker);
}

struct queue_entry *queue_next(enum spool_kind kind, enum queue_taker taker)
{
    struct queue_entry *e = lines[kind].first;
    while (e && (e->lent & taker || !is_for(e, taker))) {
        e = e->next;
    }
    if (e) {
        e->lent |= (uint8_t)taker;
    }
    return e;
}

bool queue_waits(enum spool_kind kind, enum queue_taker taker, uint64_t order)
{
    const struct queue_entry *e = lines[kind].first;
    while (e && (e->order > order || !is_for(e, taker))) {
        e = e->next;
    }
    return e != NULL;
}

int queue_read(struct queue_entry *e, enum queue_taker taker, struct text *ret)
{
    size_t from = ret->len;
    if (e->bytes) {
        text_add(ret, e->bytes, e->size);
    } else if (!spool_read(&e->name, ret) && !ret->cut) {
        ret->len = from;
        queue_drop(e, taker, LOST_QUEUE_FULL);
        return SONDE_ERROR_NOT_FOUND;
    }
    if (ret->cut) {
        ret->len = from;
        ret->cut = false;
        queue_back(e, taker);
        return SONDE_ERROR_MEMORY;
    }
    return 0;
}

/* Ends e where nobody is at it and nobody else must have it. */
static bool settle(struct queue_entry *e)
{
    uint8_t need = lines[e->name.kind].need;
    bool over = !e->lent && e->taken && (e->taken & need) == need;
    if (over) {
        end(e);
    }
    return over;
}

void queue_taken(struct queue_entry *e, enum queue_taker taker)
{
    e->lent &= (uint8_t)~taker;
    e->taken |= (uint8_t)taker;
    if (!settle(e) && e->on_disk) {
        struct spool_name to = e->name;
        to.taken = e->taken;
        if (spool_rename(&e->name,
                         &to)) { /* else it is sent twice after a crash, known by its id */
            e->name = to;
        }
    }
}

void queue_back(struct queue_entry *e, enum queue_taker taker)
{
    e->lent &= (uint8_t)~taker;
    if (!settle(e)) {
        bound_memory();
    }
}

void queue_drop(struct queue_entry *e, enum queue_taker taker, enum lost_reason reason)
{
    uint8_t need = lines[e->name.kind].need;
    count_lost(&e->name, reason);
    if ((need & ~taker) || (e->lent & ~taker)) {
        queue_taken(e, taker); /* the others shall have it all the same */
    } else {
        end(e);
    }
}

void queue_need(enum spool_kind kind, uint8_t takers)
{
    if (lines[kind].need == takers) {
        return;
    }
    lines[kind].need = takers;
    for (struct queue_entry *e = lines[kind].first, *next; e; e = next) {
        next = e->next;
        (void)settle(e);
    }
}

void queue_spill(bool all)
{
    for (size_t kind = 0; kind < SPOOL_KINDS; kind++) {
        if (kind != SPOOL_ENVELOPE && !all) {
            continue;
        }
        for (struct queue_entry *e = lines[kind].first, *next; e; e = next) {
            next = e->next;
            if (e->bytes && !to_disk(e)) {
                break; /* a disk that refuses one refuses the next */
            }
        }
    }
    bound_memory();
}

uint64_t queue_last(void)
{
    return last_order;
}

void queue_stop(bool forked)
{
    for (size_t kind = 0; kind < SPOOL_KINDS; kind++) {
        for (struct queue_entry *e = lines[kind].first, *next; e && !forked; e = next) {
            next = e->next;
            if (e->bytes) { /* no disk took it */
                count_lost(&e->name, LOST_QUEUE_FULL);
            }
            free(e->bytes);
            free(e);
        }
        lines[kind] = (struct line){0};
        atomic_store(&stats.disk_bytes[kind], 0);
        atomic_store(&stats.disk_files[kind], 0);
        atomic_store(&stats.oldest[kind], 0);
    }
    atomic_store(&stats.memory_bytes, 0);
    atomic_store(&stats.memory_entries, 0);
}

void queue_stats(struct queue_stats *ret)
{
    *ret = (struct queue_stats){.memory_bytes = get(&stats.memory_bytes),
                                .memory_entries = get(&stats.memory_entries),
                                .disk_refused = get(&stats.disk_refused)};
    for (size_t kind = 0; kind < SPOOL_KINDS; kind++) {
        ret->disk_bytes[kind] = get(&stats.disk_bytes[kind]);
        ret->disk_files[kind] = get(&stats.disk_files[kind]);
        int64_t oldest = atomic_load_explicit(&stats.oldest[kind], memory_order_relaxed);
        if (oldest && (!ret->oldest_unix_ns || oldest < ret->oldest_unix_ns)) {
            ret->oldest_unix_ns = oldest;
        }
    }
}
