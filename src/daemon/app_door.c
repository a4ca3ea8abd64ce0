#include "daemon/app_door.h"

#include <stdlib.h>
#include <string.h>

#include "apps/apps_settings.h"
#include "base/arena.h"
#include "base/log.h"
#include "os/local_socket.h"

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

void app_door_open(const struct conf *c, const struct address *a)
{
    const struct apps_settings *apps = conf_get(c, &apps_settings_options);
    struct why why = {0};
    const char *path = a->text + strlen("unix:");
    if (local_socket_mode(path, (unsigned)strtoul(apps->mode, NULL, 8), &why) != 0)
        log_warn("sockets", "%s", why.text);
    log_info("sockets", "applications connect to %s", path);
}
