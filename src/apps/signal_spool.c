#include "apps/signal_spool.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "apps/signal_record.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/stat.h"
#include "base/vec.h"
#include "crypt/keyring.h"
#include "os/thread.h"

enum { WAITING_BYTES_MAX = 128 << 20, OPEN_CRASHES_MAX = 1000 };

static const char *const MODULE = "spool";
static const char *const DIR = "spool";
static const char *const WORDS[SIGNAL_SPOOL_QUEUES_N] = {"spans", "logs", "errors"};

#define STATS(name, help)                                                                          \
    {                                                                                              \
        STAT_COUNTER_OF(name, "spool=\"spans\"", help),                                            \
            STAT_COUNTER_OF(name, "spool=\"logs\"", help),                                         \
            STAT_COUNTER_OF(name, "spool=\"errors\"", help)                                        \
    }
static struct stat stored[SIGNAL_SPOOL_QUEUES_N] =
    STATS("sonde_spool_records_total", "Signals of applications that were made durable.");
static struct stat dropped[SIGNAL_SPOOL_QUEUES_N] =
    STATS("sonde_spool_dropped_total", "Signals that went because their spool was full.");
static struct stat failed[SIGNAL_SPOOL_QUEUES_N] =
    STATS("sonde_spool_failed_total", "Signals that could not be written; they were refused.");
static struct stat duplicates =
    STAT_COUNTER("sonde_spool_duplicates_total", "Envelopes that were stored already.");
#define BYTES(word)                                                                                \
    STAT_GAUGE_OF("sonde_spool_bytes", "spool=\"" word "\"", "Bytes of a spool on disk.")
static struct stat bytes[SIGNAL_SPOOL_QUEUES_N] = {BYTES("spans"), BYTES("logs"), BYTES("errors")};

/* A signal that waits to be written; its texts lie behind it. */
struct job {
    struct job *next;
    struct signal signal;
    void (*done)(void *context, int err);
    void *context;
    int err;
    bool appended, twin; /* twin: of one that is written in the same round */
    uint64_t row;
    struct envelope envelope; /* of SIGNAL_ERRORS */
    struct arena arena;
};

struct one {
    struct queue *queue;
    uint64_t bytes_max, dropped_segments;
    _Atomic uint64_t first; /* number of the oldest record */
    bool dirty;
};

struct signal_spool {
    struct signal_sink sink;
    struct signal_spool_config config;
    struct keyring *ring;
    struct one queues[SIGNAL_SPOOL_QUEUES_N];
    struct error_list *errors;
    struct thread thread;
    bool running;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct job *first, **last;
    size_t waiting_bytes;
    bool stopping;
    _Atomic bool recalled; /* what was there at the start is listed */
};

const char *signal_spool_word(enum signal_spool_queue which)
{
    return WORDS[which];
}

static enum signal_spool_queue queue_of(enum signal_kind kind)
{
    return kind == SIGNAL_SPANS  ? SIGNAL_SPOOL_SPANS
           : kind == SIGNAL_LOGS ? SIGNAL_SPOOL_LOGS
                                 : SIGNAL_SPOOL_ERRORS;
}

/* ---- taking */

static void job_free(struct job *j)
{
    arena_done(&j->arena);
    mem_free(j);
}

static void take(struct signal_sink *sink, const struct signal *s,
                 void (*done)(void *context, int err), void *context)
{
    struct signal_spool *spool = (struct signal_spool *)sink;
    struct job *j = mem_new(sizeof *j);
    arena_init(&j->arena);
    j->signal = *s;
    j->signal.bytes = arena_str(&j->arena, s->bytes);
    j->signal.service = arena_str(&j->arena, s->service);
    j->signal.instance = arena_str(&j->arena, s->instance);
    j->done = done;
    j->context = context;
    thread_lock(&spool->lock);
    bool fits = spool->waiting_bytes + s->bytes.n <= WAITING_BYTES_MAX;
    bool open = !spool->stopping;
    if (fits && open) {
        spool->waiting_bytes += s->bytes.n;
        *spool->last = j;
        spool->last = &j->next;
        thread_wake(&spool->changed);
    }
    thread_unlock(&spool->lock);
    if (fits && open)
        return;
    job_free(j);
    done(context, open ? -ERR_BUSY : -ERR_CLOSED);
}

