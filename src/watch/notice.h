/* watch/notice.h - what a program says by sd_notify: lines of NAME=value in one datagram.
 *
 * Source:  systemd's manual page sd_notify(3).
 * Threads: pure functions.
 */
#ifndef WATCH_NOTICE_H
#define WATCH_NOTICE_H

#include "base/str.h"
#include "watch/keeper.h"

enum { NOTICE_BYTES_MAX = 8192, NOTICE_STATUS_MAX = 200 };

struct notice {
    struct keeper_notice keeper;
    struct str status; /* STATUS=, a part of the datagram; p is NULL where it was not said */
    int main_pid;      /* MAINPID=; 0 not said */
    int errnum;        /* ERRNO=; 0 not said */
};

/* Unknown lines and senseless numbers are passed over. */
struct notice notice_read(struct str datagram);

#endif
