#include "collect/settings.h"

#include <string.h>

#include "base/str.h"
#include "text/regex.h"

#define AT(member) offsetof(struct settings, member)

enum { DAY_MS = 24 * 60 * 60 * 1000, NAME_MAX_BYTES = 200 };

static const struct option ROWS[] = {
    {"enabled", OPTION_BOOL, AT(enabled), "true", 0, 0, NULL, 0, "Collect from this host."},
    {"job", OPTION_TEXT, AT(job), "node", 0, NAME_MAX_BYTES, NULL, 0,
     "Label job of all series of this host."},
    {"instance", OPTION_TEXT, AT(instance), "", 0, NAME_MAX_BYTES, NULL, 0,
     "Label instance of all series of this host; empty means the host's name."},
    {"only", OPTION_LIST, AT(only), "", 0, 0, NULL, 0,
     "Names of the collectors that run; empty means all."},
    {"disabled", OPTION_LIST, AT(disabled), "", 0, 0, NULL, 0,
     "Names of collectors that do not run."},
    {"deadline_ms", OPTION_INT, AT(deadline_ms), "2000", 10, 600000, NULL, 0,
     "A collector that takes longer for one run is left behind and reported as failed; the others "
     "go on, and it takes part again when it has come back."},
    {"filesystem_mounts_ignored", OPTION_TEXT, AT(filesystem_mounts_ignored),
     "/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/.*)", 0,
     REGEX_PATTERN_MAX, NULL, 0, "Regular expression of mount points that are left out."},
    {"filesystem_types_ignored", OPTION_TEXT, AT(filesystem_types_ignored),
     "autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|"
     "mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|sysfs|"
     "tracefs",
     0, REGEX_PATTERN_MAX, NULL, 0, "Regular expression of filesystem types that are left out."},
    {"filesystem_timeout_ms", OPTION_INT, AT(filesystem_timeout_ms), "500", 1, 60000, NULL, 0,
     "How long a mount may take to answer before it counts as hanging."},
    {"disk_devices_ignored", OPTION_TEXT, AT(disk_devices_ignored),
     "(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\\d+n\\d+p)\\d+", 0, REGEX_PATTERN_MAX, NULL, 0,
     "Regular expression of block devices that are left out."},
    {"network_devices_ignored", OPTION_TEXT, AT(network_devices_ignored), "", 0, REGEX_PATTERN_MAX,
     NULL, 0, "Regular expression of network interfaces that are left out."},
    {"netstat_fields", OPTION_TEXT, AT(netstat_fields),
     "(.*_(InErrors|InErrs)|Ip_Forwarding|Ip(6|Ext)_(InOctets|OutOctets)|Icmp6?_(InMsgs|OutMsgs)|"
     "TcpExt_(Listen.*|Syncookies.*|TCPSynRetrans|TCPTimeouts|TCPOFOQueue|TCPRcvQDrop)|"
     "Tcp_(ActiveOpens|InSegs|OutSegs|OutRsts|PassiveOpens|RetransSegs|CurrEstab)|"
     "Udp6?_(InDatagrams|OutDatagrams|NoPorts|RcvbufErrors|SndbufErrors))",
     0, REGEX_PATTERN_MAX, NULL, 0,
     "Regular expression of the protocol counters that are taken, as Protocol_Name."},
    {"vmstat_fields", OPTION_TEXT, AT(vmstat_fields), "(oom_kill|pgpg|pswp|pg.*fault).*", 0,
     REGEX_PATTERN_MAX, NULL, 0, "Regular expression of the rows of /proc/vmstat that are taken."},
    {"cpu_flags", OPTION_TEXT, AT(cpu_flags), "", 0, REGEX_PATTERN_MAX, NULL, 0,
     "Regular expression of the processor's features that the collector cpuinfo gives; empty means "
     "none."},
    {"cpu_bugs", OPTION_TEXT, AT(cpu_bugs), "", 0, REGEX_PATTERN_MAX, NULL, 0,
     "Regular expression of the processor's known faults that the collector cpuinfo gives; empty "
     "means none."},
    {"sysctl", OPTION_LIST, AT(sysctl), "", 0, 0, NULL, 0,
     "Kernel parameters whose numbers are given, \"kernel.threads-max\"; names for several numbers "
     "follow a colon, \"fs.file-nr:total,current,max\"."},
    {"sysctl_info", OPTION_LIST, AT(sysctl_info), "", 0, 0, NULL, 0,
     "Kernel parameters whose texts are given as labels, \"kernel.seccomp.actions_avail\"."},
    {"textfile_directory", OPTION_LIST, AT(textfile_directory), "", 0, 0, NULL, 0,
     "Folders whose files *.prom are read as metrics (text exposition format); a folder may be a "
     "pattern, \"/srv/*/metrics\"."},
    {"systemd_units", OPTION_TEXT, AT(systemd_units), ".+", 0, REGEX_PATTERN_MAX, NULL, 0,
     "Regular expression of the systemd units that are given one by one."},
    {"systemd_units_ignored", OPTION_TEXT, AT(systemd_units_ignored),
     ".+\\.(automount|device|mount|scope|slice|target)", 0, REGEX_PATTERN_MAX, NULL, 0,
     "Regular expression of the systemd units that are left out."},
    {"systemd_details", OPTION_BOOL, AT(systemd_details), "false", 0, 0, NULL, 0,
     "Give restarts, start time and tasks of each systemd unit, too; they are asked for one by "
     "one."},
    {"ntp_server", OPTION_TEXT, AT(ntp_server), "", 0, NAME_MAX_BYTES, NULL, 0,
     "Time server that the collector ntp asks, as an address with or without port "
     "(\"127.0.0.1\", \"[::1]:123\"); empty means none."},
    {"process_top_n", OPTION_INT, AT(process_top_n), "10", 0, SETTINGS_TOP_MAX, NULL, 0,
     "How many processes are shown by CPU and how many by memory. One that was shown stays until "
     "it is no longer among twice as many, so at most twice as many are shown."},
    {"gpu_nvml_library", OPTION_TEXT, AT(gpu_nvml_library), "libnvidia-ml.so.1", 0, 4000, NULL, 0,
     "NVIDIA's management library, a name or a path, which a helper program loads where there are "
     "NVIDIA cards or where another than the default is named; empty: none."},
    {"cgroup_max", OPTION_INT, AT(cgroup_max), "500", 1, 100000, NULL, 0,
     "Control groups that are watched at most, those nearest to the root first."},
};

