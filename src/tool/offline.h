/* tool/offline.h - a command that works on a data directory: its options, its disk, its keys, and
 * whether a daemon has it.
 *
 * Options: --config FILE, --data DIR, --set KEY=VALUE as for `sonde serve`, --key-file FILE,
 * --server URL (or --url URL).
 *
 * Threads: one.
 */
#ifndef TOOL_OFFLINE_H
#define TOOL_OFFLINE_H

#include <stdbool.h>

#include "crypt/keyring.h"
#include "os/disk.h"
#include "store/series/store.h"
#include "tool/arguments.h"
#include "tool/options.h"

struct offline {
    const char *command; /* for messages: "sonde backup" */
    struct arguments_settings set;
    struct conf *conf;
    struct store_settings settings;
    const char *data;     /* directory */
    const char *server;   /* URL of a daemon that may have it */
    bool server_named;    /* by --server */
    struct disk *disk;    /* NULL until offline_disk() */
    struct keyring *ring; /* NULL: none is configured */
};

/* Takes the options and reads the configuration; false after a sentence on standard error. Always
 * followed by offline_done(). */
MUST_USE bool offline_init(struct offline *o, const char *command, struct arguments *a);
void offline_done(struct offline *o);

/* Opens the data directory and the keys; false after a sentence on standard error. */
MUST_USE bool offline_disk(struct offline *o);

/* 0: nobody has it; 1: a daemon has; -1 after a sentence on standard error, also where --server
 * names a daemon, but none has this directory: what is meant for that one is not done here. */
MUST_USE int offline_busy(struct offline *o);

/* False after a sentence on standard error where a daemon has it. */
MUST_USE bool offline_alone(struct offline *o);

/* Opens the store (offline_alone() first); NULL after a sentence on standard error. */
struct store *offline_store(struct offline *o);

/* "sonde backup: text" on standard error; returns 1, the exit status. */
int offline_fail(const struct offline *o, const char *text);

/* POSTs path with an empty body to the server: 0 with *ret (buf_done()), 1 after a sentence. */
MUST_USE int offline_ask(const struct offline *o, const char *path, struct buf *ret);

/* Takes "--name TIME", as 2026-11-22T05:00:00Z or seconds since 1970, which may be missing; false
 * after a sentence on standard error. */
MUST_USE bool offline_time(const struct offline *o, struct arguments *a, const char *name,
                           int64_t *ret_ms);

/* ms as 2026-11-22T05:00:00Z. */
void offline_time_text(int64_t ms, char ret[32]);

#endif
