/* store/state/state_inside.h - what the files of the state database share: its connections.
 *
 * Threads: a connection is used by one thread at a time.
 */
#ifndef STORE_STATE_STATE_INSIDE_H
#define STORE_STATE_STATE_INSIDE_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

#include "base/map.h"
#include "os/disk.h"
#include "store/state/state.h"

enum {
    STATE_READERS_MAX = 4,     /* connections that read at once */
    STATE_PROBLEM_MAX = 1200,  /* bytes, with the NUL */
    STATE_PATH_MAX = 3000,     /* bytes, with the NUL */
    STATE_STATEMENTS_MAX = 512 /* that a connection keeps prepared */
};

/* One connection and the statements that it has prepared, by the address of their text. */
struct state_connection {
    sqlite3 *db;
    struct map statements;
};

struct state_tx {
    struct state *state;
    struct state_connection *c;
    int err;    /* the database has ended the transaction: no more statements */
    int failed; /* a statement was kept from its work by the disk, -ERR_x */
};

struct state {
    char path[STATE_PATH_MAX];
    char name[256];    /* without the folder */
    bool memory;       /* ":memory:": one connection for all */
    struct disk *disk; /* the folder; NULL in memory */
    pthread_mutex_t writing;
    struct state_connection writer; /* under writing */
    pthread_mutex_t reading;
    pthread_cond_t freed;
    struct state_connection readers[STATE_READERS_MAX]; /* under reading, whose they are */
    bool taken[STATE_READERS_MAX];
    char problem[STATE_PROBLEM_MAX]; /* set while it is opened */
    _Atomic bool damaged;            /* a statement met damage since */
    pthread_mutex_t judging;
    int failed; /* under judging: what kept the last writer from it, -ERR_x */
};

/* ---- state.c: a connection to the file at path, as all of them are */
int state_connect(const char *path, sqlite3 **ret, struct why *why);

/* ---- state_run.c */
/* The ERR_x that SQLite's last failure on db stands for. */
enum err state_error(sqlite3 *db);

/* Runs SQL that gives no rows; several statements. */
MUST_USE int state_exec(sqlite3 *db, const char *sql, struct why *why);

void state_connection_done(struct state_connection *c);

/* ---- state_mend.c: sees that there is a sound file at s->path: finishes what a crash has left,
 * checks it, and where it is damaged sets it aside and carries over what can be read. */
MUST_USE int state_mend(struct state *s, struct why *why);

#endif
