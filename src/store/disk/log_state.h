/* store/disk/log_state.h - what the two halves of the log share: lanes and commit thread.
 *
 * Private to log.c (lanes, opening) and log_commit.c (the commit thread).
 *
 * Threads: each member says who may touch it.
 */
#ifndef STORE_DISK_LOG_STATE_H
#define STORE_DISK_LOG_STATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/mem.h"
#include "os/thread.h"
#include "store/disk/log.h"
#include "store/disk/log_segment.h"

/* Records of one lane for one segment; becomes one block. */
struct chunk {
    struct chunk *next;
    uint64_t segment;
    uint32_t lane, records;
    bool first; /* written before those that are not */
    uint8_t *v; /* [n] room for the block's header, then records */
    size_t n, capacity;
};

struct chunks {
    struct chunk *head, *tail;
};

struct waiter {
    void (*done)(void *context, int err);
    void *context;
    uint64_t segment;
    int err; /* known already */
};

struct waiters {
    struct waiter *v;
    size_t n, capacity;
};

struct lane {
    pthread_mutex_t turn; /* from log_enter() to log_leave() */
    pthread_mutex_t lock; /* all below */
    struct chunks queue;
    struct chunk *open[2]; /* the chunk that grows, [first]; in queue, or NULL */
    struct chunk *kept;
    size_t kept_n;
    struct waiters waiters;
    uint64_t segment; /* valid while inside */
    bool inside;
    int broken;             /* a commit failed since log_enter() */
    _Atomic size_t waiting; /* bytes that are not written yet */
} ALIGNED(64);

/* A closed segment, or one of an earlier run. */
struct closed {
    uint64_t number, bytes;
};

struct log {
    struct disk *d;
    const struct keyring *ring;
    struct log_settings settings;
    char *dir;
    struct lane *lanes; /* [settings.lanes] */

    _Atomic uint64_t wanted; /* the segment that a lane gets which enters now */
    _Atomic uint64_t floor;
    _Atomic int ready;

    /* what wakes the commit thread */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool work, stop;
    _Atomic bool parked; /* it sleeps without a time limit */
    struct thread thread;

    /* files: written by the commit thread, under files_lock where others read */
    pthread_mutex_t files_lock;
    struct {
        struct closed *v;
        size_t n, capacity;
    } closed; /* ascending */
    uint64_t drop_before;
    uint64_t number; /* of the segment that is written; 0: none */
    uint64_t offset; /* behind what was written */

    /* the commit thread's own */
    struct disk_file *file, *spare;
    struct cipher *cipher;
    uint64_t allocated, synced; /* bytes of the file */
    uint64_t full_at;           /* bytes of the file: then the next one is begun */
    bool sync_failed;
    uint32_t index; /* of the next block */
    struct chunks pending;
    struct waiters waiters;
    uint64_t lowest; /* number that is needed next: of a lane, a chunk, or wanted */
    bool low;        /* below the reserve */
    int broken;      /* no segment to write to: why */
    int64_t looked_ns, tried_ns, synced_ns;
    _Atomic uint64_t commits, failures, records;
};

static inline void chunks_push(struct chunks *c, struct chunk *chunk)
{
    chunk->next = NULL;
    if (c->tail)
        c->tail->next = chunk;
    else
        c->head = chunk;
    c->tail = chunk;
}

static inline void chunk_free(struct chunk *chunk)
{
    mem_free(chunk->v);
    mem_free(chunk);
}

/* Shows the metrics; again is fine. */
void log_commit_register(void);

/* Begins the first segment, or makes the log refuse until there is room for one. */
void log_commit_open(struct log *l);

/* The commit thread: rounds of log_step() until l->stop. */
void log_commit_run(void *context);

/* The last round, then lets go of the files. */
void log_commit_close(struct log *l);

#endif
