/* notify/outbox_inside.h - what the files behind notify/outbox.h share.
 *
 * outbox.c        opening, the thread, what others ask of it
 * outbox_rows.c   the queue in state.db
 * outbox_line.c   which message of an integration goes next, and when
 * outbox_send.c   one attempt: from the row to what became of it
 * outbox_stats.c  metrics
 *
 * Threads: the outbox's, but for outbox_rows_add().
 */
#ifndef NOTIFY_OUTBOX_INSIDE_H
#define NOTIFY_OUTBOX_INSIDE_H

#include "base/rand.h"
#include "base/stat.h"
#include "base/vec.h"
#include "notify/outbox.h"
#include "notify/side.h"
#include "os/loop.h"
#include "os/thread.h"

enum {
    OUTBOX_LINE_MAX = 20000,        /* messages that wait for one integration */
    OUTBOX_FLYING_MAX = 4,          /* of one integration at once, where it uses HTTP */
    OUTBOX_BACKOFF_MAX_MS = 300000, /* between two attempts */
    OUTBOX_ATTEMPT_MAX_MS = 60000,  /* of one attempt */
    OUTBOX_RATE_DEFAULT = 60,       /* messages a minute */
    OUTBOX_EXPIRE_DEFAULT_H = 24,
};

/* Metrics of an integration of a receiver; they live as long as the process. */
struct outbox_stats {
    struct stat sent, failed, dropped, expired, waiting, latency;
};

/* A message that waits. */
struct outbox_entry {
    int64_t id;                     /* of its row */
    uint64_t group;                 /* hash of its group */
    int64_t time_ms;                /* wall, when it was decided */
    int64_t next_ms;                /* of the loop: not before */
    uint64_t tried;                 /* when it was tried last, as a rising number; 0: never */
    unsigned attempts;              /* that failed while its line was well */
    bool follows;                   /* an earlier one of its group is in the line */
    bool has_context;               /* context was asked for */
    char *context;                  /* NULL: none */
    struct outbox_attempt *attempt; /* NULL: not on its way */
};

/* An integration and what waits for it. */
struct outbox_line {
    struct outbox *outbox;
    struct outbox_row row; /* texts are ours */
    struct {
        struct outbox_entry **v; /* [n] in order */
        size_t n, capacity;
    } entries;
    size_t flying;
    double tokens;
    int64_t refilled_ms; /* of the loop */
    unsigned failures;   /* since it was well */
    int64_t next_ms;     /* of the loop: while it is not well, and after Retry-After */
    uint64_t failed_at;  /* number of the last attempt that was begun before it was found unwell */
    struct fetch_client *client;
    struct outbox_stats *stats;
    char *error; /* of the last attempt; NULL: none */
};

struct outbox_attempt {
    struct notify_send send;
    struct arena arena;
    struct message message;
    struct outbox_line *line;
    struct outbox_entry *entry; /* NULL: a test */
    struct outbox_trial *trial; /* NULL: none */
    struct side *side;          /* what asks for its context */
    struct timer *timer;
    int64_t began_ns;
    uint64_t number;
    bool started, ended;
};

struct outbox {
    struct outbox_config config;
    struct loop *loop;
    struct thread thread;
    struct fetcher *fetcher;
    struct rand rand;
    struct timer *timer;
    struct {
        struct outbox_line **v;
        size_t n, capacity;
    } lines;
    struct {
        int64_t *v; /* rows that are to be removed */
        size_t n, capacity;
    } gone;
    bool gone_posted;
    int64_t seen;    /* the last row that was loaded */
    uint64_t number; /* of attempts */
    struct {
        struct outbox_attempt **v;
        size_t n, capacity;
    } flying;
    _Atomic bool woken;
    bool started, stopping;
};

/* ---- outbox_rows.c */
extern const struct state_schema outbox_rows_schema;

/* Loads the rows behind o->seen into their lines. */
void outbox_rows_load(struct outbox *o);

/* The body of a row; -ERR_NOENT. */
MUST_USE int outbox_rows_body(struct outbox *o, int64_t id, struct arena *a, struct str *ret,
                              struct why *why);

/* The row is to go: soon, many in one transaction. */
void outbox_rows_drop(struct outbox *o, int64_t id);
void outbox_rows_flush(struct outbox *o);

/* Does newer tell all that older tells? */
bool outbox_rows_covers(const struct message *newer, const struct message *older);

/* ---- outbox_line.c */
struct outbox_line *outbox_line_get(struct outbox *o, struct str receiver, struct str kind,
                                    uint32_t index);
void outbox_line_free(struct outbox_line *l);
void outbox_line_add(struct outbox_line *l, int64_t id, uint64_t group, int64_t time_ms);

/* Takes e out of its line, and its row out of the queue. */
void outbox_line_remove(struct outbox_line *l, struct outbox_entry *e);

/* What the attempt at e says of the line. */
void outbox_line_well(struct outbox_line *l);
void outbox_line_failed(struct outbox_line *l, struct outbox_entry *e, uint64_t number,
                        int64_t after_ms);

/* Begins whatever may go now, and sets the timer for what may go later. */
void outbox_line_run(void *outbox);

/* ---- outbox_send.c */
void outbox_send_begin(struct outbox_line *l, struct outbox_entry *e);
void outbox_send_trial(struct outbox *o, struct outbox_trial *t);

/* Gives an attempt up; its message waits again. */
void outbox_send_cancel(struct outbox_attempt *a, const char *why);

/* A message that is tried once, for somebody who waits. */
struct outbox_trial {
    struct outbox *outbox;
    const struct message *message;
    struct outbox_attempt *attempt;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool over;
    int err;
    struct why why;
};
void outbox_send_trial_over(struct outbox_trial *t, int err, const char *why);

/* ---- outbox_stats.c */
struct outbox_stats *outbox_stats_get(struct str kind, struct str receiver);

#endif
