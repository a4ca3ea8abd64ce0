/* watch/haproxy.h - one server of HAProxy, told over its runtime API whether it gets requests, and
 * asked how many it has.
 *
 * What was wanted last is told as soon as the conversation before it is over; where HAProxy does
 * not answer it is tried again each second.
 *
 * Flow:    haproxy_want() -> "set server B/S state drain" -> haproxy_sessions()
 * Source:  HAProxy 2.6, management.txt, 9.3: prompt, set server .. state, show stat.
 * Threads: the loop's.
 */
#ifndef WATCH_HAPROXY_H
#define WATCH_HAPROXY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"
#include "health/probe/prober.h"
#include "os/loop.h"

enum { HAPROXY_NAME_MAX = 320 /* bytes of "BACKEND/SERVER" */ };

enum haproxy_state {
    HAPROXY_UNKNOWN, /* nothing is told */
    HAPROXY_READY,
    HAPROXY_DRAIN, /* no new sessions */
    HAPROXY_MAINT, /* not there */
};

struct haproxy;

/* socket is a path or HOST:PORT. say() hears what is wrong, once until it works again. */
MUST_USE int haproxy_new(struct loop *l, struct prober *prober, const char *socket,
                         const char *backend, const char *server,
                         void (*say)(void *context, const char *text), void *context,
                         struct haproxy **ret, struct why *why);
void haproxy_free(struct haproxy *h); /* NULL is fine */

void haproxy_want(struct haproxy *h, enum haproxy_state state);

/* Sessions that the server has, as of an answer to the state that is wanted now; -1: not known yet,
 * and asked again. */
int64_t haproxy_sessions(const struct haproxy *h);

/* Has it been told what is wanted? */
bool haproxy_told(const struct haproxy *h);

/* How many sessions the CSV of "show stat" gives a server; -1: it is not there. */
int64_t haproxy_read_sessions(struct str csv, const char *backend, const char *server);

#endif
