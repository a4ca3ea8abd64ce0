/* os/relay.h - a TCP connection that is passed on to another one, and moved to yet another between
 * two requests.
 *
 * The bytes of a client go to where its owner dials and back, with a half-closed end passed on as
 * one. Where a dial fails, before anything was sent, the next one is asked for. relay_move() says
 * that the present end is to be left: a client's next HTTP/1 request, once the answer before it has
 * come, goes to a new one, so that connections which are kept open lose no request when their
 * server is restarted. What is no HTTP stays where it is.
 *
 * Memory: bytes are kept only where the other end does not take them at once.
 *
 * Flow:    relay_accept() -> relay_new() -> dial() -> bytes both ways -> done()
 * Threads: the loop's.
 */
#ifndef OS_RELAY_H
#define OS_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "os/loop.h"

enum {
    RELAY_CONNECT_MS = 5000, /* for a dial; then the next one is asked for */
    RELAY_QUIET_MS = 200,    /* so long after the last byte of an answer it is over */
};

struct relay;

enum { RELAY_NOWHERE = -1, RELAY_LATER = -2 };

struct relay_owner {
    /* Begins to connect somewhere: a descriptor (os/dial.h); RELAY_NOWHERE ends the relay,
     * RELAY_LATER lets it wait for relay_dial(). Called again after a failure. */
    int (*dial)(void *context);
    /* A dial that was asked for did not connect. */
    void (*failed)(void *context);
    /* It is over, both sockets are closed; it may be freed from within. */
    void (*done)(void *context);
};

/* Listens on "HOST:PORT" (addresses, "localhost", "*"), non-blocking and closed on exec.
 * -ERR_BUSY: another program has it. */
MUST_USE int relay_listen(struct str address, int *ret_fd, struct why *why);

/* Lets a descriptor survive exec, or not any more. */
void relay_keep(int fd, bool survive);

/* A connection that waits at a listening descriptor, or -1. */
int relay_accept(int fd);

/* Closes a descriptor; negative is fine. */
void relay_close(int fd);

/* Takes client over and dials. owner lives as long as the relay; none of its calls comes from
 * within this one. */
struct relay *relay_new(struct loop *l, int client, const struct relay_owner *owner, void *context);

/* Asks the owner again, after RELAY_LATER. */
void relay_dial(struct relay *r);

/* The present end is to be left at the next request. */
void relay_move(struct relay *r);

/* Does the client wait for an answer, or has something gone by within RELAY_QUIET_MS? False for one
 * that is just kept open. What is no HTTP is always busy. */
bool relay_busy(const struct relay *r);

void relay_free(struct relay *r); /* closes both; NULL is fine */

#endif
