#include "daemon/app_door.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apps/apps_settings.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "os/local_socket.h"

enum { PATIENCE_MS = 1500, PAUSE_MS = 100 };

static const char *const MODULE = "sockets";

int app_door_address(const struct conf *c, const char *wanted, struct address *ret, struct why *why)
{
    char folder[APPS_SETTINGS_PATH_MAX];
    bool ours;
    struct arena a;
    if (strcmp(wanted, APPS_SETTINGS_AUTO) != 0)
        return address_parse(str_c(wanted), ret, why);
    int err = why_set(why, ERR_NOENT, "no folder for its socket can be used");
    for (size_t i = 0; i < APPS_SETTINGS_PLACES && err != 0; i++) {
        apps_settings_folder(i, folder, &ours);
        if (folder[0] == '\0' || local_socket_folder(folder, ours, why) != 0)
            continue;
        arena_init(&a);
        err = address_parse(arena_printf(&a, "unix:%s/sonde.sock", folder), ret, why);
        arena_done(&a);
    }
    return err;
}

static const char *path_of(const struct address *a)
{
    return a->text + strlen("unix:");
}

int app_door_listen(struct address *a, bool first, int *ret_fd, struct why *why)
{
    int64_t until = clock_monotonic_ns(&clock_real) + (first ? PATIENCE_MS * 1000000LL : 0);
    enum local_socket_holder holder;
    while ((holder = local_socket_holder(path_of(a))) == LOCAL_SOCKET_SOMEBODY &&
           clock_monotonic_ns(&clock_real) < until)
        usleep(PAUSE_MS * 1000);
    if (holder == LOCAL_SOCKET_SOMEBODY)
        return why_set(why, ERR_BUSY, "somebody listens at %s already", path_of(a));
    if (holder == LOCAL_SOCKET_ORPHANED && unlink(path_of(a)) == 0)
        log_info(MODULE, "%s was held by what is left of a killed daemon", path_of(a));
    return address_listen(a, 1, ret_fd, why);
}

void app_door_open(const struct conf *c, const struct address *a)
{
    const struct apps_settings *apps = conf_get(c, &apps_settings_options);
    struct why why = {0};
    const char *path = path_of(a);
    if (local_socket_mode(path, (unsigned)strtoul(apps->mode, NULL, 8), &why) != 0)
        log_warn(MODULE, "%s", why.text);
    log_info(MODULE, "applications connect to %s", path);
}
