/* Queues of the network interfaces, asked of the kernel (rtnetlink). */
#include "collect/collector.h"

#include <linux/gen_stats.h>
#include <linux/netlink.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "os/netlink.h"

#define QUEUE(name, type, help)                                                                    \
    {                                                                                              \
        "node_qdisc_" name, type, help,                                                            \
        {                                                                                          \
            "device", "kind"                                                                       \
        }                                                                                          \
    }

static const struct family BYTES = QUEUE("bytes_total", METRIC_COUNTER, "Bytes sent.");
static const struct family PACKETS = QUEUE("packets_total", METRIC_COUNTER, "Packets sent.");
static const struct family DROPS = QUEUE("drops_total", METRIC_COUNTER, "Packets dropped.");
static const struct family REQUEUES = QUEUE("requeues_total", METRIC_COUNTER, "Packets put back.");
static const struct family OVERLIMITS =
    QUEUE("overlimits_total", METRIC_COUNTER, "Packets that exceeded the limit.");
static const struct family LENGTH =
    QUEUE("current_queue_length", METRIC_GAUGE, "Packets in the queue.");
static const struct family BACKLOG = QUEUE("backlog", METRIC_GAUGE, "Bytes in the queue.");

struct state {
    struct netlink_interface v[NETLINK_INTERFACES_MAX]; /* [n] */
    size_t n;
    struct emit *e;
};

static int open_state(const struct collector_host *host, void **ret, struct why *why)
{
    (void)host;
    (void)why;
    *ret = mem_new(sizeof(struct state));
    return 0;
}

static void close_state(void *state)
{
    mem_free(state);
}

static void take(void *context, uint16_t type, struct str body)
{
    struct state *s = context;
    struct tcmsg head;
    if (type != RTM_NEWQDISC || body.n < sizeof head)
        return;
    memcpy(&head, body.p, sizeof head);
    if (head.tcm_parent != TC_H_ROOT && head.tcm_parent != 0)
        return; /* one of several within another */
    struct str attributes = str_sub(body, NLMSG_ALIGN(sizeof head), body.n);
    struct str kind = netlink_attribute(attributes, TCA_KIND);
    struct str stats = netlink_attribute(attributes, TCA_STATS2);
    struct str basic = netlink_attribute(stats, TCA_STATS_BASIC);
    struct str queue = netlink_attribute(stats, TCA_STATS_QUEUE);
    struct gnet_stats_basic sent = {0};
    struct gnet_stats_queue q = {0};
    if (!kind.p)
        return;
    /* The first twelve bytes: what follows is padding, which not every kernel sends. */
    memcpy(&sent, basic.p ? basic.p : "", MIN(basic.n, sizeof sent));
    memcpy(&q, queue.p ? queue.p : "", MIN(queue.n, sizeof q));
    kind = str_sub(kind, 0, strnlen(kind.p, kind.n));
    struct str device = str_c(netlink_name(s->v, s->n, head.tcm_ifindex));
    emit(s->e, &BYTES, (double)sent.bytes, device, kind);
    emit(s->e, &PACKETS, (double)sent.packets, device, kind);
    emit(s->e, &DROPS, (double)q.drops, device, kind);
    emit(s->e, &REQUEUES, (double)q.requeues, device, kind);
    emit(s->e, &OVERLIMITS, (double)q.overlimits, device, kind);
    emit(s->e, &LENGTH, (double)q.qlen, device, kind);
    emit(s->e, &BACKLOG, (double)q.backlog, device, kind);
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)host;
    struct state *s = state;
    struct tcmsg question = {.tcm_family = AF_UNSPEC};
    s->e = e;
    int err = netlink_interfaces(s->v, &s->n, why);
    if (err)
        return err;
    return netlink_list(NETLINK_ROUTE, RTM_GETQDISC, &question, sizeof question, take, s, why);
}

const struct collector_ops qdisc_collector = {.open = open_state, .run = run, .close = close_state};
