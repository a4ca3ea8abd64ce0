/* watch/control_server.h - answers what is asked over the control socket.
 *
 * Flow:    socket -> line -> control_request_read() -> engine -> line -> socket
 * Threads: the loop's.
 */
#ifndef WATCH_CONTROL_SERVER_H
#define WATCH_CONTROL_SERVER_H

#include "base/attr.h"
#include "base/err.h"
#include "os/loop.h"
#include "watch/engine.h"

enum {
    CONTROL_SERVER_CLIENTS_MAX = 256,
    CONTROL_SERVER_QUEUE_MAX = 16 << 20, /* bytes that a follower may be behind */
};

/* What the process does, rather than the engine. */
struct control_server_hooks {
    void (*upgrade)(void *context, const char *path);
    void (*shutdown)(void *context);
    /* Restarts a unit when its turn comes (watch/rolling.h), and whether it is still to come. */
    void (*restart)(void *context, struct engine_unit *u);
    bool (*restarts)(void *context, struct engine_unit *u);
    void *context;
};

struct control_server;

/* fd listens already: of local_socket_listen(); taken over. */
MUST_USE int control_server_new(struct loop *l, int fd, struct engine *e,
                                const struct control_server_hooks *hooks,
                                struct control_server **ret);

/* Before the engine. NULL is fine. */
void control_server_free(struct control_server *s);

#endif
