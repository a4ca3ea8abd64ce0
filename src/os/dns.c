#include "os/dns.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <resolv.h>
#include <stdatomic.h>
#include <string.h>

enum { ANSWER_MAX = 65535, TRIES = 2, TIMEOUT_S = 5 };

static _Atomic uint16_t test_port;

void dns_ask(uint16_t port)
{
    atomic_store(&test_port, port);
}

static const ns_type TYPES[] = {
    [DNS_A] = ns_t_a,   [DNS_AAAA] = ns_t_aaaa, [DNS_MX] = ns_t_mx,
    [DNS_NS] = ns_t_ns, [DNS_SRV] = ns_t_srv,
};

static void use_test_server(res_state state)
{
    uint16_t port = atomic_load(&test_port);
    if (port == 0)
        return;
    state->nscount = 1;
    state->nsaddr_list[0] = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    state->retrans = 1;
}

/* Where a record's name begins in its data; -1 where the data are too short. */
static int name_offset(enum dns_type type, const ns_rr *rr)
{
    int offset = type == DNS_MX ? 2 : type == DNS_SRV ? 6 : 0;
    return ns_rr_rdlen(*rr) > offset ? offset : -1;
}

static bool take_address(const ns_rr *rr, int family, size_t size, struct arena *a,
                         struct dns_record *ret)
{
    char text[INET6_ADDRSTRLEN];
    if (ns_rr_rdlen(*rr) != size || !inet_ntop(family, ns_rr_rdata(*rr), text, sizeof text))
        return false;
    ret->text = arena_str(a, str_c(text));
    return true;
}

static bool take(const ns_msg *m, const ns_rr *rr, enum dns_type type, struct arena *a,
                 struct dns_record *ret)
{
    char name[NS_MAXDNAME];
    if (type == DNS_A)
        return take_address(rr, AF_INET, 4, a, ret);
    if (type == DNS_AAAA)
        return take_address(rr, AF_INET6, 16, a, ret);
    int offset = name_offset(type, rr);
    if (offset < 0 || ns_name_uncompress(ns_msg_base(*m), ns_msg_end(*m), ns_rr_rdata(*rr) + offset,
                                         name, sizeof name) < 0)
        return false;
    if (type == DNS_SRV)
        ret->port = (uint16_t)ns_get16(ns_rr_rdata(*rr) + 4);
    ret->text = arena_str(a, str_c(name));
    return true;
}

static int read_answer(const unsigned char *bytes, int n, enum dns_type type, struct arena *a,
                       struct dns_record **ret, size_t *ret_n)
{
    ns_msg m;
    if (ns_initparse(bytes, n, &m) != 0)
        return -ERR_FORMAT;
    int count = ns_msg_count(m, ns_s_an);
    struct dns_record *records = arena_array(a, (size_t)count + 1, sizeof *records);
    size_t found = 0;
    for (int i = 0; i < count; i++) {
        ns_rr rr;
        if (ns_parserr(&m, ns_s_an, i, &rr) != 0)
            return -ERR_FORMAT;
        if (ns_rr_type(rr) != TYPES[type]) /* the alias that led here */
            continue;
        if (!take(&m, &rr, type, a, &records[found]))
            return -ERR_FORMAT;
        found++;
    }
    *ret = records;
    *ret_n = found;
    return 0;
}

static int refuse(const char *name, int reason, struct why *why)
{
    switch (reason) {
    case TRY_AGAIN:
        return why_set(why, ERR_TIMEOUT, "could not resolve \"%s\": no name server answered", name);
    default:
        return why_set(why, ERR_CLOSED, "could not resolve \"%s\": the name servers refused", name);
    }
}

int dns_lookup(const char *name, enum dns_type type, struct arena *a, struct dns_record **ret,
               size_t *ret_n, struct why *why)
{
    struct __res_state state;
    memset(&state, 0, sizeof state);
    if (res_ninit(&state) != 0)
        return why_set(why, ERR_IO, "/etc/resolv.conf cannot be read");
    state.retry = TRIES;
    state.retrans = TIMEOUT_S;
    use_test_server(&state);
    unsigned char *bytes = arena_raw(a, ANSWER_MAX);
    int n = res_nsearch(&state, name, ns_c_in, (int)TYPES[type], bytes, ANSWER_MAX);
    int reason = state.res_h_errno, err;
    res_nclose(&state);
    if (n < 0 && (reason == HOST_NOT_FOUND || reason == NO_DATA)) {
        *ret_n = 0;
        return 0;
    }
    if (n < 0)
        return refuse(name, reason, why);
    err = read_answer(bytes, n < ANSWER_MAX ? n : ANSWER_MAX, type, a, ret, ret_n);
    if (err)
        why_set(why, ERR_FORMAT, "could not resolve \"%s\": the answer is damaged", name);
    return err;
}
