/* os/local_socket.h - Unix sockets: one that listens, one that connects, one that is notified.
 *
 * Source:  unix(7).
 * Threads: any; each descriptor is one thread's at a time.
 */
#ifndef OS_LOCAL_SOCKET_H
#define OS_LOCAL_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

/* Listens at a path of the file system, for the owner alone (0600); a socket that nobody listens
 * at any more is replaced. -ERR_BUSY where somebody does. Closed on exec, does not block. */
MUST_USE int local_socket_listen(const char *path, int *ret_fd, struct why *why);

/* Waits for at most timeout_ms. -ERR_NOENT where nobody listens, -ERR_DENIED, -ERR_TIMEOUT. */
MUST_USE int local_socket_connect(const char *path, int64_t timeout_ms, int *ret_fd,
                                  struct why *why);

/* All bytes, waiting for at most timeout_ms; -ERR_CLOSED, -ERR_TIMEOUT. */
MUST_USE int local_socket_send(int fd, struct str bytes, int64_t timeout_ms);

/* At least one byte, at most n, waiting for at most timeout_ms; -ERR_END at the end, -ERR_TIMEOUT,
 * -ERR_CLOSED. */
MUST_USE int local_socket_receive(int fd, char *p, size_t n, int64_t timeout_ms, size_t *ret_n);

void local_socket_close(int fd); /* negative is fine */

/* Can a socket be made in this folder? Where make is set the folder is made if it is missing, for
 * the caller alone (0700), and must be the caller's own and no link. -ERR_DENIED, -ERR_NOENT. */
MUST_USE int local_socket_folder(const char *path, bool make, struct why *why);

/* Who holds the socket at path: nobody (or it is none), somebody, or nobody but processes that are
 * left of the one that listened (a worker of a killed parent that is about to end): then nobody
 * will serve it. Where that cannot be told, or it was another user's, it is somebody. */
enum local_socket_holder { LOCAL_SOCKET_NOBODY, LOCAL_SOCKET_SOMEBODY, LOCAL_SOCKET_ORPHANED };
MUST_USE enum local_socket_holder local_socket_holder(const char *path);

/* Who may connect to the socket at path: permissions as of chmod(). */
MUST_USE int local_socket_mode(const char *path, unsigned mode, struct why *why);

/* A socket for datagrams at an abstract name ("@..." as in NOTIFY_SOCKET), each of which says who
 * sent it. Closed on exec, does not block. */
MUST_USE int local_socket_notified(const char *name, int *ret_fd, struct why *why);

/* The next datagram (cut at n) and its sender; false where there is none. Descriptors that came
 * along are closed. */
MUST_USE bool local_socket_notice(int fd, char *p, size_t n, size_t *ret_n, int *ret_pid,
                                  unsigned *ret_uid);

#endif
