#include "apps/signal_relay.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "apps/relay_limits.h"
#include "apps/signal_record.h"
#include "base/bits.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/stat.h"
#include "net/fetch.h"
#include "os/loop.h"
#include "os/thread.h"

enum {
    TICK_MS = 200,
    CURSOR_MS = 1000, /* between two writes of a cursor */
    CURSOR_BYTES = 32,
    BACKOFF_MIN_MS = 1000,
    BACKOFF_MAX_MS = 5 * 60 * 1000,
    LIMIT_MS = 60 * 1000, /* of a 429 that says no time */
    ANSWER_MAX = 64 * 1024,
    SKIP_MAX = 1000, /* records of others that are read over in one step */
};

static const char *const MODULE = "relay";

enum wanted { WANTED_ERRORS, WANTED_OTHERS, WANTED_ALL };

struct relaying {
    struct signal_relay *relay;
    const char *name;
    enum signal_spool_queue from;
    enum wanted wanted;
    char url[700];
    bool sentry;
    struct signal_record_reader reader;
    struct queue_position done; /* everything before it is settled */
    bool moved;                 /* done is not on disk yet */
    int64_t cursor_ms;          /* of the last write */
    struct buf body;            /* of the record that is on its way, or waits */
    char category[RELAY_LIMITS_WORD];
    struct queue_position next; /* behind that one */
    bool loaded, busy;
    unsigned failures; /* in a row */
    int64_t wait_until_ms;
    struct fetch *fetch;
    struct signal_relay_facts facts; /* under the relay's lock */
};

struct signal_relay {
    struct signal_relay_config config;
    struct apps_settings_dsn dsn;
    struct relay_limits limits;
    struct loop *loop;
    struct thread thread;
    bool running;
    struct timer *tick;
    struct fetcher *fetcher;
    struct fetch_client *client;
    _Atomic bool woken;
    pthread_mutex_t lock;
    struct relaying streams[SIGNAL_RELAY_STREAMS_MAX];
    size_t n;
};

#define SENT(to) STAT_COUNTER_OF("sonde_relay_sent_total", "to=\"" to "\"", "Signals sent on.")
#define DROPPED(to)                                                                                \
    STAT_COUNTER_OF("sonde_relay_dropped_total", "to=\"" to "\"",                                  \
                    "Signals that were not sent on: refused for good, or gone from the spool.")
#define FAILED(to)                                                                                 \
    STAT_COUNTER_OF("sonde_relay_failures_total", "to=\"" to "\"",                                 \
                    "Attempts to send a signal on that will be made again.")
#define BEHIND(to)                                                                                 \
    STAT_GAUGE_OF("sonde_relay_behind", "to=\"" to "\"", "Records of the spool that wait.")
static struct stat sent[] = {SENT("sentry"), SENT("otlp")};
static struct stat dropped[] = {DROPPED("sentry"), DROPPED("otlp")};
static struct stat failed[] = {FAILED("sentry"), FAILED("otlp")};
static struct stat behind[] = {BEHIND("sentry"), BEHIND("otlp")};

static int64_t now(const struct signal_relay *r)
{
    return clock_wall_ms(r->config.clock);
}

/* ---- cursors */

static void cursor_path(const struct relaying *s, char ret[64])
{
    snprintf(ret, 64, "spool/%s.cursor", s->name);
}

static void cursor_write(struct relaying *s)
{
    char path[64];
    uint8_t bytes[CURSOR_BYTES] = {0};
    if (!s->moved)
        return;
    cursor_path(s, path);
    store64(bytes, s->done.segment);
    store64(bytes + 8, s->done.offset);
    store64(bytes + 16, s->done.row);
    store32(bytes + 24, hash_crc32c(0, bytes, 24));
    s->cursor_ms = now(s->relay);
    /* Where it fails (a full disk) more is sent again after a crash: nothing is lost by that. */
    if (disk_replace(s->relay->config.disk, path, bytes, sizeof bytes) == 0)
        s->moved = false;
}

