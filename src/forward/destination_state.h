/* forward/destination_state.h - what the files behind forward/destination.h share.
 *
 * destination.c         opening, reading the queue, blocks, cursor
 * destination_shard.c   requests and what answers make of them
 * destination_stat.c    metrics
 *
 * Threads: the loop's.
 */
#ifndef FORWARD_DESTINATION_STATE_H
#define FORWARD_DESTINATION_STATE_H

#include "base/map.h"
#include "base/stat.h"
#include "base/vec.h"
#include "codec/rw_write.h"
#include "forward/destination.h"
#include "forward/row.h"

enum {
    DESTINATION_SHARDS_MAX = 200,
    DESTINATION_HEADERS_MAX = 64,
    DESTINATION_FAMILIES_MAX = 100000,
};

/* A block of the queue, some of whose rows are not answered yet. */
struct destination_block {
    struct destination_block *next;
    struct queue_position after;
    size_t left; /* rows, and 1 while it is being read */
    struct arena arena;
    struct buf bytes;
};

struct destination_row {
    struct rw_write_row write;
    struct destination_block *block;
    uint64_t number; /* in the queue */
};

struct destination_shard {
    struct destination *all;
    struct {
        struct destination_row *v;
        size_t n, capacity;
    } rows;
    struct timer *timer; /* of a batch that is not full, or of the next try */
    struct fetch *fetch; /* NULL: none in progress */
    struct buf body;     /* of the request, packed */
    size_t sending;      /* rows in it; 0: there is none */
    bool version2;       /* that it was written as */
    bool waits;          /* for the next try */
    int64_t backoff_ms;
    size_t limit;      /* rows of a request, where one is being halved */
    int64_t oldest_ns; /* when the first row came in */
};

enum destination_drop { DROP_LOST, DROP_REFUSED, DROP_OLD, DROP_KIND, DROPS_N };

struct destination_stats {
    struct stat samples, histograms, exemplars, metadata, bytes, requests, failed, retries;
    struct stat dropped[DROPS_N];
    struct stat pending, shards, sent_seconds;
};

struct destination_family {
    struct metadata metadata; /* its texts behind it */
};

struct destination {
    struct destination_plan plan;
    const struct promfile_remote_write *write;
    struct fetch_settings http;
    struct fetch_client *client;
    struct queue_reader reader;
    char *url;
    const char *headers[DESTINATION_HEADERS_MAX]; /* owned; those of version 1, then custom ones */
    size_t headers_n;
    bool version2;
    struct destination_block *blocks, **blocks_last; /* in the queue's order */
    struct destination_shard *shards;                /* [shards_max] */
    size_t shards_n, shards_max;
    size_t buffered; /* rows in shards */
    bool resharding; /* nothing is read until the shards are empty */
    size_t shards_wanted;
    unsigned busy_ticks, idle_ticks;
    uint64_t answered; /* requests since the last tick */
    bool draining, drained;
    struct queue_position done; /* all before is answered */
    uint64_t begun;             /* rows before that number may have been sent */
    uint64_t unsure;            /* those before it were begun by the process before this one */
    struct disk_file *cursor;
    uint64_t cursor_sequence;
    bool cursor_moved; /* since it was synced */
    struct rw_writer writer;
    struct buf plain;    /* a request, not packed */
    struct map families; /* -> struct destination_family *, owned */
    struct {
        struct metadata *v; /* to send with 1.0, borrowed from families */
        size_t n, capacity, at;
    } metadata;
    struct fetch *metadata_fetch;
    size_t metadata_sending; /* entries in its request */
    struct buf metadata_body;
    int64_t metadata_due_ns;
    int64_t warned_ns;
    struct destination_stats *stats; /* live as long as the process */
};

/* ---- destination.c */

/* A row of the block has been answered or left out. */
void destination_settle(struct destination *d, struct destination_block *b);

/* Reads on, where there is room. */
void destination_pump(struct destination *d);

/* While it drains: is there nothing more to wait for? A server that does not answer now will not be
 * waited for. */
void destination_rest(struct destination *d);

/* Rows before number may have been sent from now on. */
void destination_begin(struct destination *d, uint64_t number);

/* ---- destination_shard.c */
void destination_shard_open(struct destination *d);
void destination_shard_close(struct destination *d);

/* Sends what is due. */
void destination_shard_kick(struct destination_shard *s);

/* The metadata of all families, with 1.0. */
void destination_shard_metadata(struct destination *d);

/* ---- destination_stat.c */
struct destination_stats *destination_stat_new(struct str name);
void destination_stat_hide(struct destination_stats *s, bool hidden);

#endif
