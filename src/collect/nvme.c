/* NVMe controllers, from /sys/class/nvme. */
#include "collect/collector.h"

#include "collect/folder.h"

static const struct family INFO = {"node_nvme_info",
                                   METRIC_GAUGE,
                                   "The controller; always 1.",
                                   {"device", "firmware_revision", "model", "serial", "state"}};
static const char *const TEXTS[] = {"firmware_rev", "model", "serial", "state"};

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)state;
    char path[FOLDER_PATH], dir[FOLDER_PATH], bytes[COUNTOF(TEXTS) * EMIT_VALUE_MAX];
    struct folder devices;
    folder_path(path, "%s/class/nvme", host->sys);
    if (folder_list(path, "nvme", &devices))
        return why_set(why, ERR_NOENT, "there is no NVMe");
    for (size_t i = 0; i < devices.n; i++) {
        struct buf room = {bytes, 0, sizeof bytes, sizeof bytes, false};
        struct str values[1 + COUNTOF(TEXTS)] = {str_c(devices.v[i])};
        folder_path(dir, "%s/%s", path, devices.v[i]);
        if (folder_texts(dir, TEXTS, COUNTOF(TEXTS), &room, values + 1) > 0)
            emit_value(e, &INFO, 1, values, COUNTOF(values));
    }
    folder_done(&devices);
    return 0;
}

const struct collector_ops nvme_collector = {.run = run};