/* ---- writing; the spool's thread */

/* The number of the oldest record that is there; next where there is none. */
static uint64_t oldest(struct queue *q)
{
    struct signal_record_reader r;
    struct signal_record record;
    signal_record_reader_init(&r, q, (struct queue_position){0});
    uint64_t row = signal_record_read(&r, &record) == 1 ? record.row : queue_facts(q).next;
    signal_record_reader_done(&r);
    return row;
}

static void note_dropped(struct signal_spool *s, enum signal_spool_queue which)
{
    struct one *one = &s->queues[which];
    struct queue_facts facts = queue_facts(one->queue);
    stat_set(&bytes[which], (double)facts.bytes);
    if (facts.dropped == one->dropped_segments)
        return;
    one->dropped_segments = facts.dropped;
    uint64_t first = oldest(one->queue), before = atomic_load(&one->first);
    if (first > before)
        stat_add(&dropped[which], first - before);
    atomic_store(&one->first, MAX(first, before));
}

/* Is the same envelope among those before j, which are written together? */
static bool known_before(const struct job *first, const struct job *j)
{
    for (; first != j; first = first->next)
        if (first->appended && first->signal.kind == SIGNAL_ERRORS &&
            first->envelope.event_id.n > 0 &&
            str_eq(first->envelope.event_id, j->envelope.event_id))
            return true;
    return false;
}

static void append(struct signal_spool *s, const struct job *first, struct job *j)
{
    enum signal_spool_queue which = queue_of(j->signal.kind);
    struct why why = {0};
    if (j->signal.kind == SIGNAL_ERRORS)
        j->err = envelope_read(j->signal.bytes, &j->arena, &j->envelope, &why);
    j->twin = j->err == 0 && j->envelope.event_id.n > 0 && known_before(first, j);
    if (j->err == 0 && (j->twin || error_list_knows(s->errors, j->envelope.event_id))) {
        stat_add(&duplicates, 1);
        return;
    }
    if (j->err == 0)
        j->err = signal_record_append(s->queues[which].queue, &j->signal, &j->row);
    if (j->err == 0) {
        j->appended = s->queues[which].dirty = true;
        note_dropped(s, which);
    } else if (j->err != -ERR_FORMAT) {
        stat_add(&failed[which], 1);
    }
}

static void settle(struct signal_spool *s, struct job *j)
{
    const struct signal_spool_config *c = &s->config;
    if (j->err == 0 && j->appended) {
        enum signal_spool_queue which = queue_of(j->signal.kind);
        stat_add(&stored[which], 1);
        if (j->signal.kind == SIGNAL_ERRORS)
            error_list_add(s->errors, &j->signal, &j->envelope);
        if (j->signal.kind == SIGNAL_ERRORS && j->envelope.event && c->event)
            c->event(c->context, &j->signal, &j->envelope);
        if (j->signal.kind == SIGNAL_CRASH && c->crash)
            c->crash(c->context, &j->signal, j->row);
        if (c->filled)
            c->filled(c->context, which);
    }
    if (j->done)
        j->done(j->context, j->err);
    job_free(j);
}

static void write_some(struct signal_spool *s, struct job *first)
{
    int synced[SIGNAL_SPOOL_QUEUES_N] = {0};
    for (struct job *j = first; j != NULL; j = j->next)
        append(s, first, j);
    for (size_t i = 0; i < SIGNAL_SPOOL_QUEUES_N; i++) {
        if (s->queues[i].dirty)
            synced[i] = queue_sync(s->queues[i].queue);
        s->queues[i].dirty = false;
    }
    for (struct job *j = first, *next; j != NULL; j = next) {
        next = j->next;
        enum signal_spool_queue which = queue_of(j->signal.kind);
        if ((j->appended || j->twin) && synced[which] != 0) {
            j->err = synced[which];
            stat_add(&failed[which], 1);
        }
        settle(s, j);
    }
}

