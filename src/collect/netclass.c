/* State, speed, MTU and addresses of each interface. */
#include "collect/collector.h"

#include "base/mem.h"
#include "collect/filter.h"
#include "collect/sysdir.h"

#define NETWORK(name, type, help)                                                                  \
    {                                                                                              \
        "node_network_" name, type, help,                                                          \
        {                                                                                          \
            "device"                                                                               \
        }                                                                                          \
    }
static const double MEGABIT = 1e6 / 8; /* bytes */

/* A file of /sys/class/net/DEVICE that holds a number. */
static const struct {
    struct family family;
    double unit;
} NUMBERS[] = {
    {NETWORK("address_assign_type", METRIC_GAUGE, "Where the address comes from."), 1},
    {NETWORK("carrier", METRIC_GAUGE, "Is the link there? 1 or 0."), 1},
    {NETWORK("carrier_changes_total", METRIC_COUNTER, "Changes of the link."), 1},
    {NETWORK("carrier_up_changes_total", METRIC_COUNTER, "Times that the link came up."), 1},
    {NETWORK("carrier_down_changes_total", METRIC_COUNTER, "Times that the link went down."), 1},
    {NETWORK("device_id", METRIC_GAUGE, "dev_id of the interface."), 1},
    {NETWORK("dormant", METRIC_GAUGE, "Does the interface wait for an event? 1 or 0."), 1},
    {NETWORK("flags", METRIC_GAUGE, "Flags of the interface."), 1},
    {NETWORK("iface_id", METRIC_GAUGE, "Index of the interface."), 1},
    {NETWORK("iface_link", METRIC_GAUGE, "Index of the interface beneath."), 1},
    {NETWORK("iface_link_mode", METRIC_GAUGE, "Link mode of the interface."), 1},
    {NETWORK("mtu_bytes", METRIC_GAUGE, "Largest packet."), 1},
    {NETWORK("name_assign_type", METRIC_GAUGE, "Where the name comes from."), 1},
    {NETWORK("net_dev_group", METRIC_GAUGE, "Group of the interface."), 1},
    {NETWORK("speed_bytes", METRIC_GAUGE, "Speed, bytes a second; below 0: not known."), MEGABIT},
    {NETWORK("transmit_queue_length", METRIC_GAUGE, "Packets that the send queue holds."), 1},
    {NETWORK("protocol_type", METRIC_GAUGE, "ARPHRD type of the interface."), 1},
};
enum { NUMBERS_N = COUNTOF(NUMBERS), FLAGS = 7, FLAG_UP = 1 };

static const char *const ATTRS[] = {
    "addr_assign_type",
    "carrier",
    "carrier_changes",
    "carrier_up_count",
    "carrier_down_count",
    "dev_id",
    "dormant",
    "flags",
    "ifindex",
    "iflink",
    "link_mode",
    "mtu",
    "name_assign_type",
    "netdev_group",
    "speed",
    "tx_queue_len",
    "type",
    /* texts */
    "operstate",
    "address",
    "broadcast",
    "duplex",
    "ifalias",
};
enum { OPERSTATE = NUMBERS_N, ADDRESS, BROADCAST, DUPLEX, IFALIAS };
_Static_assert(COUNTOF(ATTRS) == IFALIAS + 1, "a file for each number and text");

static const struct family UP = {
    "node_network_up", METRIC_GAUGE, "Is the interface up (operstate)? 1 or 0.", {"device"}};
static const struct family INFO = {
    "node_network_info",
    METRIC_GAUGE,
    "What the kernel knows of the interface; always 1.",
    {"device", "address", "broadcast", "duplex", "operstate", "adminstate", "ifalias"}};

struct state {
    struct sysdir devices;
    struct filter ignored;
};

static int open_state(const struct collector_host *host, void **ret, struct why *why)
{
    struct state *s = mem_new(sizeof *s);
    int err = filter_init(&s->ignored, host->settings->network_devices_ignored, why);
    if (err) {
        mem_free(s);
        return err;
    }
    sysdir_init(&s->devices, host->sys, "/class/net", "", ATTRS, COUNTOF(ATTRS));
    *ret = s;
    return 0;
}

static void close_state(void *state)
{
    struct state *s = state;
    sysdir_done(&s->devices);
    filter_done(&s->ignored);
    mem_free(s);
}

/* The texts one behind the other in room; one that cannot be read is empty. */
static struct str text_of(const struct sysdir_device *d, size_t attr, struct buf *room)
{
    char small[PSEUDO_SMALL];
    struct str text;
    if (!sysdir_text(d, attr, small, &text))
        return STR("");
    size_t from = room->n;
    buf_put_str(room, text);
    return str_of(room->p + from, room->n - from);
}

static void give(struct emit *e, const struct sysdir_device *d)
{
    struct str name = str_c(d->name);
    double flags = 0;
    bool any = false;
    for (size_t i = 0; i < NUMBERS_N; i++) {
        double v;
        if (!sysdir_number(d, i, &v))
            continue; /* an interface that is down refuses some */
        emit(e, &NUMBERS[i].family, v * NUMBERS[i].unit, name);
        any = true;
        if (i == FLAGS)
            flags = v;
    }
    if (!any)
        return; /* bonding_masters, or gone meanwhile */
    char bytes[IFALIAS * EMIT_VALUE_MAX];
    struct buf room = {bytes, 0, sizeof bytes, sizeof bytes, false};
    struct str operstate = text_of(d, OPERSTATE, &room), address = text_of(d, ADDRESS, &room);
    struct str broadcast = text_of(d, BROADCAST, &room), duplex = text_of(d, DUPLEX, &room);
    struct str alias = text_of(d, IFALIAS, &room);
    bool admin_up = (unsigned)flags & FLAG_UP;
    emit(e, &UP, str_eq(operstate, STR("up")), name);
    emit(e, &INFO, 1, name, address, broadcast, duplex, operstate,
         admin_up ? STR("up") : STR("down"), alias);
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)host;
    struct state *s = state;
    int err = sysdir_scan(&s->devices, why);
    if (err)
        return err;
    for (size_t i = 0; i < s->devices.n; i++)
        if (!filter_match(&s->ignored, str_c(s->devices.v[i].name)))
            give(e, &s->devices.v[i]);
    return 0;
}

const struct collector_ops netclass_collector = {
    .open = open_state, .run = run, .close = close_state};
