/* TCP sockets by state, asked of the kernel (sock_diag), which does not make a text of each. */
#include "collect/collector.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <string.h>

#include "os/netlink.h"

static const struct family SOCKETS = {"node_tcp_connection_states",
                                      METRIC_GAUGE,
                                      "TCP sockets in the state, and bytes that wait in all.",
                                      {"state"}};

/* By the kernel's number. */
static const struct str STATES[] = {
    {NULL, 0},         STR("established"), STR("syn_sent"),  STR("syn_recv"),
    STR("fin_wait1"),  STR("fin_wait2"),   STR("time_wait"), STR("close"),
    STR("close_wait"), STR("last_ack"),    STR("listen"),    STR("closing"),
};

struct counts {
    double states[COUNTOF(STATES)], received, sent;
};

static void take(void *context, uint16_t type, struct str body)
{
    struct counts *c = context;
    struct inet_diag_msg socket;
    if (type != SOCK_DIAG_BY_FAMILY || body.n < sizeof socket)
        return;
    memcpy(&socket, body.p, sizeof socket);
    if (socket.idiag_state < COUNTOF(STATES))
        c->states[socket.idiag_state]++;
    c->received += socket.idiag_rqueue;
    c->sent += socket.idiag_wqueue;
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)state;
    (void)host;
    static const uint8_t FAMILIES[] = {AF_INET, AF_INET6};
    struct counts c = {0};
    int err = 0;
    for (size_t i = 0; !err && i < COUNTOF(FAMILIES); i++) {
        struct inet_diag_req_v2 question = {.sdiag_family = FAMILIES[i],
                                            .sdiag_protocol = IPPROTO_TCP,
                                            .idiag_states = (1U << COUNTOF(STATES)) - 1};
        err = netlink_list(NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, &question, sizeof question, take,
                           &c, why);
    }
    if (err)
        return err;
    for (size_t i = 1; i < COUNTOF(STATES); i++)
        if (c.states[i] > 0)
            emit(e, &SOCKETS, c.states[i], STATES[i]);
    emit(e, &SOCKETS, c.received, STR("rx_queued_bytes"));
    emit(e, &SOCKETS, c.sent, STR("tx_queued_bytes"));
    return 0;
}

const struct collector_ops tcpstat_collector = {.run = run};
