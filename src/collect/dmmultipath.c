/* Devices with several paths (dm-multipath), from /sys/block/dm-N. */
#include "collect/collector.h"

#include "collect/folder.h"

enum { SECTOR = 512 };

#define DEVICE(name, help)                                                                         \
    {                                                                                              \
        "node_dmmultipath_device_" name, METRIC_GAUGE, help,                                       \
        {                                                                                          \
            "device", "sysfs_name"                                                                 \
        }                                                                                          \
    }

static const struct family INFO = {"node_dmmultipath_device_info",
                                   METRIC_GAUGE,
                                   "The device; always 1.",
                                   {"device", "sysfs_name", "uuid"}};
static const struct family ACTIVE = DEVICE("active", "Is the device in use? 1 or 0.");
static const struct family SIZE = DEVICE("size_bytes", "Size of the device.");
static const struct family PATHS = DEVICE("paths", "Paths of the device.");
static const struct family UP = DEVICE("paths_active", "Paths that work.");
static const struct family DOWN = DEVICE("paths_failed", "Paths that do not.");
static const struct family STATE = {"node_dmmultipath_path_state",
                                    METRIC_GAUGE,
                                    "State of the path; always 1.",
                                    {"device", "path", "state"}};

static void give_paths(struct emit *e, const char *dir, struct str device, struct str name)
{
    char path[FOLDER_PATH], slave[FOLDER_PATH], room[PSEUDO_SMALL];
    struct folder slaves;
    double n = 0, up = 0;
    folder_path(path, "%s/slaves", dir);
    if (folder_list(path, "", &slaves))
        return;
    for (size_t i = 0; i < slaves.n; i++, n++) {
        struct str state = STR("unknown");
        folder_path(slave, "%s/%s/device", path, slaves.v[i]);
        if (!folder_text(slave, "state", room, &state))
            state = STR("unknown");
        up += str_eq(state, STR("running")) || str_eq(state, STR("live"));
        emit(e, &STATE, 1, device, str_c(slaves.v[i]), state);
    }
    emit(e, &PATHS, n, device, name);
    emit(e, &UP, up, device, name);
    emit(e, &DOWN, n - up, device, name);
    folder_done(&slaves);
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)state;
    char path[FOLDER_PATH], dir[FOLDER_PATH], id[PSEUDO_SMALL], room[PSEUDO_SMALL];
    struct folder devices;
    bool any = false;
    folder_path(path, "%s/block", host->sys);
    if (folder_list(path, "dm-", &devices))
        return why_set(why, ERR_NOENT, "there is no multipath device");
    for (size_t i = 0; i < devices.n; i++) {
        struct str uuid, device, name = str_c(devices.v[i]);
        double v;
        folder_path(dir, "%s/%s", path, devices.v[i]);
        if (!folder_text(dir, "dm/uuid", id, &uuid) || !str_starts(uuid, STR("mpath-")) ||
            !folder_text(dir, "dm/name", room, &device))
            continue;
        any = true;
        emit(e, &INFO, 1, device, name, uuid);
        if (folder_number(dir, "dm/suspended", &v))
            emit(e, &ACTIVE, v == 0, device, name);
        if (folder_number(dir, "size", &v))
            emit(e, &SIZE, v * SECTOR, device, name);
        give_paths(e, dir, device, name);
    }
    folder_done(&devices);
    return any ? 0 : why_set(why, ERR_NOENT, "there is no multipath device");
}

const struct collector_ops dmmultipath_collector = {.run = run};
