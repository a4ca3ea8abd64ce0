/* What drivers of network interfaces tell: themselves, the link, and counters of their own naming.
 *
 * A counter "rx_queue_0_bytes" becomes node_ethtool_received_queue_0_bytes; where two names become
 * one, neither is given. */
#include "collect/collector.h"

#include <ctype.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/map.h"
#include "base/mem.h"
#include "collect/folder.h"

enum { COUNTERS_MAX = 16384, NAME_MAX_BYTES = 3 * ETH_GSTRING_LEN };
static const double MEGABIT = 1e6 / 8; /* bytes */

#define OF_DEVICE(name, help)                                                                      \
    {                                                                                              \
        "node_network_" name, METRIC_GAUGE, help,                                                  \
        {                                                                                          \
            "device"                                                                               \
        }                                                                                          \
    }

static const struct family INFO = {
    "node_ethtool_info",
    METRIC_GAUGE,
    "The driver; always 1.",
    {"bus_info", "device", "driver", "expansion_rom_version", "firmware_version", "version"}};
static const struct family COUNTER = {
    "node_ethtool_*", METRIC_UNKNOWN, "The driver's counter *.", {"device"}};
static const struct family NEGOTIATES =
    OF_DEVICE("autonegotiate", "Does the port negotiate? 1 or 0.");
static const struct family PORT = {"node_network_supported_port_info",
                                   METRIC_GAUGE,
                                   "A kind of port that the interface has; always 1.",
                                   {"device", "type"}};
static const struct family SPEEDS[] = {
    {"node_network_supported_speed_bytes",
     METRIC_GAUGE,
     "A speed that the port can have.",
     {"device", "duplex", "mode"}},
    {"node_network_advertised_speed_bytes",
     METRIC_GAUGE,
     "A speed that the port offers.",
     {"device", "duplex", "mode"}},
};
/* A bit of the masks of modes, and what it says: of what is supported, of what is offered. */
static const struct {
    unsigned bit;
    struct family families[2];
} ABILITIES[] = {
    {ETHTOOL_LINK_MODE_Pause_BIT,
     {OF_DEVICE("pause_supported", "Can the port pause? 1 or 0."),
      OF_DEVICE("pause_advertised", "Does the port offer to pause? 1 or 0.")}},
    {ETHTOOL_LINK_MODE_Asym_Pause_BIT,
     {OF_DEVICE("asymmetricpause_supported", "Can the port pause one way? 1 or 0."),
      OF_DEVICE("asymmetricpause_advertised", "Does the port offer to? 1 or 0.")}},
    {ETHTOOL_LINK_MODE_Autoneg_BIT,
     {OF_DEVICE("autonegotiate_supported", "Can the port negotiate? 1 or 0."),
      OF_DEVICE("autonegotiate_advertised", "Does the port offer to? 1 or 0.")}},
};
static const struct {
    unsigned bit;
    const char *name;
} PORTS[] = {
    {ETHTOOL_LINK_MODE_TP_BIT, "TP"},   {ETHTOOL_LINK_MODE_AUI_BIT, "AUI"},
    {ETHTOOL_LINK_MODE_MII_BIT, "MII"}, {ETHTOOL_LINK_MODE_FIBRE_BIT, "FIBRE"},
    {ETHTOOL_LINK_MODE_BNC_BIT, "BNC"}, {ETHTOOL_LINK_MODE_Backplane_BIT, "Backplane"},
};
static const struct {
    unsigned bit, megabits;
    const char *duplex, *mode;
} MODES[] = {
    {0, 10, "half", "10baseT"},           {1, 10, "full", "10baseT"},
    {2, 100, "half", "100baseT"},         {3, 100, "full", "100baseT"},
    {4, 1000, "half", "1000baseT"},       {5, 1000, "full", "1000baseT"},
    {12, 10000, "full", "10000baseT"},    {15, 2500, "full", "2500baseX"},
    {17, 1000, "full", "1000baseKX"},     {18, 10000, "full", "10000baseKX4"},
    {19, 10000, "full", "10000baseKR"},   {20, 10000, "full", "10000baseR_FEC"},
    {21, 20000, "full", "20000baseMLD2"}, {22, 20000, "full", "20000baseKR2"},
    {23, 40000, "full", "40000baseKR4"},  {24, 40000, "full", "40000baseCR4"},
    {25, 40000, "full", "40000baseSR4"},  {26, 40000, "full", "40000baseLR4"},
    {27, 56000, "full", "56000baseKR4"},  {28, 56000, "full", "56000baseCR4"},
    {29, 56000, "full", "56000baseSR4"},  {30, 56000, "full", "56000baseLR4"},
    {31, 25000, "full", "25000baseCR"},
};

