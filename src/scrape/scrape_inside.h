/* scrape/scrape_inside.h - what the files of scrape/scrape.h share.
 *
 * One thread, the manager, has the discoveries and makes targets of what they find. Targets live on
 * the scraping threads, which alone touch their timers, requests and memories; the manager asks
 * them by scrape_thread_call(), which waits. Whoever looks at targets from elsewhere holds
 * scrape.lock (which targets there are; the configuration) and then the thread's lock (what a
 * target says of itself).
 *
 * Threads: as said with each struct.
 */
#ifndef SCRAPE_SCRAPE_INSIDE_H
#define SCRAPE_SCRAPE_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/stat.h"
#include "net/fetch.h"
#include "os/loop.h"
#include "os/pool.h"
#include "os/thread.h"
#include "scrape/reading.h"
#include "scrape/recall.h"
#include "scrape/scrape.h"
#include "scrape/target.h"
#include "scrape/writing.h"

enum {
    SCRAPE_ACCEPT_MAX = 1024, /* bytes of the header */
    SCRAPE_REPORTS_MAX = 8,   /* series that the scraper itself adds */
    SCRAPE_ERROR_MAX = WHY_MAX,
};

/* A thread that scrapes. */
struct scrape_thread {
    struct scrape *scrape;
    struct loop *loop;
    struct fetcher *fetcher;
    struct thread thread;
    struct reading *reading;
    struct writing writing;
    struct scrape_target *targets; /* all of this thread, linked */
    size_t targets_n;
    bool ending;          /* no markers any more */
    pthread_mutex_t lock; /* over health, errors and memories of its targets */
};

/* A pool's way to its targets from one thread: the thread's, but for what is atomic. */
struct scrape_client {
    struct scrape_thread *thread;
    const struct promfile_scrape *config;
    struct fetch_client *client; /* NULL: why says why */
    struct why why;
    char accept[SCRAPE_ACCEPT_MAX];
    atomic_bool *over_limit; /* the pool's: too many targets */
};

/* A target that is being scraped: the thread's. */
struct scrape_target {
    struct target is; /* texts are in `texts`; discovered is the manager's, under scrape.lock */
    char *texts;
    char *discovered;
    struct scrape_client *client;
    struct scrape_thread *thread;
    struct scrape_target *next, *previous;
    struct recall recall;
    struct str reports[SCRAPE_REPORTS_MAX]; /* keys, in texts */
    bool reported[SCRAPE_REPORTS_MAX];      /* is the series live? */
    struct timer *timer;
    struct fetch *fetch; /* in progress; NULL: none */
    int64_t due_ms;      /* wall time of the next scrape */
    int64_t ts_ms;       /* of the scrape in progress, or of the last one */
    int64_t begun_ns;
    atomic_int users;   /* itself, and commits in progress */
    atomic_int commits; /* in progress */
    /* Under the thread's lock: */
    enum scrape_health health;
    char *error; /* NULL: none */
    int64_t last_ms, duration_ns;
    /* The manager's: */
    uint64_t round; /* of the last sync that had it */
};

/* Targets of one source of one discovery. */
struct scrape_group {
    size_t slot;
    uint64_t generation; /* of the discovery that told it */
    struct arena a;
    struct target_group group;
};

struct scrape_slot {
    struct scrape_pool *pool;
    size_t index;
    struct discovery *discovery;
    const struct discovery_config *config;
    char error[SCRAPE_ERROR_MAX];
};

/* One scrape_config: the manager's; lists under scrape.lock too. */
struct scrape_pool {
    struct scrape *scrape;
    const struct promfile_scrape *config;
    struct scrape_client clients[SCRAPE_THREADS_MAX];
    struct {
        struct scrape_slot **v;
        size_t n, capacity;
    } slots;
    struct {
        struct scrape_group **v;
        size_t n, capacity;
    } groups;
    struct {
        struct scrape_target **v;
        size_t n, capacity;
    } targets;
    struct arena dropped_memory;
    struct {
        struct str *v;
        size_t n, capacity;
    } dropped;
    size_t dropped_total, invalid;
    uint64_t generation, round;
    atomic_bool over_limit;
    bool dirty;
    char *told; /* what was said of invalid targets last */
};

