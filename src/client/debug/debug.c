/* client/debug/debug.c - the module: the debug socket and the commands that belong to it. */
#include <stddef.h>

#include "client/core/module.h"
#include "client/debug/dbus.h"
#include "client/debug/dump.h"
#include "client/debug/external.h"
#include "client/debug/profile.h"
#include "client/debug/socket.h"
#include "client/debug/threads.h"
#include "sonde/debug.h"

const char *sonde_debug_path(void)
{
    return socket_path();
}

static int start(char *problem)
{
    dump_start();
    profile_commands();
    external_commands();
    threads_commands();
    int err = socket_start(problem);
    if (!err) {
        dbus_start();
    }
    return err;
}

static void stop(void)
{
    dbus_stop();
    socket_stop();
    profile_end();
    external_end();
}

static void fork_child(void)
{
    socket_fork_child();
    dbus_fork_child();
    profile_fork_child();
}

extern const struct module debug_module;
const struct module debug_module = {
    .name = "debug", .start = start, .stop = stop, .fork_child = fork_child};
