/* PCI devices, their links and virtual functions, from /sys/bus/pci/devices. */
#include "collect/collector.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "collect/folder.h"

#define ROW(file, name, help)                                                                      \
    {                                                                                              \
        file, 1,                                                                                   \
        {                                                                                          \
            "node_pcidevice_" name, METRIC_GAUGE, help,                                            \
            {                                                                                      \
                "segment", "bus", "device", "function"                                             \
            }                                                                                      \
        }                                                                                          \
    }

static const struct folder_row ROWS[] = {
    ROW("max_link_width", "max_link_width", "Lanes that the device can use."),
    ROW("current_link_width", "current_link_width", "Lanes in use."),
    ROW("d3cold_allowed", "d3cold_allowed", "May it be turned off? 1 or 0."),
    ROW("sriov_drivers_autoprobe", "sriov_drivers_autoprobe",
        "Are drivers bound to virtual functions? 1 or 0."),
    ROW("sriov_numvfs", "sriov_numvfs", "Virtual functions."),
    ROW("sriov_totalvfs", "sriov_totalvfs", "Virtual functions that it can have."),
    ROW("sriov_vf_total_msix", "sriov_vf_total_msix", "Interrupts of virtual functions."),
};
static const struct folder_row SPEEDS[] = {
    ROW("max_link_speed", "max_link_transfers_per_second", "Fastest that the link can be."),
    ROW("current_link_speed", "current_link_transfers_per_second", "Speed of the link."),
};
static const struct family NODE = {"node_pcidevice_numa_node",
                                   METRIC_GAUGE,
                                   "NUMA node of the device.",
                                   {"segment", "bus", "device", "function"}};
static const struct family POWER = {"node_pcidevice_power_state",
                                    METRIC_GAUGE,
                                    "Is the device in the state? 1 or 0.",
                                    {"segment", "bus", "device", "function", "state"}};
static const struct family INFO = {"node_pcidevice_info",
                                   METRIC_GAUGE,
                                   "The device; always 1.",
                                   {"segment", "bus", "device", "function", "parent_segment",
                                    "parent_bus", "parent_device", "parent_function", "class_id",
                                    "vendor_id", "device_id", "subsystem_vendor_id",
                                    "subsystem_device_id", "revision"}};
static const char *const IDS[] = {
    "class", "vendor", "device", "subsystem_vendor", "subsystem_device", "revision"};
static const struct str STATES[] = {STR("D0"),     STR("D1"),      STR("D2"),   STR("D3hot"),
                                    STR("D3cold"), STR("unknown"), STR("error")};
enum { PLACE_N = 4 };

/* "0000:01:00.0" */
static bool place_of(struct str name, struct str ret[PLACE_N])
{
    return str_split(&name, ':', &ret[0]) && str_split(&name, ':', &ret[1]) &&
           str_split(&name, '.', &ret[2]) && name.p && (ret[3] = name).n == 1 && ret[2].n == 2;
}

/* The device that it hangs on is the folder above; the root's is no device. */
static void parent_of(const char *dir, char real[PATH_MAX], struct str ret[PLACE_N])
{
    for (size_t i = 0; i < PLACE_N; i++)
        ret[i] = STR("*");
    if (!realpath(dir, real))
        return;
    char *slash = strrchr(real, '/');
    if (!slash)
        return;
    *slash = 0;
    slash = strrchr(real, '/');
    struct str found[PLACE_N];
    if (slash && place_of(str_c(slash + 1), found))
        memcpy(ret, found, sizeof found);
}

static void give(struct emit *e, const char *dir, const char *name)
{
    char real[PATH_MAX], bytes[COUNTOF(IDS) * EMIT_VALUE_MAX], small[PSEUDO_SMALL];
    struct buf room = {bytes, 0, sizeof bytes, sizeof bytes, false};
    struct str values[2 * PLACE_N + COUNTOF(IDS)], text, word;
    double v;
    if (!place_of(str_c(name), values))
        return;
    parent_of(dir, real, values + PLACE_N);
    (void)folder_texts(dir, IDS, COUNTOF(IDS), &room, values + 2 * PLACE_N); /* missing are "" */
    emit_value(e, &INFO, 1, values, COUNTOF(values));
    (void)folder_give(e, dir, ROWS, COUNTOF(ROWS), values, PLACE_N); /* what is there */
    for (size_t i = 0; i < COUNTOF(SPEEDS); i++)
        if (folder_text(dir, SPEEDS[i].file, small, &text) && str_word(&text, &word) &&
            pseudo_parse(word, &v))
            emit_value(e, &SPEEDS[i].family, v * 1e9, values, PLACE_N); /* "8.0 GT/s PCIe" */
    if (folder_number(dir, "numa_node", &v) && v >= 0)
        emit_value(e, &NODE, v, values, PLACE_N);
    if (!folder_text(dir, "power_state", small, &text))
        return;
    for (size_t i = 0; i < COUNTOF(STATES); i++)
        emit(e, &POWER, str_eq(text, STATES[i]), values[0], values[1], values[2], values[3],
             STATES[i]);
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)state;
    char path[FOLDER_PATH], dir[FOLDER_PATH];
    struct folder devices;
    folder_path(path, "%s/bus/pci/devices", host->sys);
    if (folder_list(path, "", &devices))
        return why_set(why, ERR_NOENT, "there is no PCI");
    for (size_t i = 0; i < devices.n; i++) {
        folder_path(dir, "%s/%s", path, devices.v[i]);
        give(e, dir, devices.v[i]);
    }
    folder_done(&devices);
    return 0;
}

const struct collector_ops pcidevice_collector = {.run = run};
