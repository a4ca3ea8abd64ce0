/* SELinux: is it on, and does it enforce? */
#include "collect/collector.h"

#include "collect/folder.h"

static const struct family ENABLED = {
    "node_selinux_enabled", METRIC_GAUGE, "Is SELinux on? 1 or 0.", {NULL}};
static const struct family CONFIGURED = {"node_selinux_config_mode",
                                         METRIC_GAUGE,
                                         "Mode by the configuration: 1 enforces, 0 only warns, "
                                         "-1 off.",
                                         {NULL}};
static const struct family CURRENT = {
    "node_selinux_current_mode", METRIC_GAUGE, "Mode now: 1 enforces, 0 only warns.", {NULL}};

/* The row SELINUX= of the configuration. */
static double configured(const char *root)
{
    static const struct {
        struct str text;
        double mode;
    } MODES[] = {{STR("enforcing"), 1}, {STR("permissive"), 0}};
    char dir[FOLDER_PATH], room[PSEUDO_SMALL];
    struct str text, line, key;
    folder_path(dir, "%s/etc/selinux", root);
    if (!folder_text(dir, "config", room, &text))
        return -1;
    while (pseudo_line(&text, &line)) {
        if (!str_split(&line, '=', &key) || !str_eq(str_trim(key), STR("SELINUX")))
            continue;
        for (size_t i = 0; i < COUNTOF(MODES); i++)
            if (str_eq(str_trim(line), MODES[i].text))
                return MODES[i].mode;
    }
    return -1;
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)state;
    (void)why;
    char dir[FOLDER_PATH];
    double mode;
    folder_path(dir, "%s/fs/selinux", host->sys);
    bool enabled = folder_number(dir, "enforce", &mode);
    emit_plain(e, &ENABLED, enabled);
    if (!enabled)
        return 0;
    emit_plain(e, &CONFIGURED, configured(host->root));
    emit_plain(e, &CURRENT, mode);
    return 0;
}

const struct collector_ops selinux_collector = {.run = run};
