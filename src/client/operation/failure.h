/* client/operation/failure.h - what failed calls of one operation said: each message with its
 * count.
 *
 * As many different messages as FAILURE_MESSAGES are kept; a new one takes the place of that which
 * was seen the longest ago. Made with the first failure.
 *
 * Threads: any; where the latch cannot be had the message is left out, its failure is counted all
 * the same (tally.h).
 */
#ifndef CLIENT_OPERATION_FAILURE_H
#define CLIENT_OPERATION_FAILURE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "client/operation/latch.h"
#include "sonde/operation.h"

enum { FAILURE_MESSAGES = 8 };

struct failure_message {
    uint64_t hash, count, last_ticks;
    char text[SONDE_OPERATION_ERROR_MAX];
};

struct failure_list {
    struct failure_message message[FAILURE_MESSAGES];
    unsigned n;
};

struct failure {
    struct latch latch;
    _Atomic uint64_t last_ticks;       /* of the last failure, with a message or without; 0: none */
    struct failure_list *_Atomic list; /* NULL: none yet; never freed */
};

/* message may be NULL. */
void failure_add(struct failure *f, const char *message, uint64_t ticks);
/* Copies those that there are, the latest first; returns how many. */
size_t failure_read(struct failure *f, struct failure_message ret[FAILURE_MESSAGES]);
void failure_clear(struct failure *f);
void failure_fork_child(struct failure *f); /* nobody holds the latch */

/* How much of a text fits into max bytes without cutting a character. */
size_t failure_cut(const char *text, size_t max);

#endif
