/* Hardware watchdogs, from /sys/class/watchdog. */
#include "collect/collector.h"

#include "collect/folder.h"

#define ROW(file, name, help)                                                                      \
    {                                                                                              \
        file, 1,                                                                                   \
        {                                                                                          \
            "node_watchdog_" name, METRIC_GAUGE, help,                                             \
            {                                                                                      \
                "name"                                                                             \
            }                                                                                      \
        }                                                                                          \
    }

static const struct folder_row ROWS[] = {
    ROW("access_cs0", "access_cs0", "Does it boot from the second flash? 1 or 0."),
    ROW("bootstatus", "bootstatus", "Why the machine began."),
    ROW("fw_version", "fw_version", "Version of its firmware."),
    ROW("nowayout", "nowayout", "Can it not be stopped? 1 or 0."),
    ROW("pretimeout", "pretimeout_seconds", "Warning that long before the end."),
    ROW("timeleft", "timeleft_seconds", "Time until it resets the machine."),
    ROW("timeout", "timeout_seconds", "Time without a sign of life that it allows."),
};
static const struct family INFO = {
    "node_watchdog_info",
    METRIC_GAUGE,
    "The watchdog; always 1.",
    {"name", "identity", "options", "pretimeout_governor", "state", "status"}};
static const char *const TEXTS[] = {"identity", "options", "pretimeout_governor", "state",
                                    "status"};

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)state;
    char path[FOLDER_PATH], dir[FOLDER_PATH], bytes[COUNTOF(TEXTS) * EMIT_VALUE_MAX];
    struct folder all;
    folder_path(path, "%s/class/watchdog", host->sys);
    if (folder_list(path, "watchdog", &all))
        return why_set(why, ERR_NOENT, "there is no watchdog");
    for (size_t i = 0; i < all.n; i++) {
        struct buf room = {bytes, 0, sizeof bytes, sizeof bytes, false};
        struct str values[1 + COUNTOF(TEXTS)] = {str_c(all.v[i])};
        folder_path(dir, "%s/%s", path, all.v[i]);
        (void)folder_texts(dir, TEXTS, COUNTOF(TEXTS), &room, values + 1); /* missing are "" */
        emit_value(e, &INFO, 1, values, COUNTOF(values));
        (void)folder_give(e, dir, ROWS, COUNTOF(ROWS), values, 1); /* what is there */
    }
    folder_done(&all);
    return 0;
}

const struct collector_ops watchdog_collector = {.run = run};
