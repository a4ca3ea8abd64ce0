/* Kernel samepage merging, from /sys/kernel/mm/ksm. */
#include "collect/collector.h"

#include "collect/folder.h"

#define ROW(file, unit, name, type, help)                                                          \
    {                                                                                              \
        file, unit,                                                                                \
        {                                                                                          \
            "node_ksmd_" name, type, help,                                                         \
            {                                                                                      \
                NULL                                                                               \
            }                                                                                      \
        }                                                                                          \
    }

static const struct folder_row ROWS[] = {
    ROW("full_scans", 1, "full_scans_total", METRIC_COUNTER, "Times that all was scanned."),
    ROW("general_profit", 1, "general_profit_bytes", METRIC_GAUGE, "Memory saved."),
    ROW("merge_across_nodes", 1, "merge_across_nodes", METRIC_GAUGE, "Merge across nodes?"),
    ROW("pages_shared", 1, "pages_shared", METRIC_GAUGE, "Pages that are shared."),
    ROW("pages_sharing", 1, "pages_sharing", METRIC_GAUGE, "Places that share them."),
    ROW("pages_to_scan", 1, "pages_to_scan", METRIC_GAUGE, "Pages scanned at a time."),
    ROW("pages_unshared", 1, "pages_unshared", METRIC_GAUGE, "Pages that are unique."),
    ROW("pages_volatile", 1, "pages_volatile", METRIC_GAUGE, "Pages that change too fast."),
    ROW("run", 1, "run", METRIC_GAUGE, "Does it run? 1; 0: no; 2: no, and all is unmerged."),
    ROW("sleep_millisecs", 1e-3, "sleep_seconds", METRIC_GAUGE, "Pause between scans."),
};

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)state;
    char dir[FOLDER_PATH];
    folder_path(dir, "%s/kernel/mm/ksm", host->sys);
    if (folder_give(e, dir, ROWS, COUNTOF(ROWS), NULL, 0) == 0)
        return why_set(why, ERR_NOENT, "the kernel merges no pages (no %s)", dir);
    return 0;
}

const struct collector_ops ksmd_collector = {.run = run};
