/* Virtual servers of IPVS, from /proc/net/ip_vs_stats and /proc/net/ip_vs. Numbers and addresses
 * are hexadecimal. */
#include "collect/collector.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/mem.h"
#include "collect/pseudo.h"

#define COUNT(name, help)                                                                          \
    {                                                                                              \
        "node_ipvs_" name "_total", METRIC_COUNTER, help,                                          \
        {                                                                                          \
            NULL                                                                                   \
        }                                                                                          \
    }
#define BACKEND(name, help)                                                                        \
    {                                                                                              \
        "node_ipvs_backend_" name, METRIC_GAUGE, help,                                             \
        {                                                                                          \
            "local_address", "local_port", "remote_address", "remote_port", "proto", "local_mark"  \
        }                                                                                          \
    }

static const struct family COUNTS[] = {
    COUNT("connections", "Connections made."),
    COUNT("incoming_packets", "Packets that came in."),
    COUNT("outgoing_packets", "Packets that went out."),
    COUNT("incoming_bytes", "Bytes that came in."),
    COUNT("outgoing_bytes", "Bytes that went out."),
};
/* The columns after the address and the way of forwarding. */
static const struct family BACKENDS[] = {
    BACKEND("weight", "Weight of the server."),
    BACKEND("connections_active", "Connections that are active."),
    BACKEND("connections_inactive", "Connections that are not."),
};

struct place {
    char address[INET6_ADDRSTRLEN], port[8];
};

/* "C0A80016:0CEA" and "[2620:0000:...:0001]:0CEA". */
static bool place_of(struct str s, struct place *ret)
{
    uint64_t v, port;
    size_t colon = s.n;
    while (colon > 0 && s.p[colon - 1] != ':')
        colon--;
    if (colon == 0 || !pseudo_hex(str_sub(s, colon, s.n), &port))
        return false;
    struct str address = str_sub(s, 0, colon - 1);
    if (address.n > 2 && address.p[0] == '[') {
        char text[INET6_ADDRSTRLEN + 1];
        struct in6_addr in;
        size_t n = address.n - 2;
        if (n >= sizeof text)
            return false;
        memcpy(text, address.p + 1, n);
        text[n] = 0;
        if (inet_pton(AF_INET6, text, &in) != 1 ||
            !inet_ntop(AF_INET6, &in, ret->address, sizeof ret->address))
            return false;
    } else {
        struct in_addr in;
        if (address.n != 8 || !pseudo_hex(address, &v))
            return false;
        in.s_addr = htonl((uint32_t)v);
        if (!inet_ntop(AF_INET, &in, ret->address, sizeof ret->address))
            return false;
    }
    struct buf b = {ret->port, 0, sizeof ret->port, sizeof ret->port, false};
    buf_put_u64(&b, port & 0xffff);
    buf_put_c(&b, 0);
    return !buf_failed(&b);
}

static void give_counts(struct emit *e, struct str text)
{
    struct str line;
    for (int i = 0; i < 3; i++) /* two lines of titles */
        if (!pseudo_line(&text, &line))
            return;
    for (size_t i = 0; i < COUNTOF(COUNTS); i++) {
        struct str word;
        uint64_t v;
        if (str_word(&line, &word) && pseudo_hex(word, &v))
            emit_plain(e, &COUNTS[i], (double)v);
    }
}

/* Backends of one service are entered in the order of the file, each address once. */
static void give_backends(struct emit *e, struct str text)
{
    struct place local = {{0}, {0}}, remote;
    struct str line, word, proto = {0}, mark = STR("");
    while (pseudo_line(&text, &line)) {
        uint64_t v;
        if (!str_word(&line, &word))
            continue;
        if (str_eq(word, STR("TCP")) || str_eq(word, STR("UDP")) || str_eq(word, STR("SCTP"))) {
            proto = word;
            mark = STR("");
            if (!str_word(&line, &word) || !place_of(word, &local))
                proto.n = 0;
        } else if (str_eq(word, STR("FWM"))) {
            proto = word;
            local = (struct place){{0}, "0"};
            if (!str_word(&line, &mark))
                proto.n = 0;
        } else if (str_eq(word, STR("->")) && proto.n && str_word(&line, &word) &&
                   place_of(word, &remote) && str_word(&line, &word)) {
            for (size_t i = 0; i < COUNTOF(BACKENDS) && pseudo_u64(&line, &v); i++)
                emit(e, &BACKENDS[i], (double)v, str_c(local.address), str_c(local.port),
                     str_c(remote.address), str_c(remote.port), proto, mark);
        }
    }
}

static int open_state(const struct collector_host *host, void **ret, struct why *why)
{
    (void)why;
    *ret = pseudo_pair_new(host->proc, "/net/ip_vs_stats", "/net/ip_vs");
    return 0;
}

static void close_state(void *state)
{
    pseudo_pair_free(state);
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)host;
    struct pseudo_pair *files = state;
    struct str text;
    int err = pseudo_read(&files->v4, &text, NULL);
    if (err)
        return why_set(why, (enum err) - err, "there is no IPVS");
    give_counts(e, text);
    if (pseudo_read(&files->v6, &text, NULL) == 0)
        give_backends(e, text);
    return 0;
}

const struct collector_ops ipvs_collector = {.open = open_state, .run = run, .close = close_state};
