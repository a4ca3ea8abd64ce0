/* os/process.h - what /proc says of other processes: parents, children, memory, who holds a port.
 *
 * Source:  Linux: proc(5).
 * Threads: any.
 */
#ifndef OS_PROCESS_H
#define OS_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/str.h"

/* A growing list of process numbers; vec_free() frees it. */
struct process_list {
    int *v;
    size_t n, capacity;
};

struct process_stat {
    int ppid, pgid, sid;
    char state;         /* 'Z' has ended */
    uint64_t start;     /* clock ticks since boot: with the number it names a process for ever */
    uint64_t cpu_ticks; /* user and system */
};

/* False where there is no such process. */
MUST_USE bool process_stat_read(int pid, struct process_stat *ret);

/* This process. */
int process_self(void);

/* Clock ticks of a second. */
int64_t process_ticks(void);

/* Appends pid's children (also those that its threads have made); zombies too. */
void process_children(int pid, struct process_list *ret);

/* Appends all that descend from pid, parents before children; pid itself is not among them. */
void process_descendants(int pid, struct process_list *ret);

/* Appends every process. */
void process_all(struct process_list *ret);

/* Is ancestor above pid (or pid itself)? */
bool process_descends(int pid, int ancestor);

/* Does the environment with which pid began hold that text (NAME=value) ? */
bool process_has_environment(int pid, struct str text);

/* The value of a variable of that environment, into ret [n]; false where it is not there. */
MUST_USE bool process_environment(int pid, struct str name, char *ret, size_t n);

/* Its name, as /proc/PID/comm has it; "?" where it is gone. */
void process_name(int pid, char *ret, size_t n);

/* Bytes that it has in memory, those that it may share (files, shared memory) apart: a tree has
 * the sum of the first and about the greatest of the second. */
void process_memory(int pid, int64_t *ret_own, int64_t *ret_shared);

/* Open descriptors; 0 where they may not be seen. */
int64_t process_files(int pid);

/* Who listens at a TCP port: the first such process; 0 where the port is free, -1 where somebody
 * does who cannot be seen. */
int process_listens(uint16_t port);

#endif
