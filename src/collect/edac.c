/* Errors of memory, from /sys/devices/system/edac: by controller, row and channel. */
#include "collect/collector.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "collect/folder.h"

static const struct folder_row CONTROLLER[] = {
    {"ce_count",
     1,
     {"node_edac_correctable_errors_total",
      METRIC_COUNTER,
      "Memory errors that were corrected.",
      {"controller"}}},
    {"ue_count",
     1,
     {"node_edac_uncorrectable_errors_total",
      METRIC_COUNTER,
      "Memory errors that were not.",
      {"controller"}}},
};
static const struct family ROW[] = {
    {"node_edac_csrow_correctable_errors_total",
     METRIC_COUNTER,
     "Memory errors of the row that were corrected.",
     {"controller", "csrow"}},
    {"node_edac_csrow_uncorrectable_errors_total",
     METRIC_COUNTER,
     "Memory errors of the row that were not.",
     {"controller", "csrow"}},
};
static const struct family CHANNEL[] = {
    {"node_edac_channel_correctable_errors_total",
     METRIC_COUNTER,
     "Memory errors of the channel that were corrected.",
     {"controller", "csrow", "channel", "dimm_label"}},
    {"node_edac_channel_uncorrectable_errors_total",
     METRIC_COUNTER,
     "Memory errors of the channel that were not.",
     {"controller", "csrow", "channel", "dimm_label"}},
};
static const char *const OF_ROW[] = {"ce_count", "ue_count"};
static const char *const OF_NO_ROW[] = {"ce_noinfo_count", "ue_noinfo_count"};
enum { KINDS = 2, CHANNELS_MAX = 64 };

static void give_channels(struct emit *e, const char *dir, struct str controller, struct str row)
{
    for (unsigned channel = 0; channel < CHANNELS_MAX; channel++) {
        char file[32], digits[16], room[PSEUDO_SMALL];
        struct str label = STR("");
        snprintf(file, sizeof file, "ch%u_dimm_label", channel);
        if (!folder_text(dir, file, room, &label))
            label = STR("");
        snprintf(digits, sizeof digits, "%u", channel);
        bool any = false;
        for (size_t i = 0; i < KINDS; i++) {
            double v;
            snprintf(file, sizeof file, i == 0 ? "ch%u_ce_count" : "ch%u_ue_count", channel);
            if (!folder_number(dir, file, &v))
                continue;
            emit(e, &CHANNEL[i], v, controller, row, str_c(digits), label);
            any = true;
        }
        if (!any)
            return;
    }
}

static void give_controller(struct emit *e, const char *dir, const char *name)
{
    char path[FOLDER_PATH];
    struct str controller = str_c(name + 2);
    struct folder rows;
    double v;
    (void)folder_give(e, dir, CONTROLLER, COUNTOF(CONTROLLER), &controller, 1); /* what is there */
    for (size_t i = 0; i < KINDS; i++)
        if (folder_number(dir, OF_NO_ROW[i], &v))
            emit(e, &ROW[i], v, controller, STR("unknown"));
    if (folder_list(dir, "csrow", &rows))
        return;
    for (size_t k = 0; k < rows.n; k++) {
        struct str row = str_c(rows.v[k] + 5);
        folder_path(path, "%s/%s", dir, rows.v[k]);
        for (size_t i = 0; i < KINDS; i++)
            if (folder_number(path, OF_ROW[i], &v))
                emit(e, &ROW[i], v, controller, row);
        give_channels(e, path, controller, row);
    }
    folder_done(&rows);
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)state;
    char path[FOLDER_PATH], dir[FOLDER_PATH];
    struct folder controllers;
    folder_path(path, "%s/devices/system/edac/mc", host->sys);
    if (folder_list(path, "mc", &controllers))
        return why_set(why, ERR_NOENT, "memory errors are not counted (no EDAC)");
    for (size_t i = 0; i < controllers.n; i++) {
        if (!isdigit((unsigned char)controllers.v[i][2]))
            continue;
        folder_path(dir, "%s/%s", path, controllers.v[i]);
        give_controller(e, dir, controllers.v[i]);
    }
    folder_done(&controllers);
    return 0;
}

const struct collector_ops edac_collector = {.run = run};
