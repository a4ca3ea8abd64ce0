/* Known faults of the processor and what the kernel does about them. */
#include "collect/collector.h"

#include "collect/folder.h"

static const struct family INFO = {"node_cpu_vulnerabilities_info",
                                   METRIC_GAUGE,
                                   "A fault of the processor; always 1.",
                                   {"codename", "state", "mitigation"}};

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)state;
    static const struct {
        struct str text, state;
    } STATES[] = {{STR("Not affected"), STR("not affected")},
                  {STR("Vulnerable"), STR("vulnerable")},
                  {STR("Mitigation"), STR("mitigation")}};
    char path[FOLDER_PATH], room[PSEUDO_SMALL];
    struct folder files;
    folder_path(path, "%s/devices/system/cpu/vulnerabilities", host->sys);
    if (folder_list(path, "", &files))
        return why_set(why, ERR_NOENT, "the kernel does not tell (no %s)", path);
    for (size_t i = 0; i < files.n; i++) {
        struct str text, what = STR("unknown"), mitigation = STR("");
        if (!folder_text(path, files.v[i], room, &text))
            continue;
        for (size_t k = 0; k < COUNTOF(STATES); k++) {
            if (!str_starts(text, STATES[k].text))
                continue;
            what = STATES[k].state;
            mitigation = str_sub(text, STATES[k].text.n, text.n);
            if (str_starts(mitigation, STR(":")))
                mitigation = str_trim(str_sub(mitigation, 1, mitigation.n));
        }
        emit(e, &INFO, 1, str_c(files.v[i]), what, mitigation);
    }
    folder_done(&files);
    return 0;
}

const struct collector_ops cpu_vulnerabilities_collector = {.run = run};