/* The first jobs of the list, in one round at most so many that known_before() stays cheap. */
static struct job *take_round(struct signal_spool *s)
{
    enum { ROUND = 64 };
    struct job *first = s->first, *j = first;
    size_t bytes_n = 0;
    if (first == NULL)
        return NULL;
    for (size_t n = 1; n < ROUND && j->next != NULL; n++) {
        bytes_n += j->signal.bytes.n;
        j = j->next;
    }
    bytes_n += j->signal.bytes.n;
    s->first = j->next;
    j->next = NULL;
    if (s->first == NULL)
        s->last = &s->first;
    s->waiting_bytes -= bytes_n;
    return first;
}

/* ---- the start */

struct open_crash {
    uint64_t row;
    struct signal signal; /* texts owned: one block at signal.bytes.p */
};

struct scan {
    struct map open; /* row of a crash record -> struct arena * that holds its signal */
};

static struct str row_key(const uint64_t *row)
{
    return str_of((const char *)row, sizeof *row);
}

static void forget_open(struct scan *scan, uint64_t row)
{
    union map_value *v = map_get(&scan->open, row_key(&row));
    if (v == NULL)
        return;
    mem_free(v->p);
    map_drop(&scan->open, row_key(&row));
}

static void keep_open(struct scan *scan, const struct signal_record *record)
{
    const struct signal *s = &record->signal;
    struct open_crash *c;
    if (scan->open.n >= OPEN_CRASHES_MAX)
        return;
    c = mem_new(sizeof *c + s->bytes.n + s->service.n + s->instance.n);
    char *p = (char *)(c + 1);
    c->row = record->row;
    c->signal = *s;
    struct str *const texts[] = {&c->signal.bytes, &c->signal.service, &c->signal.instance};
    for (size_t i = 0; i < COUNTOF(texts); i++) {
        if (texts[i]->n > 0)
            memcpy(p, texts[i]->p, texts[i]->n);
        texts[i]->p = p;
        p += texts[i]->n;
    }
    map_put(&scan->open, row_key(&record->row), NULL)->p = c;
}

/* What is there is listed again; crash records without an envelope are handed over again. */
static void recall(struct signal_spool *s)
{
    struct signal_record_reader r;
    struct signal_record record;
    struct scan scan;
    struct arena a;
    arena_init(&a);
    map_init(&scan.open, 0);
    signal_record_reader_init(&r, s->queues[SIGNAL_SPOOL_ERRORS].queue, (struct queue_position){0});
    while (signal_record_read(&r, &record) == 1) {
        struct envelope e = {0};
        struct why why;
        if (record.signal.kind == SIGNAL_CRASH) {
            keep_open(&scan, &record);
        } else if (envelope_read(record.signal.bytes, &a, &e, &why) == 0) {
            error_list_add(s->errors, &record.signal, &e);
            if (record.signal.of > 0)
                forget_open(&scan, record.signal.of - 1);
        }
        arena_reset(&a);
    }
    signal_record_reader_done(&r);
    struct map_slot *slot;
    for (size_t at = 0; (slot = map_next(&scan.open, &at)) != NULL;) {
        struct open_crash *c = slot->value.p;
        if (s->config.crash)
            s->config.crash(s->config.context, &c->signal, c->row);
        mem_free(c);
    }
    if (scan.open.n > 0)
        log_info(MODULE, "%zu crash records wait for their symbols", scan.open.n);
    map_done(&scan.open);
    arena_done(&a);
}

static void run(void *context)
{
    struct signal_spool *s = context;
    recall(s);
    atomic_store(&s->recalled, true);
    thread_lock(&s->lock);
    for (;;) {
        struct job *first = take_round(s);
        if (first == NULL && s->stopping)
            break;
        if (first == NULL) {
            thread_wait(&s->changed, &s->lock);
            continue;
        }
        thread_unlock(&s->lock);
        write_some(s, first);
        thread_lock(&s->lock);
    }
    thread_unlock(&s->lock);
}

/* ---- opening */