const struct option_table settings_options = {
    "collect",     "What is collected from this host.", false, sizeof(struct settings), ROWS,
    COUNTOF(ROWS),
};

#define TEXT2(x) #x
#define TEXT(x)  TEXT2(x)
static const struct option INTERVAL_ROWS[] = {
#define COLLECTOR(name, interval, prose)                                                           \
    {#name,          OPTION_INT, offsetof(struct settings_intervals, ms[COLLECTOR_INDEX_##name]),  \
     TEXT(interval), 0,          DAY_MS,                                                           \
     NULL,           0,          prose},
#include "collect/collectors.tbl.h"
#undef COLLECTOR
};

const struct option_table settings_intervals_options = {
    "collect.interval_ms",
    "Milliseconds from one run of a collector to the next; 0 turns it off.",
    false,
    sizeof(struct settings_intervals),
    INTERVAL_ROWS,
    COUNTOF(INTERVAL_ROWS),
};

#define GROUP_AT(member) offsetof(struct settings_group, member)
static const struct option GROUP_ROWS[] = {
    {"name", OPTION_TEXT, GROUP_AT(name), "", 0, NAME_MAX_BYTES, NULL, 0,
     "Name of the group: label groupname."},
    {"comm", OPTION_LIST, GROUP_AT(comm), "", 0, 0, NULL, 0,
     "Names of processes, as ps -o comm shows them; one of them has to fit."},
    {"comm_regex", OPTION_TEXT, GROUP_AT(comm_regex), "", 0, REGEX_PATTERN_MAX, NULL, 0,
     "Regular expression for the name of the process."},
    {"cmdline_regex", OPTION_TEXT, GROUP_AT(cmdline_regex), "", 0, REGEX_PATTERN_MAX, NULL, 0,
     "Regular expression for the whole command line, arguments joined by blanks."},
};

