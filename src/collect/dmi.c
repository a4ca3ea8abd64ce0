/* What the firmware says of the machine (SMBIOS), from /sys/class/dmi/id. Serial numbers can be
 * read by root only. */
#include "collect/collector.h"

#include "collect/folder.h"

static const struct family INFO = {
    "node_dmi_info",
    METRIC_GAUGE,
    "The machine, as its firmware describes it; always 1.",
    {"bios_date",      "bios_release",   "bios_vendor",     "bios_version",    "board_asset_tag",
     "board_name",     "board_serial",   "board_vendor",    "board_version",   "chassis_asset_tag",
     "chassis_serial", "chassis_vendor", "chassis_version", "product_family",  "product_name",
     "product_serial", "product_sku",    "product_uuid",    "product_version", "system_vendor"}};
static const char *const FILES[] = {
    "bios_date",      "bios_release",   "bios_vendor",     "bios_version",    "board_asset_tag",
    "board_name",     "board_serial",   "board_vendor",    "board_version",   "chassis_asset_tag",
    "chassis_serial", "chassis_vendor", "chassis_version", "product_family",  "product_name",
    "product_serial", "product_sku",    "product_uuid",    "product_version", "sys_vendor"};

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)state;
    char dir[FOLDER_PATH], bytes[COUNTOF(FILES) * EMIT_VALUE_MAX];
    struct buf room = {bytes, 0, sizeof bytes, sizeof bytes, false};
    struct str values[COUNTOF(FILES)];
    folder_path(dir, "%s/class/dmi/id", host->sys);
    if (folder_texts(dir, FILES, COUNTOF(FILES), &room, values) == 0)
        return why_set(why, ERR_NOENT, "the firmware says nothing (no %s)", dir);
    emit_value(e, &INFO, 1, values, COUNTOF(FILES));
    return 0;
}

const struct collector_ops dmi_collector = {.run = run};
