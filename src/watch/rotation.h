/* watch/rotation.h - which instances of a program get requests: HAProxy is told, and our own TCP
 * proxy (watch/proxy.h) obeys.
 *
 * The engine says when an instance has become ready, when it is not (died, failed its readiness),
 * and asks to drain one before it stops it; done() comes when its last connection is over, after
 * drain_ms at the latest. A program with neither haproxy_backend nor proxy_listen costs nothing:
 * its drain is done at once.
 *
 *   rotation_drain(i) -> done -> stop i -> start i -> ready -> rotation_in(i) -> next instance
 *
 * Flow:    engine -> rotation -> watch/proxy.h, HAProxy's socket (watch/haproxy.h)
 * Threads: the loop's.
 */
#ifndef WATCH_ROTATION_H
#define WATCH_ROTATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "os/loop.h"
#include "watch/watch_plan.h"

struct rotation;

/* say() hears what an operator should know of a program ("HAProxy does not answer: ..."); may be
 * NULL. */
MUST_USE int rotation_new(struct loop *l,
                          void (*say)(void *context, const char *program, const char *text),
                          void *context, struct rotation **ret);
void rotation_free(struct rotation *r); /* closes everything; NULL is fine */

/* Takes over the table (copies what it needs): opens and closes the proxies' sockets; an address
 * that stays keeps its socket, and its connections. What cannot be opened is said, and tried again
 * each second. */
void rotation_plan(struct rotation *r, const struct watch_plan *plan);

/* Is anything to be told of that program? */
bool rotation_wanted(const struct watch_program *p);

/* The instance (0 ..) serves: it gets connections. */
void rotation_in(struct rotation *r, const char *program, size_t instance);

/* It does not: no new connections; those that it has are left to it. Ends a drain without done().
 */
void rotation_out(struct rotation *r, const char *program, size_t instance);

/* No new connections; done() comes once, when the last one is over or after drain_ms; at once, from
 * within, for a program that is not wanted. One instance drains once at a time. */
void rotation_drain(struct rotation *r, const char *program, size_t instance,
                    void (*done)(void *context), void *context);

/* Connections of the own proxy that an instance has now, and has had. */
void rotation_count(const struct rotation *r, const char *program, size_t instance,
                    uint64_t *ret_now, uint64_t *ret_all);

/* Before such an exec: no proxy takes new connections until it is resumed, and whether one still
 * has an answer to bring back. */
void rotation_pause(struct rotation *r, bool paused);
bool rotation_at_work(const struct rotation *r);

/* For a new image of sonde-watch (exec): makes the listening sockets survive it and appends a line
 * "ADDRESS FD" for each; rotation_adopt() in the new image takes them before rotation_plan(). */
void rotation_keep(struct rotation *r, struct buf *out);
void rotation_adopt(struct rotation *r, struct str lines);

#endif
