/* Energy of packages, cores and memory (RAPL), from /sys/class/powercap. Since Linux 5.10 only
 * root may read it. */
#include "collect/collector.h"

#include <stdio.h>

#include "collect/folder.h"

static const struct family JOULES = {"node_rapl_*_joules_total",
                                     METRIC_COUNTER,
                                     "Energy that the zone * has used.",
                                     {"index", "path"}};
enum { ZONES_MAX = 256 };

struct zone {
    char name[64];
    unsigned n; /* zones of that name so far */
};

/* "package-1" is number 1 of package; others are numbered as they come. */
static unsigned number_of(struct zone *seen, size_t *seen_n, char name[64])
{
    char *dash = NULL;
    size_t dashes = 0;
    for (char *p = name; *p; p++)
        if (*p == '-' && ++dashes)
            dash = p;
    uint64_t v;
    if (dashes == 1 && str_u64(str_c(dash + 1), &v)) {
        *dash = 0;
        return (unsigned)v;
    }
    for (char *p = name; *p; p++)
        if (*p == '-' || *p == ' ')
            *p = '_';
    for (size_t i = 0; i < *seen_n; i++)
        if (str_eq(str_c(seen[i].name), str_c(name)))
            return seen[i].n++;
    snprintf(seen[*seen_n].name, sizeof seen->name, "%s", name);
    seen[(*seen_n)++].n = 1;
    return 0;
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)state;
    char path[FOLDER_PATH], dir[FOLDER_PATH], room[PSEUDO_SMALL];
    struct zone seen[ZONES_MAX];
    struct folder zones;
    size_t seen_n = 0;
    bool any = false;
    folder_path(path, "%s/class/powercap", host->sys);
    if (folder_list(path, "", &zones))
        return why_set(why, ERR_NOENT, "energy is not counted (no powercap)");
    for (size_t i = 0; i < zones.n && i < ZONES_MAX; i++) {
        char name[64], digits[16];
        struct str text;
        double microjoules;
        folder_path(dir, "%s/%s", path, zones.v[i]);
        if (!folder_text(dir, "name", room, &text))
            continue;
        snprintf(name, sizeof name, STR_FMT, STR_ARG(text));
        snprintf(digits, sizeof digits, "%u", number_of(seen, &seen_n, name));
        if (!folder_number(dir, "energy_uj", &microjoules))
            continue;
        any = true;
        emit(e, &JOULES, microjoules / 1e6, str_c(name), str_c(digits), str_c(dir));
    }
    folder_done(&zones);
    return any ? 0 : why_set(why, ERR_NOENT, "energy is not counted, or only for root");
}

const struct collector_ops rapl_collector = {.run = run};