static int open_one(struct signal_spool *s, enum signal_spool_queue which, int64_t bytes_max,
                    struct why *why)
{
    char dir[64];
    struct one *one = &s->queues[which];
    snprintf(dir, sizeof dir, "%s/%s", DIR, WORDS[which]);
    int err = queue_open(s->config.disk, dir, s->ring, (uint64_t)bytes_max, &one->queue, why);
    if (err)
        return err;
    one->bytes_max = (uint64_t)bytes_max;
    atomic_store(&one->first, oldest(one->queue));
    stat_register(&stored[which]);
    stat_register(&dropped[which]);
    stat_register(&failed[which]);
    stat_register(&bytes[which]);
    stat_set(&bytes[which], (double)queue_facts(one->queue).bytes);
    return 0;
}

int signal_spool_new(const struct signal_spool_config *config, struct signal_spool **ret,
                     struct why *why)
{
    static const struct signal_sink_ops OPS = {take};
    const struct apps_settings *settings = config->settings;
    const int64_t max[SIGNAL_SPOOL_QUEUES_N] = {settings->spans_bytes_max, settings->logs_bytes_max,
                                                settings->errors_bytes_max};
    struct signal_spool *s = mem_new(sizeof *s);
    s->sink.ops = &OPS;
    s->config = *config;
    s->last = &s->first;
    s->errors = error_list_new();
    thread_lock_init(&s->lock);
    thread_cond_init(&s->changed);
    stat_register(&duplicates);
    int err = disk_make_dir(config->disk, DIR);
    if (err == 0)
        err = disk_sync_parent(config->disk, DIR);
    if (err)
        err = why_set(why, (enum err) - err, "the folder %s: %s", DIR, err_text(err));
    if (err == 0 && config->key_file[0] != '\0')
        err = keyring_load(config->key_file, &s->ring, why);
    for (size_t i = 0; i < SIGNAL_SPOOL_QUEUES_N && err == 0; i++)
        err = open_one(s, (enum signal_spool_queue)i, max[i], why);
    if (err) {
        signal_spool_free(s);
        return err;
    }
    *ret = s;
    return 0;
}

void signal_spool_start(struct signal_spool *s)
{
    s->running = true;
    thread_start(&s->thread, "spool", run, s);
}

void signal_spool_stop(struct signal_spool *s)
{
    if (s == NULL || !s->running)
        return;
    thread_lock(&s->lock);
    s->stopping = true;
    thread_wake(&s->changed);
    thread_unlock(&s->lock);
    thread_join(&s->thread);
    s->running = false;
}

void signal_spool_free(struct signal_spool *s)
{
    if (s == NULL)
        return;
    signal_spool_stop(s);
    for (size_t i = 0; i < SIGNAL_SPOOL_QUEUES_N; i++)
        queue_close(s->queues[i].queue);
    keyring_free(s->ring);
    error_list_free(s->errors);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
}

struct signal_sink *signal_spool_sink(struct signal_spool *s)
{
    return &s->sink;
}

struct queue *signal_spool_of(struct signal_spool *s, enum signal_spool_queue which)
{
    return s->queues[which].queue;
}

struct error_list *signal_spool_errors(struct signal_spool *s)
{
    return s->errors;
}

bool signal_spool_partial(struct signal_spool *s)
{
    return !atomic_load(&s->recalled);
}

void signal_spool_look(struct signal_spool *s, enum signal_spool_queue which,
                       struct signal_spool_facts *ret)
{
    struct one *one = &s->queues[which];
    struct queue_facts facts = queue_facts(one->queue);
    uint64_t first = atomic_load(&one->first);
    *ret = (struct signal_spool_facts){
        .bytes = facts.bytes,
        .bytes_max = one->bytes_max,
        .records = facts.next > first ? facts.next - first : 0,
        .stored = stat_count(&stored[which]),
        .dropped = stat_count(&dropped[which]),
        .duplicates = which == SIGNAL_SPOOL_ERRORS ? stat_count(&duplicates) : 0,
        .failed = stat_count(&failed[which])};
}
