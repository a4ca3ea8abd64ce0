#include "collect/gpu_sysfs.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collect/gpu_emit.h"
#include "collect/pseudo.h"

enum { PATH_BYTES = 640, TEXT_BYTES = 128, VENDOR_AMD = 0x1002, VENDOR_INTEL = 0x8086 };

enum { PLACES_MAX = 8 /* sensors of temperature: temp1_input to temp8_input */ };

struct gpu_card {
    char card[PATH_BYTES];   /* /sys/class/drm/card0 */
    char folder[PATH_BYTES]; /* /sys/class/drm/card0/device */
    char hwmon[PATH_BYTES];  /* "" where there is none */
    struct str name;         /* "card0" */
    struct emit *e;
};

static bool read_number(const char *folder, const char *file, double *ret)
{
    char path[2 * PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    return pseudo_peek_number(path, ret) == 0;
}

static bool read_text(const char *folder, const char *file, char room[TEXT_BYTES], struct str *ret)
{
    char path[2 * PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    return pseudo_peek(path, room, TEXT_BYTES, ret) == 0;
}

/* v in another unit; a small one divides, as 42 / 100 is 0.42 and 42 * 0.01 is not. */
static double scaled(double v, double unit)
{
    return unit < 1 ? v / (1 / unit) : v * unit;
}

/* One file, one value. */
static void put_file(const struct gpu_card *c, const char *folder, const char *file, double unit,
                     enum gpu_field field, const char *argument)
{
    double v;
    if (read_number(folder, file, &v))
        gpu_emit_value(c->e, field, c->name, str_c(argument), scaled(v, unit));
}

/* The first of some files that is there. */
static void put_first(const struct gpu_card *c, const char *folder, const char *const *files,
                      double unit, enum gpu_field field, const char *argument)
{
    double v;
    for (; *files; files++)
        if (read_number(folder, *files, &v)) {
            gpu_emit_value(c->e, field, c->name, str_c(argument), scaled(v, unit));
            return;
        }
}

#define FIRST(...) ((const char *const[]){__VA_ARGS__, NULL})

/* ---- hwmon, which both have */

static void find_hwmon(struct gpu_card *c)
{
    char path[2 * PATH_BYTES];
    struct dirent *entry;
    snprintf(path, sizeof path, "%s/hwmon", c->folder);
    DIR *folder = opendir(path);
    while (folder != NULL && c->hwmon[0] == '\0' && (entry = readdir(folder)) != NULL)
        if (strncmp(entry->d_name, "hwmon", 5) == 0 &&
            snprintf(path, sizeof path, "%s/hwmon/%s", c->folder, entry->d_name) < PATH_BYTES)
            memcpy(c->hwmon, path, strlen(path) + 1);
    if (folder != NULL)
        closedir(folder);
}

static void put_temperatures(const struct gpu_card *c)
{
    char file[32], room[TEXT_BYTES];
    for (int i = 1; i <= PLACES_MAX; i++) {
        struct str label;
        snprintf(file, sizeof file, "temp%d_label", i);
        if (!read_text(c->hwmon, file, room, &label))
            label = STR("gpu");
        char argument[TEXT_BYTES];
        /* "pkg" and "edge" are what one names who has but one sensor */
        bool whole = str_eq(label, STR("edge")) || str_eq(label, STR("pkg"));
        snprintf(argument, sizeof argument, STR_FMT, STR_ARG(whole ? STR("gpu") : label));
        snprintf(file, sizeof file, "temp%d_input", i);
        put_file(c, c->hwmon, file, 1e-3, GPU_temperature, argument);
    }
}

static void put_hwmon(const struct gpu_card *c)
{
    double now, max;
    if (c->hwmon[0] == '\0')
        return;
    put_temperatures(c);
    put_first(c, c->hwmon, FIRST("power1_average", "power1_input"), 1e-6, GPU_power, "");
    put_first(c, c->hwmon, FIRST("power1_cap", "power1_max"), 1e-6, GPU_power_limit, "");
    put_file(c, c->hwmon, "energy1_input", 1e-6, GPU_energy, "");
    if (read_number(c->hwmon, "fan1_input", &now) && read_number(c->hwmon, "fan1_max", &max) &&
        max > 0)
        gpu_emit_value(c->e, GPU_fan, c->name, STR(""), now / max);
    else if (read_number(c->hwmon, "pwm1", &now))
        gpu_emit_value(c->e, GPU_fan, c->name, STR(""), now / 255);
}

/* ---- what one maker's driver has */

/* The greatest clock of a table such as "0: 500Mhz\n1: 2100Mhz *". */
static void put_clock_max(const struct gpu_card *c, const char *file, const char *argument)
{
    char path[2 * PATH_BYTES], room[PSEUDO_SMALL];
    struct str rest, line;
    double most = 0;
    snprintf(path, sizeof path, "%s/%s", c->folder, file);
    if (pseudo_peek(path, room, sizeof room, &rest) != 0)
        return;
    while (pseudo_line(&rest, &line)) {
        struct str value = str_trim(str_sub(line, str_find(line, ':') + 1, line.n));
        double mhz = strtod(value.n ? value.p : "0", NULL);
        most = mhz > most ? mhz : most;
    }
    if (most > 0)
        gpu_emit_value(c->e, GPU_clock_max, c->name, str_c(argument), most * 1e6);
}

static void put_amd(const struct gpu_card *c)
{
    put_file(c, c->folder, "gpu_busy_percent", 1e-2, GPU_utilization, "");
    put_file(c, c->folder, "mem_busy_percent", 1e-2, GPU_memory_utilization, "");
    put_file(c, c->folder, "vcn_busy_percent", 1e-2, GPU_encoder_utilization, "");
    put_file(c, c->folder, "mem_info_vram_used", 1, GPU_memory_used, "");
    put_file(c, c->folder, "mem_info_vram_total", 1, GPU_memory_total, "");
    put_file(c, c->folder, "mem_info_gtt_used", 1, GPU_host_memory_used, "");
    put_clock_max(c, "pp_dpm_sclk", "graphics");
    put_clock_max(c, "pp_dpm_mclk", "memory");
    if (c->hwmon[0] != '\0') {
        put_file(c, c->hwmon, "freq1_input", 1, GPU_clock, "graphics");
        put_file(c, c->hwmon, "freq2_input", 1, GPU_clock, "memory");
    }
}

/* i915 has reasons of throttling beside the clocks, xe in a folder. */
static void put_throttling(const struct gpu_card *c, const char *folder)
{
    static const struct {
        const char *i915, *xe, *reason;
    } REASONS[] = {
        {"throttle_reason_pl1", "throttle/reason_pl1", "software_power"},
        {"throttle_reason_pl2", "throttle/reason_pl2", "hardware"},
        {"throttle_reason_pl4", "throttle/reason_pl4", "power_brake"},
        {"throttle_reason_thermal", "throttle/reason_thermal", "hardware_thermal"},
        {"throttle_reason_prochot", "throttle/reason_prochot", "software_thermal"},
    };
    for (size_t i = 0; i < COUNTOF(REASONS); i++)
        put_first(c, folder, FIRST(REASONS[i].i915, REASONS[i].xe), 1, GPU_throttled,
                  REASONS[i].reason);
}

static void put_intel(const struct gpu_card *c)
{
    char gt[2 * PATH_BYTES];
    /* i915: card0/gt/gt0/rps_act_freq_mhz, older: card0/gt_act_freq_mhz; xe:
     * card0/device/tile0/gt0/freq0/act_freq */
    put_first(
        c, c->card,
        FIRST("gt/gt0/rps_act_freq_mhz", "gt_act_freq_mhz", "device/tile0/gt0/freq0/act_freq"), 1e6,
        GPU_clock, "graphics");
    put_first(
        c, c->card,
        FIRST("gt/gt0/rps_RP0_freq_mhz", "gt_RP0_freq_mhz", "device/tile0/gt0/freq0/rp0_freq"), 1e6,
        GPU_clock_max, "graphics");
    put_first(c, c->card, FIRST("gt/gt1/rps_act_freq_mhz", "device/tile0/gt1/freq0/act_freq"), 1e6,
              GPU_clock, "video");
    snprintf(gt, sizeof gt, "%s/gt/gt0", c->card);
    put_throttling(c, gt);
    snprintf(gt, sizeof gt, "%s/device/tile0/gt0/freq0", c->card);
    put_throttling(c, gt);
    put_file(c, c->folder, "tile0/physical_vram_size_bytes", 1, GPU_memory_total, "");
    put_file(c, c->card, "lmem_total_bytes", 1, GPU_memory_total, "");
}

/* ---- cards */

/* The last part of what a link points to. */
static struct str link_name(const char *folder, const char *link, char room[PATH_MAX])
{
    char path[2 * PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", folder, link);
    if (realpath(path, room) == NULL)
        return STR("");
    const char *slash = strrchr(room, '/');
    return str_c(slash == NULL ? room : slash + 1);
}

static void put_info(const struct gpu_card *c, const char *vendor)
{
    char pci[PATH_MAX], driver[PATH_MAX], name[TEXT_BYTES], uuid[TEXT_BYTES];
    struct gpu_emit_card info = {.card = c->name,
                                 .vendor = str_c(vendor),
                                 .name = STR(""),
                                 .uuid = STR(""),
                                 .pci = link_name(c->card, "device", pci),
                                 .driver = link_name(c->folder, "driver", driver)};
    if (!read_text(c->folder, "product_name", name, &info.name) || info.name.n == 0)
        (void)read_text(c->folder, "device", name, &info.name); /* "0x7480" */
    (void)read_text(c->folder, "unique_id", uuid, &info.uuid);
    gpu_emit_info(c->e, &info);
}

static bool put_card(const char *sys, const char *name, struct emit *e)
{
    struct gpu_card c = {.name = str_c(name), .e = e};
    double vendor;
    snprintf(c.card, sizeof c.card, "%s/class/drm/%s", sys, name);
    snprintf(c.folder, sizeof c.folder, "%s/class/drm/%s/device", sys, name);
    if (!read_number(c.folder, "vendor", &vendor) ||
        ((int)vendor != VENDOR_AMD && (int)vendor != VENDOR_INTEL))
        return false;
    find_hwmon(&c);
    bool amd = (int)vendor == VENDOR_AMD;
    put_info(&c, amd ? "amd" : "intel");
    if (amd)
        put_amd(&c);
    else
        put_intel(&c);
    put_hwmon(&c);
    return true;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* "card0", but not "card0-DP-1", which is a plug of it. */
static int is_card(const struct dirent *entry)
{
    return strncmp(entry->d_name, "card", 4) == 0 && strlen(entry->d_name) < 8 &&
           strspn(entry->d_name + 4, "0123456789") == strlen(entry->d_name + 4);
}

size_t gpu_sysfs_run(const char *sys, struct emit *e)
{
    char path[PATH_BYTES];
    struct dirent **entries;
    size_t cards = 0;
    snprintf(path, sizeof path, "%s/class/drm", sys);
    int n = scandir(path, &entries, is_card, by_name);
    for (int i = 0; i < n; i++) {
        cards += put_card(sys, entries[i]->d_name, e);
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
    return cards;
}
