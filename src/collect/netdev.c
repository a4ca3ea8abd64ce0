/* Bytes, packets, errors and drops of each interface. */
#include "collect/collector.h"

#include "base/mem.h"
#include "collect/filter.h"
#include "collect/sysdir.h"

#define RECEIVE(name, help)                                                                        \
    {                                                                                              \
        "node_network_receive_" name "_total", METRIC_COUNTER, help,                               \
        {                                                                                          \
            "device"                                                                               \
        }                                                                                          \
    }
#define TRANSMIT(name, help)                                                                       \
    {                                                                                              \
        "node_network_transmit_" name "_total", METRIC_COUNTER, help,                              \
        {                                                                                          \
            "device"                                                                               \
        }                                                                                          \
    }

/* The columns of /proc/net/dev. */
static const struct family COLUMNS[] = {
    RECEIVE("bytes", "Bytes received."),
    RECEIVE("packets", "Packets received."),
    RECEIVE("errs", "Packets received with errors."),
    RECEIVE("drop", "Packets received and dropped."),
    RECEIVE("fifo", "Overruns of the receive queue."),
    RECEIVE("frame", "Framing errors received."),
    RECEIVE("compressed", "Compressed packets received."),
    RECEIVE("multicast", "Multicast packets received."),
    TRANSMIT("bytes", "Bytes sent."),
    TRANSMIT("packets", "Packets sent."),
    TRANSMIT("errs", "Packets that could not be sent."),
    TRANSMIT("drop", "Packets dropped before they were sent."),
    TRANSMIT("fifo", "Overruns of the send queue."),
    TRANSMIT("colls", "Collisions."),
    TRANSMIT("carrier", "Losses of the carrier."),
    TRANSMIT("compressed", "Compressed packets sent."),
};
static const struct family NOHANDLER =
    RECEIVE("nohandler", "Packets received that no protocol wanted.");
enum { COLUMNS_N = COUNTOF(COLUMNS) };

static const char *const ATTRS[] = {"statistics/rx_nohandler"};

struct state {
    struct pseudo file;
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
    pseudo_init(&s->file, host->proc, "/net/dev");
    sysdir_init(&s->devices, host->sys, "/class/net", "", ATTRS, COUNTOF(ATTRS));
    *ret = s;
    return 0;
}

static void close_state(void *state)
{
    struct state *s = state;
    pseudo_done(&s->file);
    sysdir_done(&s->devices);
    filter_done(&s->ignored);
    mem_free(s);
}

/* "  eth0: 1 2 3 ...": there may be no blank behind the colon, and a name may hold one. */
static void give(struct state *s, struct emit *e, struct str line)
{
    size_t colon = line.n;
    while (colon > 0 && line.p[colon - 1] != ':')
        colon--;
    if (colon == 0)
        return; /* titles */
    struct str name = str_trim(str_sub(line, 0, colon - 1)), rest = str_sub(line, colon, line.n);
    uint64_t v[COLUMNS_N];
    for (size_t i = 0; i < COLUMNS_N; i++)
        if (!pseudo_u64(&rest, &v[i]))
            return;
    if (name.n == 0 || filter_match(&s->ignored, name))
        return;
    for (size_t i = 0; i < COLUMNS_N; i++)
        emit(e, &COLUMNS[i], (double)v[i], name);
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)host;
    struct state *s = state;
    struct str text, line;
    int err = pseudo_read(&s->file, &text, why);
    if (err)
        return err;
    while (pseudo_line(&text, &line))
        give(s, e, line);
    if (sysdir_scan(&s->devices, NULL))
        return 0; /* no /sys: without the one counter that is only there */
    for (size_t i = 0; i < s->devices.n; i++) {
        struct str name = str_c(s->devices.v[i].name);
        double v;
        if (!filter_match(&s->ignored, name) && sysdir_number(&s->devices.v[i], 0, &v))
            emit(e, &NOHANDLER, v, name);
    }
    return 0;
}

const struct collector_ops netdev_collector = {
    .open = open_state, .run = run, .close = close_state};
