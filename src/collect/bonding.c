/* Bonded interfaces: how many slaves, how many of them up. */
#include "collect/collector.h"

#include "collect/folder.h"

static const struct family SLAVES = {
    "node_bonding_slaves", METRIC_GAUGE, "Interfaces that are bonded.", {"master"}};
static const struct family ACTIVE = {
    "node_bonding_active", METRIC_GAUGE, "Bonded interfaces whose link is up.", {"master"}};

static bool up(const char *net, struct str master, struct str slave)
{
    static const char *const LINKS[] = {"lower", "slave"};
    char dir[FOLDER_PATH], room[PSEUDO_SMALL];
    struct str text;
    for (size_t i = 0; i < COUNTOF(LINKS); i++) {
        folder_path(dir, "%s/" STR_FMT "/%s_" STR_FMT "/bonding_slave", net, STR_ARG(master),
                    LINKS[i], STR_ARG(slave));
        if (folder_text(dir, "mii_status", room, &text))
            return str_eq(text, STR("up"));
    }
    return false;
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)state;
    char net[FOLDER_PATH], dir[FOLDER_PATH], room[PSEUDO_SMALL], names[PSEUDO_SMALL];
    struct str masters, master, slaves, slave;
    folder_path(net, "%s/class/net", host->sys);
    if (!folder_text(net, "bonding_masters", room, &masters))
        return why_set(why, ERR_NOENT, "no interfaces are bonded");
    while (str_word(&masters, &master)) {
        double n = 0, active = 0;
        master = str_trim(master);
        folder_path(dir, "%s/" STR_FMT "/bonding", net, STR_ARG(master));
        if (!folder_text(dir, "slaves", names, &slaves))
            continue;
        for (; str_word(&slaves, &slave); n++)
            active += up(net, master, str_trim(slave));
        emit(e, &SLAVES, n, master);
        emit(e, &ACTIVE, active, master);
    }
    return 0;
}

const struct collector_ops bonding_collector = {.run = run};
