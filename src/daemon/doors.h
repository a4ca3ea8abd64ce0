/* daemon/doors.h - the kinds of listening sockets, and which addresses a configuration gives them.
 *
 * Threads: constant data and pure functions.
 */
#ifndef DAEMON_DOORS_H
#define DAEMON_DOORS_H

#include <stdbool.h>

#include "base/option.h"
#include "conf/conf.h"

enum door {
#define DOOR(name, table, type, member, transport, sockets, taken) DOOR_##name,
#include "daemon/doors.tbl.h"
#undef DOOR
    DOORS_N
};

struct door_kind {
    const char *key; /* "server.listen", for messages */
    bool datagram;   /* else a stream of connections */
    bool local;      /* a Unix socket for applications (daemon/app_door.h) */
    bool each_loop;  /* an address gets a socket for each loop, else one alone */
    bool needed;     /* the daemon does not start without it; else a taken address is a warning */
};

extern const struct door_kind door_kinds[DOORS_N];

/* The addresses of a kind in c. */
const struct option_list *door_addresses(const struct conf *c, enum door door);

/* Tells by sonde_sockets_listening how many sockets of each kind there are: kinds has a letter for
 * each, 'a' for the first kind. */
void doors_tell(const char *kinds);

#endif
