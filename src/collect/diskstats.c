/* Reads, writes, discards and flushes of each block device. */
#include "collect/collector.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/vec.h"
#include "collect/filter.h"
#include "collect/pseudo.h"

#define COUNTER(name, help)                                                                        \
    {                                                                                              \
        "node_disk_" name, METRIC_COUNTER, help,                                                   \
        {                                                                                          \
            "device"                                                                               \
        }                                                                                          \
    }
enum { SECTOR = 512 }; /* bytes, whatever the device's own sectors are */

/* The columns of /proc/diskstats behind the name; older kernels have fewer. */
static const struct {
    struct family family;
    double unit;
} COLUMNS[] = {
    {COUNTER("reads_completed_total", "Reads done."), 1},
    {COUNTER("reads_merged_total", "Reads that were joined to others."), 1},
    {COUNTER("read_bytes_total", "Bytes read."), SECTOR},
    {COUNTER("read_time_seconds_total", "Time that all reads took."), 1e-3},
    {COUNTER("writes_completed_total", "Writes done."), 1},
    {COUNTER("writes_merged_total", "Writes that were joined to others."), 1},
    {COUNTER("written_bytes_total", "Bytes written."), SECTOR},
    {COUNTER("write_time_seconds_total", "Time that all writes took."), 1e-3},
    {{"node_disk_io_now", METRIC_GAUGE, "Operations in flight.", {"device"}}, 1},
    {COUNTER("io_time_seconds_total", "Time that some operation was in flight."), 1e-3},
    {COUNTER("io_time_weighted_seconds_total", "Time in flight of all operations together."), 1e-3},
    {COUNTER("discards_completed_total", "Discards done."), 1},
    {COUNTER("discards_merged_total", "Discards that were joined to others."), 1},
    {COUNTER("discarded_sectors_total", "Sectors discarded."), 1},
    {COUNTER("discard_time_seconds_total", "Time that all discards took."), 1e-3},
    {COUNTER("flush_requests_total", "Flushes done."), 1},
    {COUNTER("flush_requests_time_seconds_total", "Time that all flushes took."), 1e-3},
};
enum { COLUMNS_N = COUNTOF(COLUMNS), COLUMNS_MIN = 11 };

static const struct family INFO = {
    "node_disk_info",
    METRIC_GAUGE,
    "What udev knows of the device; always 1.",
    {"device", "major", "minor", "path", "wwn", "model", "serial", "revision"}};

/* What udev calls the last five. */
static const struct str UDEV_KEYS[] = {STR("ID_PATH"), STR("ID_WWN"), STR("ID_MODEL"),
                                       STR("ID_SERIAL_SHORT"), STR("ID_REVISION")};
enum { UDEV_N = COUNTOF(UDEV_KEYS), UDEV_SERIAL = 3, UDEV_MAX = 8192, WORD_MAX = 32 };

struct device {
    char major[WORD_MAX], minor[WORD_MAX];
    char *udev[UDEV_N]; /* owned */
};

struct state {
    struct pseudo file;
    struct filter ignored;
    struct map devices; /* by "major minor name": struct device */
};

static int open_state(const struct collector_host *host, void **ret, struct why *why)
{
    struct state *s = mem_new(sizeof *s);
    int err = filter_init(&s->ignored, host->settings->disk_devices_ignored, why);
    if (err) {
        mem_free(s);
        return err;
    }
    pseudo_init(&s->file, host->proc, "/diskstats");
    map_init(&s->devices, 1);
    *ret = s;
    return 0;
}

static void close_state(void *state)
{
    struct state *s = state;
    size_t at = 0;
    for (struct map_slot *slot; (slot = map_next(&s->devices, &at));) {
        struct device *d = slot->value.p;
        for (size_t i = 0; i < UDEV_N; i++)
            mem_free(d->udev[i]);
        mem_free(d);
    }
    map_done(&s->devices);
    filter_done(&s->ignored);
    pseudo_done(&s->file);
    mem_free(s);
}

/* Fills d->udev from a text of "E:KEY=value" lines; what is missing is "". */
static void read_udev(const struct collector_host *host, struct device *d)
{
    char path[PSEUDO_SMALL], room[UDEV_MAX];
    struct str text = {0}, line, serial = {0}, found[UDEV_N] = {{0}};
    snprintf(path, sizeof path, "%s/run/udev/data/b%s:%s", host->root, d->major, d->minor);
    if (pseudo_peek(path, room, sizeof room, &text))
        text = STR(""); /* no udev here */
    while (pseudo_line(&text, &line)) {
        size_t equals = str_find(line, '=');
        struct str key = str_sub(line, 2, equals), value = str_sub(line, equals + 1, line.n);
        if (!str_starts(line, STR("E:")))
            continue;
        for (size_t i = 0; i < UDEV_N; i++)
            if (str_eq(key, UDEV_KEYS[i]))
                found[i] = value;
        if (str_eq(key, STR("SCSI_IDENT_SERIAL")) || (str_eq(key, STR("ID_SERIAL")) && !serial.n))
            serial = value;
    }
    if (found[UDEV_SERIAL].n == 0)
        found[UDEV_SERIAL] = serial;
    for (size_t i = 0; i < UDEV_N; i++)
        d->udev[i] = mem_text(found[i].p, found[i].n);
}

static void copy(char out[WORD_MAX], struct str s)
{
    size_t n = MIN(s.n, (size_t)WORD_MAX - 1);
    memcpy(out, s.p, n);
    out[n] = 0;
}

/* id is "major minor name" as in the file. */
static const struct device *device_of(struct state *s, const struct collector_host *host,
                                      struct str id, struct str major, struct str minor)
{
    bool is_new;
    union map_value *v = map_put(&s->devices, id, &is_new);
    if (is_new) {
        struct device *d = mem_new(sizeof *d);
        copy(d->major, major);
        copy(d->minor, minor);
        read_udev(host, d);
        v->p = d;
    }
    return v->p;
}

static void give(struct state *s, const struct collector_host *host, struct emit *e,
                 struct str line)
{
    struct str start = line, major, minor, name;
    uint64_t v[COLUMNS_N];
    size_t n = 0;
    if (!str_word(&line, &major) || !str_word(&line, &minor) || !str_word(&line, &name) ||
        filter_match(&s->ignored, name))
        return;
    struct str id = str_of(start.p, (size_t)(name.p + name.n - start.p));
    while (n < COLUMNS_N && pseudo_u64(&line, &v[n]))
        n++;
    if (n < COLUMNS_MIN)
        return; /* cut off, or a partition of a kernel before 2.6.25 */
    const struct device *d = device_of(s, host, id, major, minor);
    emit(e, &INFO, 1, name, str_c(d->major), str_c(d->minor), str_c(d->udev[0]), str_c(d->udev[1]),
         str_c(d->udev[2]), str_c(d->udev[3]), str_c(d->udev[4]));
    for (size_t i = 0; i < n; i++)
        emit(e, &COLUMNS[i].family, (double)v[i] * COLUMNS[i].unit, name);
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    struct state *s = state;
    struct str text, line;
    int err = pseudo_read(&s->file, &text, why);
    if (err)
        return err;
    while (pseudo_line(&text, &line))
        give(s, host, e, line);
    return 0;
}

const struct collector_ops diskstats_collector = {
    .open = open_state, .run = run, .close = close_state};
