#include "os/dns.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <resolv.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"

enum { ANSWER_MAX = 65535, TIMEOUT_S = 5, PORT = 53 };

static _Atomic uint16_t test_port;

void dns_ask(uint16_t port)
{
    atomic_store(&test_port, port);
}

static const ns_type TYPES[] = {
    [DNS_A] = ns_t_a,   [DNS_AAAA] = ns_t_aaaa, [DNS_MX] = ns_t_mx,
    [DNS_NS] = ns_t_ns, [DNS_SRV] = ns_t_srv,   [DNS_TXT] = ns_t_txt,
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

int dns_server_read(struct str text, struct dns_server *ret, struct why *why)
{
    struct dial_addresses found;
    struct str host = text;
    uint64_t port = PORT;
    size_t colon = str_find(text, ':');
    if (text.n > 0 && text.p[0] == '[') {
        size_t end = str_find(text, ']');
        host = str_sub(text, 0, MIN(end + 1, text.n));
        colon = host.n;
    } else if (colon < text.n &&
               str_find(str_sub(text, colon + 1, text.n), ':') + colon + 1 < text.n) {
        colon = text.n; /* an IPv6 address without brackets */
    } else {
        host = str_sub(text, 0, colon);
    }
    bool good = colon == text.n ||
                (text.p[colon] == ':' && str_u64(str_sub(text, colon + 1, text.n), &port));
    if (!good || port == 0 || port > 65535 || !dial_literal(host, (uint16_t)port, &found))
        return why_set(why, ERR_FORMAT,
                       "\"" STR_FMT "\" is no name server: an address is expected, with a port or "
                       "without",
                       STR_ARG(str_sub(text, 0, 200)));
    ret->given = true;
    ret->address = found.v[0];
    return 0;
}

/* libresolv keeps IPv6 beside its list, in memory that it frees itself. */
static void use_six(res_state state, const struct sockaddr_in6 *address)
{
    if (state->_u._ext.nsaddrs[0] == NULL)
        state->_u._ext.nsaddrs[0] = malloc(sizeof *address);
    must(state->_u._ext.nsaddrs[0] != NULL);
    *state->_u._ext.nsaddrs[0] = *address;
    state->_u._ext.nssocks[0] = -1;
    state->_u._ext.nscount = 1;
    state->nsaddr_list[0] = (struct sockaddr_in){.sin_family = 0};
}

/* The first try waits for retrans, the second twice as long. */
static void use_server(const struct dns_server *server, res_state state)
{
    int64_t s = server->timeout_ms / 1000;
    state->retry = server->timeout_ms > 0 && s < 3 ? 1 : 2;
    state->retrans =
        server->timeout_ms <= 0 ? TIMEOUT_S : (int)(s < 3 ? MAX(s, 1) : MIN(s / 3, 60));
    use_test_server(state);
    if (!server->given)
        return;
    state->nscount = 1;
    if (server->address.any.sa_family == AF_INET6)
        use_six(state, &server->address.six);
    else
        state->nsaddr_list[0] = server->address.four;
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

/* What TXT says comes in pieces, each behind its length. */
static bool take_text(const ns_rr *rr, struct arena *a, struct dns_record *ret)
{
    const unsigned char *data = ns_rr_rdata(*rr);
    size_t n = ns_rr_rdlen(*rr), to = 0;
    char *text = arena_raw(a, n + 1);
    for (size_t at = 0; at < n; at += 1 + (size_t)data[at]) {
        if (data[at] > n - at - 1)
            return false;
        memcpy(text + to, data + at + 1, data[at]);
        to += data[at];
    }
    ret->text = str_of(text, to);
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
    if (type == DNS_TXT)
        return take_text(rr, a, ret);
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
        return why_set(why, ERR_TIMEOUT, "could not resolve \"%s\": no name server gave an answer",
                       name);
    default:
        return why_set(why, ERR_CLOSED, "could not resolve \"%s\": the name servers refused", name);
    }
}

int dns_lookup(const char *name, enum dns_type type, struct arena *a, struct dns_record **ret,
               size_t *ret_n, struct why *why)
{
    const struct dns_server any = {.given = false};
    return dns_lookup_at(&any, name, type, a, ret, ret_n, why);
}

int dns_lookup_at(const struct dns_server *server, const char *name, enum dns_type type,
                  struct arena *a, struct dns_record **ret, size_t *ret_n, struct why *why)
{
    struct __res_state state;
    memset(&state, 0, sizeof state);
    if (res_ninit(&state) != 0)
        return why_set(why, ERR_IO, "/etc/resolv.conf cannot be read");
    use_server(server, &state);
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
