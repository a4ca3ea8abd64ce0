/* daemon/app_door.h - the socket that applications connect to: which place it has.
 *
 * Threads: the parent's.
 */
#ifndef DAEMON_APP_DOOR_H
#define DAEMON_APP_DOOR_H

#include "base/attr.h"
#include "base/err.h"
#include "conf/conf.h"
#include "net/address.h"

/* The address of an entry of apps.listen; for "auto" the first place that can be used, whose folder
 * is made. */
MUST_USE int app_door_address(const struct conf *c, const char *wanted, struct address *ret,
                              struct why *why);

/* Listens at a. What is left of a daemon that was killed loses its path; where the killed one is
 * still about to end (first: this is the start), it is waited for. -ERR_BUSY: somebody serves it.
 */
MUST_USE int app_door_listen(struct address *a, bool first, int *ret_fd, struct why *why);

/* Lets those connect whom apps.mode names. */
void app_door_open(const struct conf *c, const struct address *a);

#endif
