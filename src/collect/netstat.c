/* Counters of IP, ICMP, TCP and UDP. */
#include "collect/collector.h"

#include "base/mem.h"
#include "collect/filter.h"
#include "collect/pseudo.h"

static const struct family FIELD = {
    "node_netstat_*_*", METRIC_UNKNOWN, "Statistic of *: *.", {NULL}};

enum { NAME_MAX_BYTES = 128 };

struct state {
    struct pseudo netstat, snmp, snmp6;
    struct filter fields;
};

static int open_state(const struct collector_host *host, void **ret, struct why *why)
{
    struct state *s = mem_new(sizeof *s);
    int err = filter_init(&s->fields, host->settings->netstat_fields, why);
    if (err) {
        mem_free(s);
        return err;
    }
    pseudo_init(&s->netstat, host->proc, "/net/netstat");
    pseudo_init(&s->snmp, host->proc, "/net/snmp");
    pseudo_init(&s->snmp6, host->proc, "/net/snmp6");
    *ret = s;
    return 0;
}

static void close_state(void *state)
{
    struct state *s = state;
    pseudo_done(&s->netstat);
    pseudo_done(&s->snmp);
    pseudo_done(&s->snmp6);
    filter_done(&s->fields);
    mem_free(s);
}

static void give(struct state *s, struct emit *e, struct str protocol, struct str name,
                 struct str number)
{
    char room[NAME_MAX_BYTES];
    double v;
    if (protocol.n + name.n + 1 > sizeof room)
        return;
    memcpy(room, protocol.p, protocol.n);
    room[protocol.n] = '_';
    memcpy(room + protocol.n + 1, name.p, name.n);
    if (filter_match(&s->fields, str_of(room, protocol.n + 1 + name.n)) && pseudo_parse(number, &v))
        emit(e, &FIELD, v, protocol, name);
}

/* Pairs of lines: "Tcp: RtoAlgorithm RtoMin ...", "Tcp: 1 200 ...". */
static void give_pairs(struct state *s, struct emit *e, struct str text)
{
    struct str names, numbers, name, number;
    while (pseudo_line(&text, &names) && pseudo_line(&text, &numbers)) {
        size_t colon = str_find(names, ':');
        struct str protocol = str_sub(names, 0, colon);
        if (colon == names.n || !str_starts(numbers, str_sub(names, 0, colon + 1)))
            continue;
        names = str_sub(names, colon + 1, names.n);
        numbers = str_sub(numbers, colon + 1, numbers.n);
        while (str_word(&names, &name) && str_word(&numbers, &number))
            give(s, e, protocol, name, number);
    }
}

/* "Ip6InOctets 128": the protocol ends with the 6. */
static void give_rows(struct state *s, struct emit *e, struct str text)
{
    struct str line, name, number;
    while (pseudo_line(&text, &line)) {
        if (!str_word(&line, &name) || !str_word(&line, &number))
            continue;
        size_t six = str_find(name, '6');
        if (six < name.n)
            give(s, e, str_sub(name, 0, six + 1), str_sub(name, six + 1, name.n), number);
    }
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)host;
    struct state *s = state;
    struct str text;
    int err = pseudo_read(&s->netstat, &text, why);
    if (err)
        return err;
    give_pairs(s, e, text);
    err = pseudo_read(&s->snmp, &text, why);
    if (err)
        return err;
    give_pairs(s, e, text);
    /* A host without IPv6 has no such file. */
    if (pseudo_read(&s->snmp6, &text, NULL) == 0)
        give_rows(s, e, text);
    return 0;
}

const struct collector_ops netstat_collector = {
    .open = open_state, .run = run, .close = close_state};
