/* os/notify.h - tells the service manager how the daemon is (sd_notify's protocol, own code).
 *
 * Everything is a no-op where no service manager asked for it (NOTIFY_SOCKET is not set).
 *
 * Source:  systemd's manual page sd_notify(3).
 * Threads: one.
 */
#ifndef OS_NOTIFY_H
#define OS_NOTIFY_H

#include <stdint.h>

#include "base/attr.h"

struct notify {
    int fd;              /* -1: nobody listens */
    int64_t watchdog_ms; /* say WATCHDOG=1 at least that often; 0: not wanted */
};

/* Reads the environment; what cannot be reached is treated as not asked for. */
void notify_open(struct notify *n);
void notify_close(struct notify *n);

/* Lines "READY=1", "STATUS=...", "STOPPING=1", "WATCHDOG=1"; several are separated by \n. */
void notify_send(struct notify *n, const char *format, ...) PRINTF(2, 3);

/* RELOADING=1 with the time stamp that the protocol wants; READY=1 has to follow. */
void notify_reloading(struct notify *n);

#endif
