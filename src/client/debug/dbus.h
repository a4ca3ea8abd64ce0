/* client/debug/dbus.h - the commands over D-Bus: dev.sonde.Debug1 at /dev/sonde/Debug.
 *
 * With the setting debug.dbus the library joins the bus that debug.dbus_bus names by a connection
 * of its own, as dev.sonde.Debug.SERVICE.pPID. Only programs of the same user and of root are
 * answered: who a sender is, is asked of the bus at its first call and remembered (DBUS_PEERS_MAX).
 *
 * Nothing here waits for the bus: the greeting, the name and the questions about senders are
 * messages whose answers are taken when they come. Only connect() to a Unix socket can block, so
 * the socket is tried first without waiting, and other kinds of addresses are refused. A bus that
 * is absent, silent or ends is said by the command `dbus`, and tried again each DBUS_RETRY_S.
 *
 * Flow: worker's task -> connect -> Hello -> RequestName; a call -> who is it? -> command_run().
 *
 * Threads: the worker; the command `dbus`: any.
 */
#ifndef CLIENT_DEBUG_DBUS_H
#define CLIENT_DEBUG_DBUS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum {
    DBUS_RETRY_S = 10,
    DBUS_PEERS_MAX = 32, /* senders whose user is known or asked for */
    DBUS_HELD_MAX = 16,  /* calls that wait for the user of their sender */
    DBUS_NAME_MAX = 256, /* bytes of a name of the bus with its NUL, as the standard has it */
};

void dbus_start(void); /* never fails: what is wrong is for the command `dbus` */
void dbus_stop(void);
void dbus_fork_child(void); /* the parent's connection is closed without a word */

/* dev.sonde.Debug.SERVICE.pPID; what no name may have becomes '_', a long service is cut. */
void dbus_service_name(char ret[DBUS_NAME_MAX], const char *service, pid_t pid);
/* May a program of that user call one of `own`? */
bool dbus_caller_good(uid_t caller, uid_t own);

#endif
