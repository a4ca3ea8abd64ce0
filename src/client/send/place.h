/* client/send/place.h - where a daemon's socket may be, and a connection to it.
 *
 * The setting socket: a path; "auto": /run/sonde/sonde.sock, $XDG_RUNTIME_DIR/sonde/sonde.sock,
 * /tmp/sonde-UID/sonde.sock, in this order; "none" or empty: nowhere. In /tmp everybody may make a
 * folder of that name: of the last two, the folder must be this user's, written by no other, and
 * the other end root's or this user's.
 *
 * Threads: any.
 */
#ifndef CLIENT_SEND_PLACE_H
#define CLIENT_SEND_PLACE_H

#include <stdbool.h>
#include <stddef.h>

enum { PLACE_MAX = 3, PLACE_PATH_MAX = 108, PLACE_PROBLEM_MAX = 160 };

struct place {
    char path[PLACE_PATH_MAX];
    bool check; /* whose process it is */
};

/* The places of a setting: [PLACE_MAX]; gives how many. */
size_t place_list(const char *setting, struct place *ret);

/* A non-blocking, close-on-exec socket that is connected to the first that answers; -1: none, with
 * a sentence in problem [PLACE_PROBLEM_MAX]. */
int place_connect(const struct place *places, size_t n, size_t *ret_which, char *problem);

#endif