static bool ask(int fd, const char *device, void *question)
{
    struct ifreq request = {0};
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", device);
    request.ifr_data = question;
    return ioctl(fd, SIOCETHTOOL, &request) == 0;
}

static struct str text_of(const char *p, size_t size)
{
    return str_of(p, strnlen(p, size));
}

static bool give_driver(struct emit *e, int fd, const char *device)
{
    struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
    if (!ask(fd, device, &info))
        return false;
    emit(e, &INFO, 1, text_of(info.bus_info, sizeof info.bus_info), str_c(device),
         text_of(info.driver, sizeof info.driver),
         text_of(info.erom_version, sizeof info.erom_version),
         text_of(info.fw_version, sizeof info.fw_version),
         text_of(info.version, sizeof info.version));
    return true;
}

static bool give_link(struct emit *e, int fd, const char *device)
{
    struct ethtool_cmd link = {.cmd = ETHTOOL_GSET};
    struct str name = str_c(device);
    if (!ask(fd, device, &link))
        return false;
    const uint32_t masks[] = {link.supported, link.advertising};
    emit(e, &NEGOTIATES, link.autoneg, name);
    for (size_t i = 0; i < COUNTOF(PORTS); i++)
        if (link.supported >> PORTS[i].bit & 1)
            emit(e, &PORT, 1, name, str_c(PORTS[i].name));
    for (size_t k = 0; k < COUNTOF(masks); k++) {
        for (size_t i = 0; i < COUNTOF(ABILITIES); i++)
            emit(e, &ABILITIES[i].families[k], masks[k] >> ABILITIES[i].bit & 1, name);
        for (size_t i = 0; i < COUNTOF(MODES); i++)
            if (masks[k] >> MODES[i].bit & 1)
                emit(e, &SPEEDS[k], MODES[i].megabits * MEGABIT, name, str_c(MODES[i].duplex),
                     str_c(MODES[i].mode));
    }
    return true;
}

/* Words between underscores: rx and tx in full. A word that follows one that was replaced shares
 * its underscore with it and stays, as in the exporter. */
static void spell_out(struct str in, struct str word, struct str full, struct buf *out)
{
    size_t at = 0;
    bool begins = true;
    while (at < in.n) {
        size_t end = at + word.n;
        if (begins && str_starts(str_sub(in, at, in.n), word) &&
            (end == in.n || in.p[end] == '_')) {
            buf_put_str(out, full);
            if (end < in.n)
                buf_put_c(out, '_');
            at = end + 1;
            begins = false;
            continue;
        }
        begins = in.p[at] == '_';
        buf_put_c(out, in.p[at++]);
    }
}

/* Lower case; a run of what is no letter, digit or underscore, with the underscores around it, is
 * one underscore. */