static void cursor_read(struct relaying *s, struct queue *q)
{
    char path[64];
    void *p;
    size_t n;
    struct queue_position end = queue_end(q);
    cursor_path(s, path);
    s->done = end; /* a new one gets what comes from now on */
    s->moved = true;
    if (disk_slurp(s->relay->config.disk, path, CURSOR_BYTES, &p, &n) != 0)
        return;
    const uint8_t *b = p;
    if (n == CURSOR_BYTES && load32(b + 24) == hash_crc32c(0, b, 24) && load64(b) <= end.segment &&
        load64(b + 16) <= end.row)
        s->done = (struct queue_position){load64(b), load64(b + 8), load64(b + 16)};
    mem_free(p);
}

/* ---- one stream */

static void move(struct relaying *s)
{
    s->done = s->next;
    s->moved = true;
    s->loaded = false;
    s->failures = 0;
}

static bool fits(const struct relaying *s, const struct signal *signal, struct str category)
{
    bool error = str_eq(category, STR("error"));
    return s->wanted == WANTED_ALL ||
           (signal->kind == SIGNAL_ERRORS && error == (s->wanted == WANTED_ERRORS));
}

static struct str category_of(const struct signal *signal, struct arena *a)
{
    struct envelope e;
    if (signal->kind != SIGNAL_ERRORS || envelope_read(signal->bytes, a, &e, NULL) != 0)
        return STR("");
    return e.category;
}

/* The next record that this stream sends; false where there is none yet. */
static bool load(struct relaying *s)
{
    struct signal_record record;
    struct arena a;
    arena_init(&a);
    for (size_t i = 0; i < SKIP_MAX && !s->loaded && signal_record_read(&s->reader, &record) == 1;
         i++) {
        struct str category = category_of(&record.signal, &a);
        s->next = record.next;
        if (!fits(s, &record.signal, category)) {
            move(s);
        } else {
            snprintf(s->category, sizeof s->category, STR_FMT, STR_ARG(category));
            buf_clear(&s->body);
            buf_put_str(&s->body, record.signal.bytes);
            s->loaded = true;
        }
        arena_reset(&a);
    }
    arena_done(&a);
    if (s->reader.queue.lost > s->facts.lost) {
        stat_add(&dropped[!s->sentry], s->reader.queue.lost - s->facts.lost);
        thread_lock(&s->relay->lock);
        s->facts.lost = s->reader.queue.lost;
        thread_unlock(&s->relay->lock);
    }
    return s->loaded;
}

static void step(struct relaying *s);

static void note(struct relaying *s, const char *why)
{
    if (s->facts.why[0] == '\0' && why[0] != '\0')
        log_warn(MODULE, "%s to %s: %s", s->name, s->facts.to, why);
    snprintf(s->facts.why, sizeof s->facts.why, "%.*s", SIGNAL_RELAY_WHY_MAX - 1, why);
}

/* Again later: after wait_ms, or, where that is negative, after a time that doubles. */
static void postpone(struct relaying *s, int64_t wait_ms, const char *why)
{
    if (wait_ms < 0)
        wait_ms = MIN((int64_t)BACKOFF_MIN_MS << MIN(s->failures, 16u), (int64_t)BACKOFF_MAX_MS);
    s->failures++;
    s->wait_until_ms = now(s->relay) + wait_ms;
    stat_add(&failed[!s->sentry], 1);
    thread_lock(&s->relay->lock);
    s->facts.failures++;
    note(s, why);
    thread_unlock(&s->relay->lock);
}

static void settle(struct relaying *s, bool taken, const char *why)
{
    struct stat *count = taken ? sent : dropped;
    stat_add(&count[!s->sentry], 1);
    thread_lock(&s->relay->lock);
    s->facts.sent += taken;
    s->facts.dropped += !taken;
    if (taken)
        s->facts.last_ms = now(s->relay);
    note(s, taken ? "" : why);
    thread_unlock(&s->relay->lock);
    move(s);
}

