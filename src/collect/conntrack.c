/* Tracked connections and what happened to them. */
#include "collect/collector.h"

#include "base/mem.h"
#include "collect/pseudo.h"

static const struct family ENTRIES = {
    "node_nf_conntrack_entries", METRIC_GAUGE, "Connections that are tracked.", {NULL}};
static const struct family LIMIT = {
    "node_nf_conntrack_entries_limit", METRIC_GAUGE, "Connections that can be tracked.", {NULL}};
static const struct family STAT = {"node_nf_conntrack_stat_*",
                                   METRIC_GAUGE,
                                   "Events * of connection tracking, all cores.",
                                   {NULL}};

/* The columns of /proc/net/stat/nf_conntrack that are given. */
static const struct str COLUMNS[] = {
    STR("found"),         STR("invalid"), STR("ignore"),     STR("insert"),
    STR("insert_failed"), STR("drop"),    STR("early_drop"), STR("search_restart"),
};
enum { COLUMNS_N = COUNTOF(COLUMNS) };

struct state {
    struct pseudo count, max, stat;
};

static int open_state(const struct collector_host *host, void **ret, struct why *why)
{
    (void)why;
    struct state *s = mem_new(sizeof *s);
    pseudo_init(&s->count, host->proc, "/sys/net/netfilter/nf_conntrack_count");
    pseudo_init(&s->max, host->proc, "/sys/net/netfilter/nf_conntrack_max");
    pseudo_init(&s->stat, host->proc, "/net/stat/nf_conntrack");
    *ret = s;
    return 0;
}

static void close_state(void *state)
{
    struct state *s = state;
    pseudo_done(&s->count);
    pseudo_done(&s->max);
    pseudo_done(&s->stat);
    mem_free(s);
}

static int column_of(struct str name)
{
    for (int i = 0; i < COLUMNS_N; i++)
        if (str_eq(COLUMNS[i], name))
            return i;
    return -1;
}

/* A line of titles, then one of hexadecimal numbers for each core. */
static void give_stat(struct emit *e, struct str text)
{
    enum { WORDS_MAX = 64 };
    int column[WORDS_MAX];
    size_t n = 0;
    double sum[COLUMNS_N] = {0};
    bool known[COLUMNS_N] = {false};
    struct str line, word;
    if (!pseudo_line(&text, &line))
        return;
    for (; n < WORDS_MAX && str_word(&line, &word); n++) {
        column[n] = column_of(word);
        if (column[n] >= 0)
            known[column[n]] = true;
    }
    while (pseudo_line(&text, &line)) {
        uint64_t v;
        for (size_t i = 0; i < n && str_word(&line, &word); i++)
            if (column[i] >= 0 && pseudo_hex(word, &v))
                sum[column[i]] += (double)v;
    }
    for (size_t i = 0; i < COLUMNS_N; i++)
        if (known[i])
            emit(e, &STAT, sum[i], COLUMNS[i]);
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)host;
    struct state *s = state;
    char room[PSEUDO_SMALL];
    struct str text;
    double v;
    int err = pseudo_read_small(&s->count, room, &text);
    if (err)
        return why_set(why, ERR_NOENT, "connection tracking is not loaded");
    if (pseudo_parse(text, &v))
        emit_plain(e, &ENTRIES, v);
    if (pseudo_read_small(&s->max, room, &text) == 0 && pseudo_parse(text, &v))
        emit_plain(e, &LIMIT, v);
    if (pseudo_read(&s->stat, &text, NULL) == 0)
        give_stat(e, text);
    return 0;
}

const struct collector_ops conntrack_collector = {
    .open = open_state, .run = run, .close = close_state};
