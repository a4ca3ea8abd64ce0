/* Space, devices and commits of Btrfs file systems, from /sys/fs/btrfs. */
#include "collect/collector.h"

#include <string.h>

#include "base/buf.h"
#include "collect/folder.h"

enum { SECTOR = 512 };

static const struct family INFO = {
    "node_btrfs_info", METRIC_GAUGE, "The file system's label; always 1.", {"uuid", "label"}};
static const struct family DEVICE = {"node_btrfs_device_size_bytes",
                                     METRIC_GAUGE,
                                     "Size of a device of the file system.",
                                     {"uuid", "device"}};
static const struct family RATIO = {"node_btrfs_allocation_ratio",
                                    METRIC_GAUGE,
                                    "Bytes on disk for each byte of data, by the layout.",
                                    {"uuid", "block_group_type", "mode"}};
static const struct folder_row WHOLE[] = {
    {"allocation/global_rsv_size",
     1,
     {"node_btrfs_global_rsv_size_bytes", METRIC_GAUGE, "Global reserve.", {"uuid"}}},
};
static const struct folder_row GROUP[] = {
    {"bytes_reserved",
     1,
     {"node_btrfs_reserved_bytes",
      METRIC_GAUGE,
      "Bytes reserved in block groups of the type.",
      {"uuid", "block_group_type"}}},
};
static const struct folder_row LAYOUT[] = {
    {"used_bytes",
     1,
     {"node_btrfs_used_bytes",
      METRIC_GAUGE,
      "Bytes used by the layout.",
      {"uuid", "block_group_type", "mode"}}},
    {"total_bytes",
     1,
     {"node_btrfs_size_bytes",
      METRIC_GAUGE,
      "Bytes allocated to the layout.",
      {"uuid", "block_group_type", "mode"}}},
};

/* Rows of commit_stats. */
static const struct {
    struct str key;
    double unit;
    struct family family;
} COMMITS[] = {
    {STR("commits"),
     1,
     {"node_btrfs_commits_total", METRIC_COUNTER, "Commits of the file system.", {"uuid"}}},
    {STR("last_commit_ms"),
     1e-3,
     {"node_btrfs_last_commit_seconds", METRIC_GAUGE, "How long the last one took.", {"uuid"}}},
    {STR("max_commit_ms"),
     1e-3,
     {"node_btrfs_max_commit_seconds", METRIC_GAUGE, "How long the longest took.", {"uuid"}}},
    {STR("total_commit_ms"),
     1e-3,
     {"node_btrfs_commit_seconds_total", METRIC_COUNTER, "How long all took.", {"uuid"}}},
};

/* Bytes on disk for a byte of data; parity layouts spread over all devices. */
static double ratio_of(const char *mode, double devices)
{
    static const struct {
        const char *mode;
        double ratio;
    } COPIES[] = {{"single", 1}, {"raid0", 1},   {"dup", 2},    {"raid1", 2},
                  {"raid10", 2}, {"raid1c3", 3}, {"raid1c4", 4}};
    for (size_t i = 0; i < COUNTOF(COPIES); i++)
        if (strcmp(mode, COPIES[i].mode) == 0)
            return COPIES[i].ratio;
    if (strcmp(mode, "raid5") == 0 && devices > 1)
        return devices / (devices - 1);
    if (strcmp(mode, "raid6") == 0 && devices > 2)
        return devices / (devices - 2);
    return 0;
}

static void give_group(struct emit *e, const char *fs, const char *type, struct str uuid,
                       double devices)
{
    char path[FOLDER_PATH], dir[FOLDER_PATH];
    struct folder modes;
    folder_path(path, "%s/allocation/%s", fs, type);
    if (folder_list(path, "", &modes))
        return;
    (void)folder_give(e, path, GROUP, COUNTOF(GROUP), (const struct str[]){uuid, str_c(type)}, 2);
    for (size_t i = 0; i < modes.n; i++) {
        const struct str values[] = {uuid, str_c(type), str_c(modes.v[i])};
        folder_path(dir, "%s/%s", path, modes.v[i]);
        if (folder_give(e, dir, LAYOUT, COUNTOF(LAYOUT), values, 3) > 0)
            emit_value(e, &RATIO, ratio_of(modes.v[i], devices), values, 3);
    }
    folder_done(&modes);
}

static double give_devices(struct emit *e, const char *fs, struct str uuid)
{
    char path[FOLDER_PATH], dir[FOLDER_PATH];
    struct folder devices;
    folder_path(path, "%s/devices", fs);
    if (folder_list(path, "", &devices))
        return 0;
    for (size_t i = 0; i < devices.n; i++) {
        double sectors;
        folder_path(dir, "%s/%s", path, devices.v[i]);
        if (folder_number(dir, "size", &sectors))
            emit(e, &DEVICE, sectors * SECTOR, uuid, str_c(devices.v[i]));
    }
    double n = (double)devices.n;
    folder_done(&devices);
    return n;
}

static void give_commits(struct emit *e, const char *fs, struct str uuid)
{
    char room[PSEUDO_SMALL];
    struct str text, line, key;
    if (!folder_text(fs, "commit_stats", room, &text))
        return;
    while (pseudo_line(&text, &line)) {
        uint64_t v;
        if (!str_word(&line, &key) || !pseudo_u64(&line, &v))
            continue;
        for (size_t i = 0; i < COUNTOF(COMMITS); i++)
            if (str_eq(key, COMMITS[i].key))
                emit(e, &COMMITS[i].family, (double)v * COMMITS[i].unit, uuid);
    }
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)state;
    static const char *const TYPES[] = {"data", "metadata", "system"};
    char path[FOLDER_PATH], fs[FOLDER_PATH], room[PSEUDO_SMALL];
    struct folder all;
    bool any = false;
    folder_path(path, "%s/fs/btrfs", host->sys);
    int err = folder_list(path, "", &all);
    if (err)
        return why_set(why, ERR_NOENT, "there is no Btrfs");
    for (size_t i = 0; i < all.n; i++) {
        struct str label;
        /* The rest (features) is the driver's; a UUID is 36 bytes. */
        folder_path(fs, "%s/%s", path, all.v[i]);
        if (!folder_text(fs, "label", room, &label) || strlen(all.v[i]) != 36)
            continue;
        struct str uuid = str_c(all.v[i]);
        any = true;
        emit(e, &INFO, 1, uuid, label);
        (void)folder_give(e, fs, WHOLE, COUNTOF(WHOLE), &uuid, 1); /* what is there */
        double devices = give_devices(e, fs, uuid);
        for (size_t k = 0; k < COUNTOF(TYPES); k++)
            give_group(e, fs, TYPES[k], uuid, devices);
        give_commits(e, fs, uuid);
    }
    folder_done(&all);
    return any ? 0 : why_set(why, ERR_NOENT, "there is no Btrfs");
}

const struct collector_ops btrfs_collector = {.run = run};
