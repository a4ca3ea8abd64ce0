#include "daemon/confinement.h"

#include <string.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/stat.h"
#include "collect/settings.h"
#include "custom/custom_settings.h"
#include "serve/system_settings.h"
#include "os/confine.h"
#include "receive/collectd_receiver.h"

enum { PATHS_MAX = 64, TEXT_FOLDERS_MAX = 64, FOLDERS_MAX = 1024 };

static const char *const MODULE = "confine";

/* What the collectors, the C library (names of hosts too) and TLS read. */
static const char *const READ_ONLY[] = {
    "/proc",
    "/sys",
    "/dev/null",
    "/dev/urandom",
    "/etc/os-release",
    "/etc/localtime",
    "/etc/hostname",
    "/etc/selinux",
    "/usr/lib/os-release",
    "/usr/share/zoneinfo",
    "/etc/passwd",
    "/etc/nsswitch.conf",
    "/etc/ld.so.cache",
    "/usr/lib",
    "/lib",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/gai.conf",
    "/etc/resolv.conf",
    "/run/systemd/resolve",
    "/run/resolvconf",
    "/run/NetworkManager",
    "/etc/services",
    "/etc/protocols",
    "/etc/ssl",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
};

static struct stat confined_paths =
    STAT_GAUGE_OF("sonde_confined", "by=\"landlock\"", "1 where the worker is confined that way.");
static struct stat confined_calls =
    STAT_GAUGE_OF("sonde_confined", "by=\"seccomp\"", "1 where the worker is confined that way.");

struct room {
    struct confine_path *v; /* [max] */
    size_t n, max;
    struct arena *a;
};

static void add_folder(void *context, struct str folder)
{
    struct room *room = context;
    if (room->n < room->max)
        room->v[room->n++] = (struct confine_path){arena_str(room->a, folder).p, false};
}

/* The folder of a file or pattern: it may be replaced by another. */
static void add_file(void *context, const char *pattern)
{
    add_folder(context, config_folder(str_c(pattern)));
}

void confinement_enter(const struct config *config)
{
    const struct conf *c = config->conf;
    stat_register(&confined_paths);
    stat_register(&confined_calls);
    const struct options_server *server = options_server(c);
    if (strcmp(server->confine, "off") == 0) {
        log_warn(MODULE, "the worker is not confined (server.confine is off)");
        return;
    }
    struct store_settings store;
    options_store(c, &store);
    const struct settings *collect = conf_get(c, &settings_options);
    struct confine_path
        paths[PATHS_MAX + COLLECTD_TYPES_FILES_MAX + TEXT_FOLDERS_MAX + FOLDERS_MAX];
    struct arena a;
    size_t n = 0;
    arena_init(&a);
    paths[n++] = (struct confine_path){server->data, true};
    for (size_t i = 0; i < COUNTOF(READ_ONLY); i++)
        paths[n++] = (struct confine_path){READ_ONLY[i], false};
    if (store.key_file[0] != '\0')
        paths[n++] = (struct confine_path){store.key_file, false};
    const struct option_list *texts = &collect->textfile_directory;
    for (size_t i = 0; i < texts->n && i < TEXT_FOLDERS_MAX; i++) {
        struct str inside = arena_printf(&a, "%s/", texts->v[i]);
        paths[n++] = (struct confine_path){arena_str(&a, config_folder(inside)).p, false};
    }

    const struct collectd_settings *collectd = conf_get(c, &collectd_options);
    if (collectd->auth_file[0] != '\0')
        paths[n++] = (struct confine_path){collectd->auth_file, false};
    for (size_t i = 0; i < collectd->types_db.n; i++)
        paths[n++] = (struct confine_path){collectd->types_db.v[i], false};

    const struct system_settings *status = conf_get(c, &system_settings_options);
    if (status->file[0] != '\0') /* it is written beside, and renamed */
        paths[n++] =
            (struct confine_path){arena_str(&a, config_folder(str_c(status->file))).p, true};

    struct room room = {paths, n, COUNTOF(paths), &a};
    config_folders(config, add_folder, &room);
    struct custom_settings custom;
    options_custom(c, &custom);
    custom_settings_files(&custom, add_file, &room);
    struct checkup_plan_settings health;
    options_health(c, &health);
    checkup_settings_files(&health, add_file, &room);
    n = room.n;

    struct why why = {0};
    if (confine_paths(paths, n, &why) == 0)
        stat_set(&confined_paths, 1);
    else
        log_warn(MODULE, "%s", why.text);
    arena_done(&a);
    if (confine_calls(&why) == 0)
        stat_set(&confined_calls, 1);
    else
        log_warn(MODULE, "%s", why.text);
}
