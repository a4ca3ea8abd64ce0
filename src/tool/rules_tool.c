#include "tool/rules_tool.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/vec.h"
#include "os/file.h"
#include "query/promql/promql_tree.h"
#include "rules/rules.h"
#include "tool/backfill_remote.h"
#include "tool/backtest_tool.h"
#include "tool/offline.h"

enum { FLUSH_SAMPLES = 1 << 20 /* kept in memory until they become a part */ };

/* What the command line asks for. */
struct task {
    struct offline offline;
    struct promql_options options;
    int64_t start_ms, end_ms, interval_ms;
    const char *tenant;
    struct {
        const char **v;
        size_t n, capacity;
    } files;
    struct {
        struct rule_file **v;
        size_t n, capacity;
    } read;
    struct store *store; /* offline */
    struct tenant *owner;
    uint64_t samples, unflushed;
};

/* ---- a data directory */

static int local_query(void *context, const struct rule *rule, int64_t start_ms, int64_t end_ms,
                       int64_t step_ms, struct arena *a, struct backfill_points *ret,
                       struct why *why)
{
    struct task *t = context;
    struct promql_query q = {.expr = rule->tree,
                             .options = &t->options,
                             .store = store_face(t->store),
                             .tenant = t->owner,
                             .start_ms = start_ms,
                             .end_ms = end_ms,
                             .step_ms = step_ms,
                             .subquery_step_ms = t->interval_ms};
    return backfill_run(&q, a, ret, why);
}

static int local_write(void *context, const struct backfill_point *v, size_t n, struct why *why)
{
    struct task *t = context;
    struct sink *sink = store_sink(t->store);
    struct batch b;
    for (size_t from = 0; from < n; from += b.n) {
        struct why first = {0};
        b.n = MIN(n - from, (size_t)BATCH_MAX);
        for (size_t i = 0; i < b.n; i++) {
            const struct backfill_point *p = &v[from + i];
            b.key[i] = p->key;
            b.ts_ms[i] = p->ts_ms;
            b.value[i] = p->value;
            b.histogram[i] = p->histogram;
            b.start_ms[i] = 0;
        }
        int taken = sink->ops->append(sink, 0, t->owner, &b, &first);
        if (taken != (int)b.n)
            return why_set(why, taken < 0 ? (enum err) - taken : ERR_DENIED,
                           "samples are refused: %s", first.text);
    }
    t->unflushed += n;
    if (t->unflushed < FLUSH_SAMPLES)
        return 0;
    t->unflushed = 0;
    return store_flush(t->store, why);
}

/* ---- progress */

static void show_progress(void *context, const struct group *g, int64_t until_ms, uint64_t samples)
{
    char until[32];
    offline_time_text(until_ms, until);
    fprintf(stderr, "group \"%s\": until %s, %" PRIu64 " samples%s", group_rules(g)->name.p, until,
            samples, isatty(STDERR_FILENO) ? "   \r" : "\n");
}

/* ---- the run */

static int run_groups(struct task *t, const struct backfill_store *store)
{
    struct why why = {0};
    int err = 0;
    for (size_t i = 0; i < t->read.n; i++) {
        const struct rule_file *f = t->read.v[i];
        for (size_t k = 0; k < f->groups_n && err == 0; k++) {
            struct group *g = group_new(&f->groups[k], f->name, t->interval_ms, false);
            err = backfill_group(g, t->start_ms, t->end_ms, store, &t->samples, &why);
            group_free(g);
        }
    }
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\n");
    if (err != 0)
        return offline_fail(&t->offline, why.text);
    return 0;
}

static int run_remote(struct task *t)
{
    struct backfill_remote r = {t->offline.server, t->tenant};
    struct backfill_store store = {&r, backfill_remote_query, backfill_remote_write, show_progress};
    return run_groups(t, &store);
}

static int run_local(struct task *t)
{
    struct why why = {0};
    /* What is written here is old by intention. */
    t->offline.settings.out_of_order_window_s = INT32_MAX;
    t->store = offline_store(&t->offline);
    if (t->store == NULL)
        return 1;
    struct sink *sink = store_sink(t->store);
    struct backfill_store store = {t, local_query, local_write, show_progress};
    int status;
    if (sink->ops->tenant(sink, str_c(t->tenant), &t->owner, &why) != 0)
        status = offline_fail(&t->offline, why.text);
    else
        status = run_groups(t, &store);
    if (status == 0 && store_flush(t->store, &why) != 0)
        status = offline_fail(&t->offline, why.text);
    store_close(t->store);
    return status;
}

