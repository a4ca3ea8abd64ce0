/* What the cores are: /proc/cpuinfo, and which of them are on or kept apart. */
#include "collect/collector.h"

#include <ctype.h>

#include "base/mem.h"
#include "collect/filter.h"
#include "collect/folder.h"

static const struct family INFO = {"node_cpu_info",
                                   METRIC_GAUGE,
                                   "The core; always 1.",
                                   {"package", "core", "cpu", "vendor", "family", "model",
                                    "model_name", "microcode", "stepping", "cachesize"}};
static const struct str KEYS[] = {
    STR("physical id"), STR("core id"),    STR("processor"), STR("vendor_id"), STR("cpu family"),
    STR("model"),       STR("model name"), STR("microcode"), STR("stepping"),  STR("cache size"),
};
enum { KEYS_N = COUNTOF(KEYS), KEY_PROCESSOR = 2, CPUS_MAX = 8192 };
static const struct family FLAG = {
    "node_cpu_flag_info", METRIC_GAUGE, "Feature of the first core; always 1.", {"flag"}};
static const struct family BUG = {
    "node_cpu_bug_info", METRIC_GAUGE, "Known fault of the first core; always 1.", {"bug"}};
static const struct family ISOLATED = {
    "node_cpu_isolated", METRIC_GAUGE, "The core is kept apart; always 1.", {"cpu"}};
static const struct family ONLINE = {
    "node_cpu_online", METRIC_GAUGE, "Is the core on? 1 or 0.", {"cpu"}};

struct state {
    struct pseudo file;
    struct filter flags, bugs;
};

static int open_state(const struct collector_host *host, void **ret, struct why *why)
{
    struct state *s = mem_new(sizeof *s);
    int err = filter_init(&s->flags, host->settings->cpu_flags, why);
    if (!err) {
        err = filter_init(&s->bugs, host->settings->cpu_bugs, why);
        if (err)
            filter_done(&s->flags);
    }
    if (err) {
        mem_free(s);
        return err;
    }
    pseudo_init(&s->file, host->proc, "/cpuinfo");
    *ret = s;
    return 0;
}

static void close_state(void *state)
{
    struct state *s = state;
    pseudo_done(&s->file);
    filter_done(&s->flags);
    filter_done(&s->bugs);
    mem_free(s);
}

static void give_words(struct emit *e, const struct family *f, struct filter *wanted,
                       struct str words)
{
    struct str word;
    while (str_word(&words, &word))
        if (filter_match(wanted, word))
            emit(e, f, 1, word);
}

/* A core is a block of "key : value" lines that an empty line ends. */
static void give_cores(struct state *s, struct emit *e, struct str text)
{
    struct str values[KEYS_N] = {{0}}, line, key;
    bool more = true, first = true;
    while (more) {
        more = pseudo_line(&text, &line);
        if (!more || str_trim(line).n == 0) {
            if (values[KEY_PROCESSOR].n)
                emit_value(e, &INFO, 1, values, KEYS_N);
            first = first && values[KEY_PROCESSOR].n == 0;
            for (size_t i = 0; i < KEYS_N; i++)
                values[i] = STR("");
            continue;
        }
        if (!str_split(&line, ':', &key))
            continue;
        key = str_trim(key);
        line = str_trim(line);
        for (size_t i = 0; i < KEYS_N; i++)
            if (str_eq(key, KEYS[i]))
                values[i] = line;
        if (first && str_eq(key, STR("flags")))
            give_words(e, &FLAG, &s->flags, line);
        if (first && str_eq(key, STR("bugs")))
            give_words(e, &BUG, &s->bugs, line);
    }
}

/* "1,3-5" */
static void give_isolated(struct emit *e, const char *cpus)
{
    char room[PSEUDO_SMALL];
    struct str text, part, from;
    if (!folder_text(cpus, "isolated", room, &text) || text.n == 0)
        return;
    while (str_split(&text, ',', &part)) {
        uint64_t low, high;
        if (!str_split(&part, '-', &from) || !str_u64(from, &low))
            continue;
        if (!part.p || !str_u64(part, &high))
            high = low;
        for (uint64_t i = low; i <= high && i < CPUS_MAX; i++) {
            char digits[24];
            struct buf cpu = {digits, 0, sizeof digits, sizeof digits, false};
            buf_put_u64(&cpu, i);
            emit(e, &ISOLATED, 1, buf_str(&cpu));
        }
    }
}

/* The first core cannot be turned off and has no such file on most machines. */
static void give_online(struct emit *e, const char *cpus)
{
    char dir[FOLDER_PATH];
    struct folder all;
    if (folder_list(cpus, "cpu", &all))
        return;
    for (size_t i = 0; i < all.n; i++) {
        double v;
        if (!isdigit((unsigned char)all.v[i][3]))
            continue;
        folder_path(dir, "%s/%s", cpus, all.v[i]);
        if (folder_number(dir, "online", &v))
            emit(e, &ONLINE, v, str_c(all.v[i] + 3));
    }
    folder_done(&all);
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    struct state *s = state;
    char cpus[FOLDER_PATH];
    struct str text;
    int err = pseudo_read(&s->file, &text, why);
    if (err)
        return err;
    give_cores(s, e, text);
    folder_path(cpus, "%s/devices/system/cpu", host->sys);
    give_isolated(e, cpus);
    give_online(e, cpus);
    return 0;
}

const struct collector_ops cpuinfo_collector = {
    .open = open_state, .run = run, .close = close_state};