struct scrape {
    struct scrape_config config;
    struct scrape_settings settings;
    struct tenant *tenant;
    char host[256];
    uint64_t seed;        /* of tables of hashes */
    uint64_t offset_seed; /* of when targets are due: the same after a restart */
    struct scrape_thread threads[SCRAPE_THREADS_MAX];
    size_t threads_n;
    bool started;

    struct thread manager;
    struct loop *loop;
    struct fetcher *fetcher;
    struct pool *helpers;
    struct timer *timer; /* of the next sync; NULL: none is due */
    struct timer *gauges;

    pthread_mutex_t lock;
    const struct promfile *file;
    struct {
        struct scrape_pool **v;
        size_t n, capacity;
    } pools;
    size_t targets_n; /* all pools together */
    bool full_told;
};

/* ---- scrape_call.c: runs f(context) on another thread's loop and waits for its end. */
void scrape_call(struct loop *l, void (*f)(void *context), void *context);

/* ---- scrape_thread.c */

MUST_USE int scrape_thread_open(struct scrape_thread *t, struct scrape *s, size_t lane);
void scrape_thread_start(struct scrape_thread *t, size_t number);
void scrape_thread_close(struct scrape_thread *t);

/* Makes c ready for config, on its thread. What is in progress by it begins anew. */
void scrape_thread_client(struct scrape_thread *t, struct scrape_client *c,
                          const struct promfile_scrape *config);
void scrape_thread_client_done(struct scrape_thread *t, struct scrape_client *c);

/* ---- scrape_target.c: on the target's thread, but for new and unref. */

struct scrape_target *scrape_target_new(struct scrape *s, const struct target *is,
                                        struct scrape_client *client);
void scrape_target_start(struct scrape_target *t);

/* Begins again what was in progress; forget: rules may have changed. */
void scrape_target_again(struct scrape_target *t, bool forget);

/* Ends its series (unless the thread is ending) and frees it. */
void scrape_target_stop(struct scrape_target *t);

/* ---- scrape_take.c: an answer -> samples. On the target's thread. */

/* answer NULL: error says why there is none. */
void scrape_take(struct scrape_target *t, const struct fetch_answer *answer, const char *error);

/* Ends all its series. */
void scrape_take_end(struct scrape_target *t, int64_t ts_ms);

/* The names of the series that the scraper adds, in the order of scrape_target.reports. */
extern const struct str scrape_take_reports[SCRAPE_REPORTS_MAX];

/* ---- scrape_pool.c: the manager's. */

struct scrape_pool *scrape_pool_new(struct scrape *s, const struct promfile_scrape *config);
void scrape_pool_start(struct scrape_pool *p);

/* Ends its discoveries, for another configuration or for good. */
void scrape_pool_pause(struct scrape_pool *p);
void scrape_pool_free(struct scrape_pool *p);

/* Targets as the groups have them now. */
void scrape_pool_sync(struct scrape_pool *p);

/* Another configuration for a pool that is paused. */
void scrape_pool_configure(struct scrape_pool *p, const struct promfile_scrape *config);

/* A sync is due soon. */
void scrape_pool_changed(struct scrape_pool *p);

/* ---- stats.c of the module: its own metrics, in scrape_stats.c */
extern struct stat scrape_stats_scrapes, scrape_stats_failed, scrape_stats_late,
    scrape_stats_samples, scrape_stats_misses, scrape_stats_duplicates, scrape_stats_refused,
    scrape_stats_commits_failed, scrape_stats_ended, scrape_stats_invalid, scrape_stats_sync,
    scrape_stats_bytes, scrape_stats_wire_bytes;
enum scrape_stats_reason {
    SCRAPE_STATS_ANSWER,
    SCRAPE_STATS_COMMIT,
    SCRAPE_STATS_THREAD,
    SCRAPE_STATS_REASONS,
};
extern struct stat scrape_stats_missed[SCRAPE_STATS_REASONS];
enum scrape_stats_limit {
    SCRAPE_STATS_BODY,
    SCRAPE_STATS_SAMPLES,
    SCRAPE_STATS_LABELS,
    SCRAPE_STATS_BUCKETS,
    SCRAPE_STATS_TARGETS,
    SCRAPE_STATS_LIMITS,
};
extern struct stat scrape_stats_limits[SCRAPE_STATS_LIMITS];
void scrape_stats_open(void);

/* Counts targets by state and what they take. The manager's. */
void scrape_stats_count(struct scrape *s);

#endif
