/* Soft interrupts: by core and function, and in all by vector. */
#include "collect/collector.h"

#include "base/mem.h"
#include "collect/pseudo.h"

static const struct family FUNCTIONS = {"node_softirqs_functions_total",
                                        METRIC_COUNTER,
                                        "Soft interrupts that the core handled.",
                                        {"cpu", "type"}};
static const struct family TOTAL = {
    "node_softirqs_total", METRIC_COUNTER, "Soft interrupts of all cores.", {"vector"}};

/* The columns of the row "softirq" of /proc/stat, after the sum. */
static const struct str VECTORS[] = {
    STR("hi"),           STR("timer"),   STR("net_tx"), STR("net_rx"),  STR("block"),
    STR("block_iopoll"), STR("tasklet"), STR("sched"),  STR("hrtimer"), STR("rcu"),
};

static int open_state(const struct collector_host *host, void **ret, struct why *why)
{
    (void)why;
    *ret = pseudo_pair_new(host->proc, "/softirqs", "/stat");
    return 0;
}

static void close_state(void *state)
{
    pseudo_pair_free(state);
}

static void give_functions(struct emit *e, struct str text)
{
    struct str line, word;
    if (!pseudo_line(&text, &line))
        return;
    while (pseudo_line(&text, &line)) {
        uint64_t v;
        if (!str_word(&line, &word) || word.n < 2 || word.p[word.n - 1] != ':')
            continue;
        struct str type = str_sub(word, 0, word.n - 1);
        for (uint64_t i = 0; pseudo_u64(&line, &v); i++) {
            char digits[24];
            struct buf cpu = {digits, 0, sizeof digits, sizeof digits, false};
            buf_put_u64(&cpu, i);
            emit(e, &FUNCTIONS, (double)v, buf_str(&cpu), type);
        }
    }
}

static void give_total(struct emit *e, struct str text)
{
    struct str line, word;
    while (pseudo_line(&text, &line)) {
        uint64_t v;
        if (!str_word(&line, &word) || !str_eq(word, STR("softirq")) || !pseudo_u64(&line, &v))
            continue;
        for (size_t i = 0; i < COUNTOF(VECTORS) && pseudo_u64(&line, &v); i++)
            emit(e, &TOTAL, (double)v, VECTORS[i]);
    }
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)host;
    struct pseudo_pair *files = state;
    struct str text;
    int err = pseudo_read(&files->v4, &text, why);
    if (!err)
        give_functions(e, text);
    int stat = pseudo_read(&files->v6, &text, err ? NULL : why);
    if (!stat)
        give_total(e, text);
    return err ? err : stat;
}

const struct collector_ops softirqs_collector = {
    .open = open_state, .run = run, .close = close_state};