static struct str name_of(struct str counter, char bytes[NAME_MAX_BYTES])
{
    char plain[ETH_GSTRING_LEN + 1], received[NAME_MAX_BYTES];
    struct buf clean = {plain, 0, sizeof plain, sizeof plain, false};
    struct buf half = {received, 0, sizeof received, sizeof received, false};
    struct buf whole = {bytes, 0, NAME_MAX_BYTES, NAME_MAX_BYTES, false};
    for (size_t i = 0; i < counter.n;) {
        size_t run = i;
        bool odd = false;
        while (run < counter.n && !isalnum((unsigned char)counter.p[run]))
            odd = counter.p[run++] != '_' || odd;
        if (odd)
            buf_put_c(&clean, '_');
        else
            buf_put_str(&clean, str_sub(counter, i, run));
        if (run < counter.n)
            buf_put_c(&clean, (char)tolower((unsigned char)counter.p[run++]));
        i = run;
    }
    struct str name = buf_str(&clean);
    while (str_starts(name, STR("_")))
        name = str_sub(name, 1, name.n);
    spell_out(name, STR("rx"), STR("received"), &half);
    spell_out(buf_str(&half), STR("tx"), STR("transmitted"), &whole);
    return buf_str(&whole);
}

static void give_named(struct emit *e, const char *device, const struct ethtool_gstrings *names,
                       const struct ethtool_stats *stats, size_t n)
{
    struct map uses;
    map_init(&uses, 1);
    char bytes[NAME_MAX_BYTES];
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < n; i++) {
            const char *counter = (const char *)names->data + i * ETH_GSTRING_LEN;
            struct str name = name_of(text_of(counter, ETH_GSTRING_LEN), bytes);
            if (name.n == 0)
                continue;
            if (pass == 0)
                map_put(&uses, name, NULL)->u++;
            else if (map_get(&uses, name)->u == 1)
                emit(e, &COUNTER, (double)stats->data[i], name, str_c(device));
        }
    }
    map_done(&uses);
}

/* How many counters the driver has. */
static uint32_t counters_of(int fd, const char *device)
{
    uint64_t bytes[(sizeof(struct ethtool_sset_info) + sizeof(uint32_t) + 7) / 8] = {0};
    struct ethtool_sset_info *set = (struct ethtool_sset_info *)bytes;
    set->cmd = ETHTOOL_GSSET_INFO;
    set->sset_mask = 1ULL << ETH_SS_STATS;
    return ask(fd, device, set) && set->sset_mask ? set->data[0] : 0;
}

static bool give_counters(struct emit *e, int fd, const char *device)
{
    uint32_t n = counters_of(fd, device);
    if (n == 0 || n > COUNTERS_MAX)
        return false;
    struct ethtool_gstrings *names = mem_new(sizeof *names + (size_t)n * ETH_GSTRING_LEN);
    struct ethtool_stats *stats = mem_new(sizeof *stats + (size_t)n * sizeof stats->data[0]);
    *names =
        (struct ethtool_gstrings){.cmd = ETHTOOL_GSTRINGS, .string_set = ETH_SS_STATS, .len = n};
    *stats = (struct ethtool_stats){.cmd = ETHTOOL_GSTATS, .n_stats = n};
    bool good = ask(fd, device, names) && ask(fd, device, stats);
    if (good)
        give_named(e, device, names, stats, MIN(MIN(names->len, stats->n_stats), n));
    mem_free(names);
    mem_free(stats);
    return good;
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)state;
    char path[FOLDER_PATH];
    struct folder devices;
    folder_path(path, "%s/class/net", host->sys);
    int err = folder_list(path, "", &devices);
    if (err)
        return why_set(why, (enum err) - err, "%s cannot be read", path);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        folder_done(&devices);
        return why_set(why, ERR_IO, "no socket: %s", strerror(errno));
    }
    bool any = false;
    for (size_t i = 0; i < devices.n; i++) {
        any |= give_driver(e, fd, devices.v[i]);
        any |= give_link(e, fd, devices.v[i]);
        any |= give_counters(e, fd, devices.v[i]);
    }
    close(fd);
    folder_done(&devices);
    return any ? 0 : why_set(why, ERR_NOENT, "no driver tells anything");
}

const struct collector_ops ethtool_collector = {.run = run};
