/* Tape drives, from /sys/class/scsi_tape/stN/stats. */
#include "collect/collector.h"

#include <string.h>

#include "collect/folder.h"

#define ROW(file, unit, name, type, help)                                                          \
    {                                                                                              \
        "stats/" file, unit,                                                                       \
        {                                                                                          \
            "node_tape_" name, type, help,                                                         \
            {                                                                                      \
                "device"                                                                           \
            }                                                                                      \
        }                                                                                          \
    }

static const struct folder_row ROWS[] = {
    ROW("in_flight", 1, "io_now", METRIC_GAUGE, "Operations under way."),
    ROW("io_ns", 1e-9, "io_time_seconds_total", METRIC_COUNTER, "Time with operations under way."),
    ROW("other_cnt", 1, "io_others_total", METRIC_COUNTER, "Operations that move no data."),
    ROW("read_byte_cnt", 1, "read_bytes_total", METRIC_COUNTER, "Bytes read."),
    ROW("read_cnt", 1, "reads_completed_total", METRIC_COUNTER, "Reads done."),
    ROW("read_ns", 1e-9, "read_time_seconds_total", METRIC_COUNTER, "Time spent reading."),
    ROW("write_byte_cnt", 1, "written_bytes_total", METRIC_COUNTER, "Bytes written."),
    ROW("write_cnt", 1, "writes_completed_total", METRIC_COUNTER, "Writes done."),
    ROW("write_ns", 1e-9, "write_time_seconds_total", METRIC_COUNTER, "Time spent writing."),
    ROW("resid_cnt", 1, "residual_total", METRIC_COUNTER, "Transfers that fell short."),
};

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)state;
    char path[FOLDER_PATH], dir[FOLDER_PATH];
    struct folder devices;
    folder_path(path, "%s/class/scsi_tape", host->sys);
    if (folder_list(path, "st", &devices))
        return why_set(why, ERR_NOENT, "there is no tape drive");
    for (size_t i = 0; i < devices.n; i++) {
        const char *name = devices.v[i];
        const struct str device = str_c(name);
        /* st0a and the like are the same drive at other densities. */
        if (name[2] == 0 || strspn(name + 2, "0123456789") != strlen(name + 2))
            continue;
        folder_path(dir, "%s/%s", path, name);
        (void)folder_give(e, dir, ROWS, COUNTOF(ROWS), &device, 1); /* what is there */
    }
    folder_done(&devices);
    return 0;
}

const struct collector_ops tapestats_collector = {.run = run};
