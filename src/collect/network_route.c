/* Routes, asked of the kernel (rtnetlink). */
#include "collect/collector.h"

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "os/netlink.h"

static const struct family INFO = {"node_network_route_info",
                                   METRIC_GAUGE,
                                   "A route; always 1.",
                                   {"device", "src", "dest", "gw", "priority", "proto", "weight"}};
static const struct family ROUTES = {
    "node_network_routes", METRIC_GAUGE, "Routes over the interface.", {"device"}};

/* Who made the route. */
static const struct {
    unsigned char number;
    const char *name;
} PROTOCOLS[] = {
    {RTPROT_UNSPEC, "unspec"}, {RTPROT_REDIRECT, "redirect"}, {RTPROT_KERNEL, "kernel"},
    {RTPROT_BOOT, "boot"},     {RTPROT_STATIC, "static"},     {RTPROT_GATED, "gated"},
    {RTPROT_RA, "ra"},         {RTPROT_MRT, "mrt"},           {RTPROT_ZEBRA, "zebra"},
    {RTPROT_BIRD, "bird"},     {RTPROT_DNROUTED, "dnrouted"}, {RTPROT_XORP, "xorp"},
    {RTPROT_NTK, "ntk"},       {RTPROT_DHCP, "dhcp"},         {RTPROT_MROUTED, "mrouted"},
    {RTPROT_BABEL, "babel"},
};

struct state {
    struct netlink_interface v[NETLINK_INTERFACES_MAX]; /* [n] */
    double routes[NETLINK_INTERFACES_MAX];
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

static const char *protocol_of(unsigned char number)
{
    for (size_t i = 0; i < COUNTOF(PROTOCOLS); i++)
        if (PROTOCOLS[i].number == number)
            return PROTOCOLS[i].name;
    return "unknown";
}

/* "" for an address that is not given. */
static const char *address_of(int family, struct str a, char room[INET6_ADDRSTRLEN])
{
    size_t n = family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);
    if (!a.p || a.n < n || !inet_ntop(family, a.p, room, INET6_ADDRSTRLEN))
        return "";
    return room;
}

static uint32_t number_of(struct str a)
{
    uint32_t v = 0;
    if (a.p && a.n >= sizeof v)
        memcpy(&v, a.p, sizeof v);
    return v;
}

static void give(struct state *s, const struct rtmsg *head, struct str attributes, int index,
                 struct str gateway, const char *weight)
{
    char src[INET6_ADDRSTRLEN], dest[INET6_ADDRSTRLEN], gw[INET6_ADDRSTRLEN], room[16];
    char target[INET6_ADDRSTRLEN + 8] = "default";
    const char *name = netlink_name(s->v, s->n, index);
    for (size_t i = 0; i < s->n; i++)
        if (s->v[i].index == index)
            s->routes[i]++;
    struct str destination = netlink_attribute(attributes, RTA_DST);
    if (destination.p)
        snprintf(target, sizeof target, "%s/%u", address_of(head->rtm_family, destination, dest),
                 head->rtm_dst_len);
    snprintf(room, sizeof room, "%u", number_of(netlink_attribute(attributes, RTA_PRIORITY)));
    emit(s->e, &INFO, 1, str_c(name),
         str_c(address_of(head->rtm_family, netlink_attribute(attributes, RTA_PREFSRC), src)),
         str_c(target), str_c(address_of(head->rtm_family, gateway, gw)), str_c(room),
         str_c(protocol_of(head->rtm_protocol)), str_c(weight));
}

/* Several ways of one route: each has a head, whose hops are its weight less one. */
static void give_ways(struct state *s, const struct rtmsg *head, struct str attributes,
                      struct str ways)
{
    struct rtnexthop way;
    while (ways.n >= sizeof way) {
        char weight[16];
        memcpy(&way, ways.p, sizeof way);
        if (way.rtnh_len < sizeof way || way.rtnh_len > ways.n)
            return;
        snprintf(weight, sizeof weight, "%u", way.rtnh_hops + 1U);
        struct str inside = str_sub(ways, sizeof way, way.rtnh_len);
        give(s, head, attributes, way.rtnh_ifindex, netlink_attribute(inside, RTA_GATEWAY), weight);
        ways = str_sub(ways, RTA_ALIGN((size_t)way.rtnh_len), ways.n);
    }
}

static void take(void *context, uint16_t type, struct str body)
{
    struct state *s = context;
    struct rtmsg head;
    if (type != RTM_NEWROUTE || body.n < sizeof head)
        return;
    memcpy(&head, body.p, sizeof head);
    if (head.rtm_type != RTN_UNICAST || (head.rtm_family != AF_INET && head.rtm_family != AF_INET6))
        return;
    struct str attributes = str_sub(body, NLMSG_ALIGN(sizeof head), body.n);
    uint32_t out = number_of(netlink_attribute(attributes, RTA_OIF));
    struct str ways = netlink_attribute(attributes, RTA_MULTIPATH);
    if (out)
        give(s, &head, attributes, (int)out, netlink_attribute(attributes, RTA_GATEWAY), "");
    else if (ways.p)
        give_ways(s, &head, attributes, ways);
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)host;
    struct state *s = state;
    struct rtmsg question = {.rtm_family = AF_UNSPEC};
    s->e = e;
    int err = netlink_interfaces(s->v, &s->n, why);
    if (err)
        return err;
    memset(s->routes, 0, sizeof s->routes);
    err = netlink_list(NETLINK_ROUTE, RTM_GETROUTE, &question, sizeof question, take, s, why);
    for (size_t i = 0; !err && i < s->n; i++)
        if (s->routes[i] > 0)
            emit(e, &ROUTES, s->routes[i], str_c(s->v[i].name));
    return err;
}

const struct collector_ops network_route_collector = {
    .open = open_state, .run = run, .close = close_state};
