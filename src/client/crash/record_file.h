/* client/crash/record_file.h - the file that a crash record lies in, before it is needed.
 *
 * FOLDER/crash-PID-ID.record is made at the start, with all its blocks, mapped, and locked by
 * fcntl(2) for as long as the process lives (such a lock is not inherited and cannot be forgotten).
 * A file whose lock can be had is of a process that is gone.
 *
 * Threads: one at a time; record_file_fork() is safe in signal handlers.
 */
#ifndef CLIENT_CRASH_RECORD_FILE_H
#define CLIENT_CRASH_RECORD_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "client/wire/crash_record.h"

enum { RECORD_FILE_PATH_MAX = 512 };

struct record_file {
    struct crash_record *at;         /* [CRASH_RECORD_MAX]; NULL: none */
    int fd;                          /* -1: the memory is anonymous */
    pid_t pid;                       /* whose it is */
    char path[RECORD_FILE_PATH_MAX]; /* "" without a file */
};

/* A new file in folder, or anonymous memory where that fails or folder is "": then nothing is left
 * for the next start. False: no memory. */
bool record_file_make(struct record_file *f, const char *folder);
/* In a forked child that crashes: one of its own, with a copy of the head, beside the parent's. */
bool record_file_fork(const struct record_file *parent, struct record_file *ret);
void record_file_remove(struct record_file *f); /* the file too */
void record_file_forget(struct record_file *f); /* in a forked child: the parent's stays */

/* Calls found for each file of a process that is gone, with its contents [n] aligned to 8, while it
 * is locked; true from found removes it. own: this process's, left alone. At most 64 a call. */
void record_file_sweep(const char *folder, const struct record_file *own,
                       bool (*found)(const void *bytes, size_t n, void *context), void *context);

#endif
