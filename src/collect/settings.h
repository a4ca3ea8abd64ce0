/* collect/settings.h - what can be set about collecting, with its option tables.
 *
 * Three tables: [collect], [collect.interval_ms] with a key for each collector, and the repeated
 * [[collect.process_group]]. conf fills the structs, settings_check() judges what one row alone
 * cannot.
 *
 * Threads: plain data; borrowed by the runner until it is freed.
 */
#ifndef COLLECT_SETTINGS_H
#define COLLECT_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/option.h"

enum {
#define COLLECTOR(name, interval, prose) COLLECTOR_INDEX_##name,
#include "collect/collectors.tbl.h"
#undef COLLECTOR
    COLLECTORS_N
};

enum {
    SETTINGS_TOP_MAX = 100,    /* processes in the top lists at most */
    SETTINGS_GROUPS_MAX = 100, /* process groups at most */
};

/* One [[collect.process_group]]: a process belongs to the first group of which all given
 * conditions hold. */
struct settings_group {
    const char *name;          /* label groupname */
    struct option_list comm;   /* names as in /proc/PID/stat; any of them */
    const char *comm_regex;    /* "" for none; anchored */
    const char *cmdline_regex; /* "" for none; anchored, arguments joined by blanks */
};

struct settings_intervals {
    int64_t ms[COLLECTORS_N]; /* 0: off */
};

struct settings {
    bool enabled;
    const char *job, *instance; /* instance "" is the host's name */
    struct option_list only;    /* empty: all */
    struct option_list disabled;
    int64_t deadline_ms; /* for one run of one collector */
    const char *filesystem_mounts_ignored, *filesystem_types_ignored; /* regular expressions */
    int64_t filesystem_timeout_ms;
    const char *disk_devices_ignored, *network_devices_ignored;
    const char *netstat_fields, *vmstat_fields;
    const char *cpu_flags, *cpu_bugs;                  /* regular expressions; "" for none */
    struct option_list sysctl, sysctl_info;            /* kernel parameters, see sysctl.c */
    struct option_list textfile_directory;             /* folders, or patterns (glob) of folders */
    const char *systemd_units, *systemd_units_ignored; /* regular expressions */
    bool systemd_details;                              /* restarts, start times and tasks too */
    const char *ntp_server; /* "HOST" or "HOST:PORT", an address; "" for none */
    int64_t process_top_n;
    int64_t cgroup_max; /* cgroups that are watched at most */
    const char *gpu_nvml_library;
    struct settings_intervals intervals;
    struct option_rows groups; /* of struct settings_group */
};

/* Offsets of rows are into struct settings, those of settings_intervals_options into struct
 * settings_intervals, those of settings_group_options into struct settings_group. */
extern const struct option_table settings_options;
extern const struct option_table settings_intervals_options;
extern const struct option_table settings_group_options;

/* The defaults of the tables, as conf would fill them. Texts are constant, lists empty. */
void settings_default(struct settings *ret);

/* Names of collectors known, expressions well-formed, groups named once and with a condition? */
MUST_USE int settings_check(const struct settings *s, struct why *why);

#endif
