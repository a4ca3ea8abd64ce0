/* collect/process.h - the table of processes that several collectors look at.
 *
 * A scan reads /proc/PID/stat of every process, through descriptors that stay open, and nothing
 * else; what costs more (command lines, open files, I/O) is read by who needs it, for the processes
 * that it needs it for. Scans that follow within half a second are one.
 * A process that did nothing between two reads is read again after four seconds only: most sleep.
 *
 * Source:  proc(5).
 * Threads: process_table_acquire() gives the table to one thread at a time.
 */
#ifndef COLLECT_PROCESS_H
#define COLLECT_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

enum {
    PROCESS_MAX = 65536, /* processes looked at; the rest is left out */
    PROCESS_COMM_MAX = 64,
    PROCESS_NO_GROUP = -1,
};

struct process {
    int pid, fd;    /* fd: of its stat, -1 where it is not kept */
    uint64_t start; /* clock ticks after boot: pid and start name a process */
    char comm[PROCESS_COMM_MAX];
    char state;
    uint64_t user, system; /* clock ticks */
    uint64_t minor_faults, major_faults;
    uint64_t threads, virtual_bytes, resident_pages;
    uint64_t scan;   /* the scan that saw it last */
    int64_t read_ns; /* when its stat was read last */
    bool idle;       /* it had used nothing since the read before */

    int group;    /* index into the configuration's groups, or PROCESS_NO_GROUP */
    bool grouped; /* group has been looked up for this comm */
    struct {      /* topprocess's */
        uint64_t ticks;
        int64_t at_ns; /* 0: not seen yet */
        double ratio;
        bool shown;
    } top;
    struct { /* processgroup's: counters as of its last run */
        uint64_t user, system, minor_faults, major_faults;
        uint64_t read_bytes, write_bytes, voluntary, involuntary;
    } counted;
};

struct collector_host;
struct process_table;

struct process_table *process_table_new(const struct collector_host *host);
void process_table_free(struct process_table *t);

/* Scans and hands over the processes by ascending pid, until process_table_release(). -ERR_BUSY
 * where a collector that hangs has the table. */
MUST_USE int process_table_acquire(struct process_table *t, struct process **ret, size_t *ret_n,
                                   struct why *why);
void process_table_release(struct process_table *t);

/* The group of p by the configuration's rules, looked up once for each comm. */
int process_table_group(struct process_table *t, struct process *p);

/* Reads /proc/PID/name, cut at size - 1 bytes. */
MUST_USE int process_table_file(struct process_table *t, const struct process *p, const char *name,
                                char *room, size_t size, struct str *ret);

/* How many files p has open. */
MUST_USE int process_table_files(struct process_table *t, const struct process *p, size_t *ret);

/* Calls f with the state of each of p's threads. */
MUST_USE int process_table_threads(struct process_table *t, const struct process *p,
                                   void (*f)(void *context, char state), void *context);

/* Takes a stat line apart into p (not its pid and fd); false where it is none. */
bool process_parse(struct str text, struct process *p);

#endif