static void on_answer(void *context, const struct fetch_answer *a)
{
    struct relaying *s = context;
    struct signal_relay *r = s->relay;
    char why[SIGNAL_RELAY_WHY_MAX];
    struct str limits = fetch_header_of(a, STR("X-Sentry-Rate-Limits"));
    s->busy = false;
    s->fetch = NULL;
    snprintf(why, sizeof why, "it answered %d: " STR_FMT, a->status,
             STR_ARG(str_sub(a->body, 0, 100)));
    if (a->err == 0 && s->sentry)
        relay_limits_take(&r->limits, limits, now(r));
    if (a->err)
        postpone(s, -1, a->why);
    else if (a->status >= 200 && a->status < 300)
        settle(s, true, "");
    else if (a->status == 429) {
        int64_t wait_ms = fetch_retry_after_ms(a, now(r));
        if (wait_ms < 0 && limits.n == 0)
            wait_ms = LIMIT_MS;
        postpone(s, MAX(wait_ms, (int64_t)0), why);
    } else if (a->status >= 400 && a->status < 500 && a->status != 408)
        settle(s, false, why);
    else
        postpone(s, -1, why);
    step(s);
}

static void send_it(struct relaying *s)
{
    struct signal_relay *r = s->relay;
    char auth[300];
    snprintf(
        auth, sizeof auth,
        "X-Sentry-Auth: Sentry sentry_version=7, sentry_key=%s, sentry_client=sonde/" SONDE_VERSION,
        r->dsn.key);
    const char *const sentry[] = {"Content-Type: application/x-sentry-envelope", auth};
    const char *const otlp[] = {"Content-Type: application/x-protobuf"};
    struct fetch_request q = {.method = "POST",
                              .url = s->url,
                              .headers = s->sentry ? sentry : otlp,
                              .headers_n = s->sentry ? COUNTOF(sentry) : COUNTOF(otlp),
                              .body = buf_str(&s->body),
                              .timeout_ms = r->config.sentry->timeout_ms,
                              .body_max = ANSWER_MAX,
                              .done = on_answer,
                              .context = s};
    s->busy = true;
    fetch_start(r->client, &q, &s->fetch);
}

static void step(struct relaying *s)
{
    int64_t now_ms = now(s->relay);
    if (s->busy || now_ms < s->wait_until_ms || (!s->loaded && !load(s)))
        return;
    int64_t limited_ms = s->sentry ? relay_limits_until(&s->relay->limits, str_c(s->category)) : 0;
    if (limited_ms > now_ms)
        s->wait_until_ms = limited_ms;
    else
        send_it(s);
}

/* ---- the loop */

static void tell(struct relaying *s, uint64_t *ret_behind)
{
    struct queue_facts facts = queue_facts(signal_spool_of(s->relay->config.spool, s->from));
    thread_lock(&s->relay->lock);
    s->facts.behind = facts.next > s->done.row ? facts.next - s->done.row : 0;
    s->facts.waits_until = s->wait_until_ms > now(s->relay) ? s->wait_until_ms : 0;
    *ret_behind += s->facts.behind;
    thread_unlock(&s->relay->lock);
}

static void on_tick(void *context)
{
    struct signal_relay *r = context;
    uint64_t all[2] = {0};
    for (size_t i = 0; i < r->n; i++) {
        struct relaying *s = &r->streams[i];
        step(s);
        if (now(r) - s->cursor_ms >= CURSOR_MS)
            cursor_write(s);
        tell(s, &all[!s->sentry]);
    }
    stat_set(&behind[0], (double)all[0]);
    stat_set(&behind[1], (double)all[1]);
}

static void wake(void *context)
{
    struct signal_relay *r = context;
    atomic_store(&r->woken, false);
    for (size_t i = 0; i < r->n; i++)
        step(&r->streams[i]);
}

void signal_relay_wake(struct signal_relay *r)
{
    if (r != NULL && !atomic_exchange(&r->woken, true))
        loop_post(r->loop, wake, r);
}

static void run(void *context)
{
    struct signal_relay *r = context;
    loop_run(r->loop);
}

/* ---- opening */