/* ---- the command line */

/* "2026-11-22T05:00:00Z" or seconds since 1970. */
static bool parse_time(const char *text, int64_t *ret_ms)
{
    struct tm tm = {0};
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    int64_t s;
    if (end != NULL && *end == '\0') {
        *ret_ms = (int64_t)timegm(&tm) * 1000;
        return true;
    }
    if (!str_i64(str_c(text), &s) || s > INT32_MAX * 1000LL || s < 0)
        return false;
    *ret_ms = s * 1000;
    return true;
}

static int read_times(struct task *t, struct arguments *a)
{
    const char *start = arguments_value(a, "start"), *end = arguments_value(a, "end");
    const char *interval = arguments_value(a, "interval"), *tenant = arguments_value(a, "tenant");
    const char *feature;
    struct why why = {0};
    const struct rules_settings *settings = conf_get(t->offline.conf, &rules_options);
    t->end_ms = clock_wall_ms(&clock_real);
    t->interval_ms = settings->evaluation_interval_ms;
    t->tenant = tenant != NULL ? tenant : settings->tenant;
    while ((feature = arguments_value(a, "enable-feature")) != NULL)
        if (!promql_option_set(&t->options, str_c(feature)))
            return offline_fail(&t->offline, "there is no such feature");
    if (start == NULL || !parse_time(start, &t->start_ms) ||
        (end != NULL && !parse_time(end, &t->end_ms)))
        return offline_fail(&t->offline, "say --start and maybe --end, as 2026-11-22T05:00:00Z or "
                                         "seconds since 1970");
    if (t->end_ms < t->start_ms)
        return offline_fail(&t->offline, "--end is before --start");
    if (interval != NULL &&
        (promql_duration_read(str_c(interval), &t->interval_ms, &why) != 0 || t->interval_ms <= 0))
        return offline_fail(&t->offline, "--interval takes a duration such as 1m");
    return 0;
}

static int read_rules(struct task *t)
{
    int err = 0;
    for (size_t i = 0; i < t->files.n && err == 0; i++) {
        struct buf text, problems;
        struct rule_file *f;
        struct why why = {0};
        buf_init(&text, RULE_FILE_BYTES_MAX);
        buf_init(&problems, 1 << 20);
        err = file_read(t->files.v[i], &text, &why);
        if (err != 0)
            (void)offline_fail(&t->offline, why.text);
        else
            err = rule_file_read(buf_str(&text), str_c(t->files.v[i]), &t->options, &f, &problems);
        if (err == 0)
            vec_push(&t->read, f);
        fprintf(stderr, STR_FMT, STR_ARG(buf_str(&problems)));
        buf_done(&problems);
        buf_done(&text);
    }
    return err == 0 ? 0 : 1;
}

static int backfill(struct task *t, struct arguments *a)
{
    const char *file;
    int status = read_times(t, a);
    while ((file = arguments_word(a)) != NULL)
        vec_push(&t->files, file);
    if (status != 0 || !arguments_end(a, "rules backfill"))
        return 2;
    if (t->files.n == 0)
        return offline_fail(&t->offline, "name at least one rule file");
    status = read_rules(t);
    int busy = status != 0 ? -1 : t->offline.server_named ? 1 : offline_busy(&t->offline);
    if (busy < 0 || (busy == 0 && !offline_disk(&t->offline)))
        return 1;
    status = busy == 1 ? run_remote(t) : run_local(t);
    if (status == 0)
        printf("%" PRIu64 " samples written\n", t->samples);
    return status;
}

int rules_tool_run(int argc, char **argv)
{
    struct arguments a;
    struct task t = {0};
    int status = 2;
    if (!arguments_init(&a, argc, argv))
        return 2;
    if (argc >= 1 && strcmp(argv[0], "backtest") == 0) {
        a.v[0] = NULL;
        return backtest_tool_run(&a);
    }
    if (argc < 1 || strcmp(argv[0], "backfill") != 0) {
        fprintf(stderr, "sonde rules: say backfill or backtest; see: sonde help rules\n");
        return 2;
    }
    a.v[0] = NULL;
    if (offline_init(&t.offline, "sonde rules", &a))
        status = backfill(&t, &a);
    for (size_t i = 0; i < t.read.n; i++)
        rule_file_free(t.read.v[i]);
    vec_free(&t.read);
    vec_free(&t.files);
    offline_done(&t.offline);
    return status;
}
