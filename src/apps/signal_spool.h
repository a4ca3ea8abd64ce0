/* apps/signal_spool.h - spans, logs and errors of applications, kept on disk until stores take
 * them.
 *
 * Three queues (forward/queue.h) below DATA/spool: bounded, sealed, crash-safe; what is oldest goes
 * when one is full, and is counted. A thread writes what has come and syncs once for all of it;
 * then each sender is told. An envelope whose event_id is known is not stored again. A crash record
 * is stored as it came and handed to symbols(), whose envelope takes its place; one whose envelope
 * is missing at the start (the daemon died meanwhile) is handed over again.
 *
 * Flow:    apps, symbols -> signal_spool_sink() -> queue -> disk; relay reads the queues
 * Source:  docs/format/spool.md
 * Threads: signal_spool_new, start, stop, free: one; the rest: any.
 */
#ifndef APPS_SIGNAL_SPOOL_H
#define APPS_SIGNAL_SPOOL_H

#include "apps/apps_settings.h"
#include "apps/error_list.h"
#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "forward/queue.h"
#include "model/signal_sink.h"
#include "os/disk.h"

enum signal_spool_queue {
    SIGNAL_SPOOL_SPANS,
    SIGNAL_SPOOL_LOGS,
    SIGNAL_SPOOL_ERRORS,
    SIGNAL_SPOOL_QUEUES_N
};

struct signal_spool;

struct signal_spool_config {
    const struct apps_settings *settings;
    struct disk *disk;
    const char *key_file; /* of the store; "": in the clear */
    const struct clock *clock;
    /* A crash record is durable: row is its number. Any may be NULL; the spool's thread. */
    void (*crash)(void *context, const struct signal *s, uint64_t row);
    /* An envelope with an event is durable that was not known. */
    void (*event)(void *context, const struct signal *s, const struct envelope *e);
    /* Something is new in a queue. */
    void (*filled)(void *context, enum signal_spool_queue which);
    void *context;
};

MUST_USE int signal_spool_new(const struct signal_spool_config *config, struct signal_spool **ret,
                              struct why *why);
void signal_spool_start(struct signal_spool *s);
void signal_spool_stop(
    struct signal_spool *s); /* writes what has come, then ends the thread; NULL is fine */
void signal_spool_free(struct signal_spool *s); /* NULL is fine */

struct signal_sink *signal_spool_sink(struct signal_spool *s);
struct queue *signal_spool_of(struct signal_spool *s, enum signal_spool_queue which);
struct error_list *signal_spool_errors(struct signal_spool *s);

/* Is what was there at the start not all listed yet? It is read back while others are served. */
bool signal_spool_partial(struct signal_spool *s);

/* "spans", "logs", "errors": also the folder's name below DATA/spool. */
const char *signal_spool_word(enum signal_spool_queue which);

struct signal_spool_facts {
    uint64_t bytes, bytes_max;
    uint64_t records;    /* that are there */
    uint64_t stored;     /* since the start */
    uint64_t dropped;    /* that went because it was full, since the start */
    uint64_t duplicates; /* that were known, since the start */
    uint64_t failed;     /* that could not be written, since the start */
};
void signal_spool_look(struct signal_spool *s, enum signal_spool_queue which,
                       struct signal_spool_facts *ret);

#endif