static void add(struct signal_relay *r, const char *name, enum signal_spool_queue from,
                enum wanted wanted, const char *url, const char *path, const char *shown)
{
    struct relaying *s = &r->streams[r->n++];
    struct queue *q = signal_spool_of(r->config.spool, from);
    bool slash = url[0] != '\0' && url[strlen(url) - 1] == '/' && path[0] == '/';
    s->relay = r;
    s->name = name;
    s->from = from;
    s->wanted = wanted;
    s->sentry = from == SIGNAL_SPOOL_ERRORS;
    snprintf(s->url, sizeof s->url, "%.600s%s", url, slash ? path + 1 : path);
    s->facts.name = name;
    s->facts.from = from;
    s->facts.to = shown;
    buf_init(&s->body, SIGNAL_RECORD_BYTES_MAX);
    cursor_read(s, q);
    cursor_write(s); /* a new one's place is known before anything comes */
    signal_record_reader_init(&s->reader, q, s->done);
}

static int open_net(struct signal_relay *r, struct why *why)
{
    int err = loop_new(&r->loop);
    if (err == 0)
        err = fetcher_new(r->loop, &(struct fetcher_limits){0}, &r->fetcher);
    if (err == 0)
        err = fetch_client_new(r->fetcher, &fetch_settings_default, &r->client, why);
    return err;
}

int signal_relay_new(const struct signal_relay_config *config, struct signal_relay **ret,
                     struct why *why)
{
    bool sentry = config->sentry->dsn[0] != '\0', otlp = config->settings->otlp_endpoint[0] != '\0';
    *ret = NULL;
    if (!sentry && !otlp)
        return 0;
    struct signal_relay *r = mem_new(sizeof *r);
    r->config = *config;
    thread_lock_init(&r->lock);
    int err = sentry ? apps_settings_dsn(config->sentry->dsn, &r->dsn, why) : 0;
    if (err == 0)
        err = open_net(r, why);
    if (err) {
        signal_relay_free(r);
        return err;
    }
    const char *endpoint = config->settings->otlp_endpoint;
    if (sentry) {
        add(r, "errors", SIGNAL_SPOOL_ERRORS, WANTED_ERRORS, r->dsn.url, "", r->dsn.shown);
        add(r, "sessions", SIGNAL_SPOOL_ERRORS, WANTED_OTHERS, r->dsn.url, "", r->dsn.shown);
    }
    if (otlp) {
        add(r, "spans", SIGNAL_SPOOL_SPANS, WANTED_ALL, endpoint, "/v1/traces", endpoint);
        add(r, "logs", SIGNAL_SPOOL_LOGS, WANTED_ALL, endpoint, "/v1/logs", endpoint);
    }
    for (size_t i = 0; i < 2; i++) {
        if (!(i == 0 ? sentry : otlp))
            continue;
        stat_register(&sent[i]);
        stat_register(&dropped[i]);
        stat_register(&failed[i]);
        stat_register(&behind[i]);
    }
    *ret = r;
    return 0;
}

void signal_relay_start(struct signal_relay *r)
{
    if (r == NULL)
        return;
    r->tick = timer_new(r->loop, TICK_MS, TICK_MS, on_tick, r);
    r->running = true;
    thread_start(&r->thread, "relay", run, r);
}

void signal_relay_stop(struct signal_relay *r)
{
    if (r == NULL || !r->running)
        return;
    loop_stop(r->loop);
    thread_join(&r->thread);
    r->running = false;
}

void signal_relay_free(struct signal_relay *r)
{
    if (r == NULL)
        return;
    signal_relay_stop(r);
    for (size_t i = 0; i < r->n; i++) {
        struct relaying *s = &r->streams[i];
        fetch_cancel(s->fetch);
        cursor_write(s);
        signal_record_reader_done(&s->reader);
        buf_done(&s->body);
    }
    fetch_client_free(r->client);
    fetcher_free(r->fetcher);
    timer_free(r->tick);
    loop_free(r->loop);
    pthread_mutex_destroy(&r->lock);
    mem_free(r);
}

bool signal_relay_look(struct signal_relay *r, size_t i, struct signal_relay_facts *ret)
{
    if (r == NULL || i >= r->n)
        return false;
    thread_lock(&r->lock);
    *ret = r->streams[i].facts;
    thread_unlock(&r->lock);
    return true;
}
