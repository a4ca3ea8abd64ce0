/* Software RAID, from /proc/mdstat and sysfs.
 *
 * A device takes three lines and more: "md0 : active raid1 sda1[0] sdb1[1]", its blocks and disks
 * "248896 blocks [2/2] [UU]", perhaps a bitmap, perhaps how far a rebuild is. */
#include "collect/collector.h"

#include "collect/folder.h"

static const struct family DISKS = {"node_md_disks",
                                    METRIC_GAUGE,
                                    "Disks of the device that are in the state.",
                                    {"device", "state"}};
static const struct family REQUIRED = {
    "node_md_disks_required", METRIC_GAUGE, "Disks that the device needs.", {"device"}};
static const struct family BLOCKS = {
    "node_md_blocks", METRIC_GAUGE, "Blocks of the device.", {"device"}};
static const struct family SYNCED = {
    "node_md_blocks_synced", METRIC_GAUGE, "Blocks that are in sync.", {"device"}};
static const struct family STATE = {
    "node_md_state", METRIC_GAUGE, "Is the device in the state? 1 or 0.", {"device", "state"}};
static const struct folder_row SYSFS[] = {
    {"md/raid_disks", 1, {"node_md_raid_disks", METRIC_GAUGE, "Disks in the set.", {"device"}}},
    {"md/degraded", 1, {"node_md_degraded", METRIC_GAUGE, "Disks that are missing.", {"device"}}},
};

struct device {
    struct str name, state, line;
    double total, active, size, synced;
};

static size_t count(struct str s, struct str what)
{
    size_t n = 0;
    for (size_t at; (at = str_search(s, what)) < s.n; n++)
        s = str_sub(s, at + what.n, s.n);
    return n;
}

static bool contains(struct str s, struct str what)
{
    return str_search(s, what) < s.n;
}

/* "248896 blocks super 1.2 [2/2] [UU]"; false where it is no such line. */
static bool read_status(struct device *d, struct str line)
{
    uint64_t size, total, active;
    struct str rest = line, part;
    if (!pseudo_u64(&rest, &size))
        return false;
    d->size = d->synced = (double)size;
    if (contains(d->line, STR("raid0")) || contains(d->line, STR("linear"))) {
        d->total = d->active = (double)count(d->line, STR("["));
        return true;
    }
    if (contains(d->line, STR("inactive")))
        return true;
    while (str_split(&rest, '[', &part)) {
        struct str inside = str_sub(part, 0, str_find(part, ']')), first;
        if (str_split(&inside, '/', &first) && str_u64(first, &total) && str_u64(inside, &active)) {
            d->total = (double)total;
            d->active = (double)active;
            return true;
        }
    }
    return false;
}

/* "[=>...] recovery = 8.5% (16775552/195310144) finish=17.0min speed=259783K/sec" */
static void read_sync(struct device *d, struct str line)
{
    if (contains(line, STR("recovery")))
        d->state = STR("recovering");
    else if (contains(line, STR("check")))
        d->state = STR("check");
    else if (contains(line, STR("resync")))
        d->state = STR("resync");
    else
        return;
    uint64_t v;
    struct str done = str_sub(line, str_find(line, '(') + 1, line.n);
    done = str_sub(done, 0, str_find(done, '/'));
    if (contains(line, STR("PENDING")) || contains(line, STR("DELAYED")))
        d->synced = 0;
    else if (str_u64(done, &v))
        d->synced = (double)v;
}

static void give(struct emit *e, const struct device *d)
{
    static const struct str STATES[] = {STR("active"), STR("inactive"), STR("recovering"),
                                        STR("resync"), STR("check")};
    emit(e, &DISKS, d->active, d->name, STR("active"));
    emit(e, &DISKS, (double)count(d->line, STR("(F)")), d->name, STR("failed"));
    emit(e, &DISKS, (double)count(d->line, STR("(S)")), d->name, STR("spare"));
    emit(e, &REQUIRED, d->total, d->name);
    emit(e, &BLOCKS, d->size, d->name);
    emit(e, &SYNCED, d->synced, d->name);
    for (size_t i = 0; i < COUNTOF(STATES); i++)
        emit(e, &STATE, str_eq(d->state, STATES[i]), d->name, STATES[i]);
}

/* One device, whose first line is in line; the lines that belong to it are taken off text. */
static void read_device(struct emit *e, struct str line, struct str *text)
{
    struct device d = {.line = line};
    struct str colon, next, rest = line;
    if (!str_word(&rest, &d.name) || !str_word(&rest, &colon) || !str_eq(colon, STR(":")) ||
        !str_word(&rest, &d.state))
        return;
    bool known = false;
    for (size_t i = 0; text->n && text->p[0] == ' ' && pseudo_line(text, &next); i++) {
        if (i == 0)
            known = read_status(&d, next);
        else if (!contains(next, STR("bitmap")))
            read_sync(&d, next);
    }
    if (known)
        give(e, &d);
}

static void give_sysfs(struct emit *e, const char *sys)
{
    char path[FOLDER_PATH], dir[FOLDER_PATH];
    struct folder devices;
    folder_path(path, "%s/block", sys);
    if (folder_list(path, "md", &devices))
        return;
    for (size_t i = 0; i < devices.n; i++) {
        const struct str name = str_c(devices.v[i]);
        folder_path(dir, "%s/%s", path, devices.v[i]);
        (void)folder_give(e, dir, SYSFS, COUNTOF(SYSFS), &name, 1); /* what is there */
    }
    folder_done(&devices);
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    struct str text, line;
    int err = pseudo_read(state, &text, why);
    if (err)
        return err;
    while (pseudo_line(&text, &line))
        if (line.n && line.p[0] != ' ' && !str_starts(line, STR("Personalities")) &&
            !str_starts(line, STR("unused")))
            read_device(e, line, &text);
    give_sysfs(e, host->sys);
    return 0;
}

const struct collector_ops mdadm_collector = {.file = "/mdstat", .run = run};
