/* receive/collectd_users.h - who may sign and encrypt collectd's packets.
 *
 * Source:  collectd.conf(5), AuthFile: lines "USER: PASSWORD"; src/network.c for what is covered.
 * Threads: made by one, then read by any.
 */
#ifndef RECEIVE_COLLECTD_USERS_H
#define RECEIVE_COLLECTD_USERS_H

#include <stdbool.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/map.h"
#include "codec/collectd.h"

enum { COLLECTD_USERS_MAX = 10000, COLLECTD_USERS_FILE_MAX = 1 << 20 /* bytes */ };

struct collectd_users {
    struct map passwords; /* user -> struct str * */
    struct buf text;      /* what they point into */
    struct str *v;        /* [COLLECTD_USERS_MAX], owned */
};

void collectd_users_init(struct collectd_users *u);
void collectd_users_done(struct collectd_users *u);

/* Reads the users of a file; once. -ERR_FORMAT with the line. */
MUST_USE int collectd_users_read(struct collectd_users *u, const char *path, struct why *why);

/* Is the rest of the packet what the user has signed? */
bool collectd_users_check(const struct collectd_users *u, const struct collectd_item *item);

/* Decrypts an item into out (emptied first); false where the user or the password is wrong, or the
 * bytes are not as they were sent. */
bool collectd_users_open(const struct collectd_users *u, const struct collectd_item *item,
                         struct buf *out);

#endif