const struct option_table settings_group_options = {
    "collect.process_group",
    "A named group of processes. A process belongs to the first group whose conditions all hold.",
    true,
    sizeof(struct settings_group),
    GROUP_ROWS,
    COUNTOF(GROUP_ROWS),
};

void settings_default(struct settings *ret)
{
    *ret = (struct settings){0};
    option_defaults(&settings_options, ret);
    option_defaults(&settings_intervals_options, &ret->intervals);
}

static bool known(const char *name)
{
    for (size_t i = 0; i < COUNTOF(INTERVAL_ROWS); i++)
        if (strcmp(INTERVAL_ROWS[i].key, name) == 0)
            return true;
    return false;
}

static int check_names(const struct option_list *list, const char *key, struct why *why)
{
    for (size_t i = 0; i < list->n; i++)
        if (!known(list->v[i]))
            return why_set(why, ERR_NOENT,
                           "collect.%s: there is no collector \"%s\"; the keys of "
                           "[collect.interval_ms] are their names",
                           key, list->v[i]);
    return 0;
}

static int check_regex(const char *pattern, const char *key, struct why *why)
{
    struct regex *re;
    int err = regex_new(str_c(pattern), &re, why);
    if (err) {
        (void)why_prefix(why, "collect.%s", key); /* err is returned below */
        return err;
    }
    regex_free(re);
    return 0;
}

static int check_group(const struct settings *s, size_t i, struct why *why)
{
    const struct settings_group *groups = s->groups.v, *g = &groups[i];
    if (g->name[0] == 0)
        return why_set(why, ERR_FORMAT, "collect.process_group %zu: it has no name", i + 1);
    for (size_t k = 0; k < i; k++)
        if (strcmp(groups[k].name, g->name) == 0)
            return why_set(why, ERR_EXISTS, "collect.process_group: \"%s\" is there twice",
                           g->name);
    if (g->comm.n == 0 && g->comm_regex[0] == 0 && g->cmdline_regex[0] == 0)
        return why_set(why, ERR_FORMAT,
                       "collect.process_group \"%s\": set comm, comm_regex or cmdline_regex",
                       g->name);
    int err = check_regex(g->comm_regex, "process_group.comm_regex", why);
    return err ? err : check_regex(g->cmdline_regex, "process_group.cmdline_regex", why);
}

int settings_check(const struct settings *s, struct why *why)
{
    const struct {
        const char *pattern, *key;
    } patterns[] = {
        {s->filesystem_mounts_ignored, "filesystem_mounts_ignored"},
        {s->filesystem_types_ignored, "filesystem_types_ignored"},
        {s->disk_devices_ignored, "disk_devices_ignored"},
        {s->network_devices_ignored, "network_devices_ignored"},
        {s->netstat_fields, "netstat_fields"},
        {s->vmstat_fields, "vmstat_fields"},
        {s->cpu_flags, "cpu_flags"},
        {s->cpu_bugs, "cpu_bugs"},
        {s->systemd_units, "systemd_units"},
        {s->systemd_units_ignored, "systemd_units_ignored"},
    };
    int err = check_names(&s->only, "only", why);
    if (!err)
        err = check_names(&s->disabled, "disabled", why);
    for (size_t i = 0; !err && i < COUNTOF(patterns); i++)
        err = check_regex(patterns[i].pattern, patterns[i].key, why);
    if (!err && s->groups.n > SETTINGS_GROUPS_MAX)
        err = why_set(why, ERR_LIMIT, "collect.process_group: more than %d groups",
                      SETTINGS_GROUPS_MAX);
    for (size_t i = 0; !err && i < s->groups.n; i++)
        err = check_group(s, i, why);
    return err;
}
