#include "daemon/facts.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/stat.h"
#include "base/vec.h"
#include "model/labels.h"
#include "os/thread.h"
#include "query/promql/promql.h"
#include "rules/rules.h"
#include "text/json.h"
#include "tool/options.h"

enum { TEXT_MAX = 64 * 1024 * 1024, FOLDER_MAX = 4096 };

/* What is being drawn. */
struct drawing {
    struct arena *a;
    struct {
        struct serve_flag *v;
        size_t n, capacity;
    } flags;
};

static struct stat reload_fine = STAT_GAUGE("sonde_config_last_reload_successful",
                                            "1 where the last reload of the configuration went "
                                            "well, 0 where the one before stays.");
static struct stat reload_seconds = STAT_GAUGE("sonde_config_last_reload_success_timestamp_seconds",
                                               "When the configuration in force was taken over.");

void facts_init(struct facts *f)
{
    stat_register(&reload_fine);
    stat_register(&reload_seconds);
    stat_set(&reload_fine, 1);
    *f = (struct facts){.picture = {.reload_problem = ""}};
    thread_lock_init(&f->lock);
    arena_init(&f->arena);
}

void facts_done(struct facts *f)
{
    arena_done(&f->arena);
    pthread_mutex_destroy(&f->lock);
}

/* ---- texts */

static struct str duration(struct arena *a, int64_t ms)
{
    struct buf b;
    buf_init(&b, 256);
    promql_duration_print(ms, &b);
    struct str text = arena_str(a, buf_str(&b));
    buf_done(&b);
    return text;
}

static void put(struct drawing *d, const char *name, struct str value)
{
    struct serve_flag flag = {arena_str(d->a, str_c(name)), arena_str(d->a, value)};
    vec_push(&d->flags, flag);
}

static void put_bool(struct drawing *d, const char *name, bool value)
{
    put(d, name, value ? STR("true") : STR("false"));
}

static void put_count(struct drawing *d, const char *name, int64_t value)
{
    put(d, name, arena_printf(d->a, "%" PRId64, value));
}

static void put_duration(struct drawing *d, const char *name, int64_t ms)
{
    put(d, name, duration(d->a, ms));
}

static void put_list(struct drawing *d, const char *name, const struct option_list *list)
{
    struct buf b;
    buf_init(&b, TEXT_MAX);
    for (size_t i = 0; i < list->n; i++)
        buf_printf(&b, "%s%s", i ? "," : "", list->v[i]);
    put(d, name, buf_str(&b));
    buf_done(&b);
}

/* As Prometheus says it: "15d", "15d or 10GB". */
static struct str retention_of(struct arena *a, const struct store_settings *s)
{
    struct str time = duration(a, s->retention_s * 1000);
    if (s->retention_bytes == 0)
        return time;
    return arena_printf(a, STR_FMT " or %" PRId64 "B", STR_ARG(time), s->retention_bytes);
}

/* ---- drawing */

static void draw_flags(struct drawing *d, const struct config *config, const char *file)
{
    const struct conf *c = config->conf;
    const struct options_server *server = options_server(c);
    const struct query_settings *query = conf_get(c, &query_settings_options);
    struct store_settings store;
    options_store(c, &store);
    const struct rules_settings *rules = &config->rules;
    put(d, "config.file", str_c(file));
    put_list(d, "enable-feature", &query->features);
    put(d, "log.level", str_c(server->log_level));
    put_duration(d, "query.lookback-delta", query->lookback_ms);
    put_count(d, "query.max-concurrency", query->concurrency);
    put_count(d, "query.max-samples", query->samples_max);
    put_duration(d, "query.timeout", query->timeout_ms);
    put_duration(d, "rules.alert.for-grace-period", rules->for_grace_period_ms);
    put_duration(d, "rules.alert.for-outage-tolerance", rules->for_outage_tolerance_ms);
    put_duration(d, "rules.alert.resend-delay", rules->resend_delay_ms);
    put_count(d, "rules.max-concurrent-evals", rules->concurrency);
    put(d, "storage.tsdb.path", str_c(server->data));
    put_count(d, "storage.tsdb.retention.size", store.retention_bytes);
    put_duration(d, "storage.tsdb.retention.time", store.retention_s * 1000);
    put(d, "web.cors.origin", str_c(server->cors_origin));
    put_bool(d, "web.enable-admin-api", server->admin_api);
    put_bool(d, "web.enable-lifecycle", server->lifecycle);
    put_bool(d, "web.enable-remote-write-receiver", true);
    put(d, "web.external-url", str_c(rules->external_url));
    put_list(d, "web.listen-address", &server->listen);
    put_count(d, "web.max-connections", server->connections_max);
}

/* Each line of text behind a mark that makes it a comment. */
static void put_comment(struct buf *b, struct str text)
{
    struct str line;
    while (str_split(&text, '\n', &line))
        buf_printf(b, line.n ? "# " STR_FMT "\n" : "#" STR_FMT "\n", STR_ARG(line));
}

/* global and rule_files; what JSON quotes YAML reads. */
static void put_rules(struct buf *yaml, const struct rules_settings *rules, struct str labels)
{
    struct label l;
    buf_put_str(yaml, STR("global:\n  evaluation_interval: "));
    promql_duration_print(rules->evaluation_interval_ms, yaml);
    buf_put_str(yaml, STR("\n  rule_query_offset: "));
    promql_duration_print(rules->query_offset_ms, yaml);
    if (labels.n > 0)
        buf_put_str(yaml, STR("\n  external_labels:"));
    for (const char *at = labels.p; labels_next(labels, &at, &l, NULL);) {
        buf_put_str(yaml, STR("\n    "));
        json_put_text(yaml, l.name);
        buf_put_str(yaml, STR(": "));
        json_put_text(yaml, l.value);
    }
    buf_put_str(yaml, rules->files.n > 0 ? STR("\nrule_files:\n") : STR("\n"));
    for (size_t i = 0; i < rules->files.n; i++) {
        buf_put_str(yaml, STR("- "));
        json_put_text(yaml, str_c(rules->files.v[i]));
        buf_put_c(yaml, '\n');
    }
}

/* What Prometheus would have in its file, then our own configuration as comments. */
static struct str draw_config(struct drawing *d, const struct config *config, struct str labels)
{
    const struct conf *c = config->conf;
    struct buf yaml, own;
    buf_init(&yaml, TEXT_MAX);
    buf_init(&own, TEXT_MAX);
    conf_print(c, &own);
    if (config->promfile != NULL)
        buf_put_str(&yaml, config->promfile->yaml);
    else
        put_rules(&yaml, &config->rules, labels);
    buf_put_str(&yaml, STR("# The configuration in force:\n"));
    put_comment(&yaml, str_trim(buf_str(&own)));
    struct str text = arena_str(d->a, buf_str(&yaml));
    buf_done(&own);
    buf_done(&yaml);
    return text;
}

static struct str folder(struct arena *a)
{
    char path[FOLDER_MAX];
    return arena_str(a, str_c(getcwd(path, sizeof path) ? path : ""));
}

void facts_draw(struct facts *f, const struct config *config, const char *file, int64_t now_ms)
{
    const struct conf *c = config->conf;
    struct arena a;
    arena_init(&a);
    struct drawing d = {.a = &a};
    struct serve_facts picture = {.reload_problem = "", .reload_ms = now_ms};
    struct store_settings store;
    options_store(c, &store);
    draw_flags(&d, config, file);
    struct str labels = STR("");
    if (rules_external_labels(&config->rules, &a, &labels, NULL) == 0)
        picture.external_labels = labels; /* the configuration was checked: they are well-formed */
    picture.config = draw_config(&d, config, labels);
    picture.folder = folder(&a);
    picture.retention = retention_of(&a, &store);
    picture.flags_n = d.flags.n;
    picture.flags = arena_array(&a, d.flags.n, sizeof *picture.flags);
    memcpy(picture.flags, d.flags.v, d.flags.n * sizeof *picture.flags);
    vec_free(&d.flags);
    picture.language = query_settings_language(conf_get(c, &query_settings_options));
    picture.threads = f->picture.threads;
    picture.cores = f->picture.cores;
    thread_lock(&f->lock);
    struct arena before = f->arena;
    f->arena = a;
    f->picture = picture;
    thread_unlock(&f->lock);
    arena_done(&before);
    stat_set(&reload_seconds, (double)now_ms / 1000);
}

void facts_problem(struct facts *f, const char *problem)
{
    stat_set(&reload_fine, problem[0] == '\0');
    thread_lock(&f->lock);
    snprintf(f->problem, sizeof f->problem, "%s", problem);
    thread_unlock(&f->lock);
}

void facts_copy(void *facts, struct arena *a, struct serve_facts *ret)
{
    struct facts *f = facts;
    thread_lock(&f->lock);
    struct serve_facts copy = f->picture;
    copy.config = arena_str(a, f->picture.config);
    copy.external_labels = arena_str(a, f->picture.external_labels);
    copy.folder = arena_str(a, f->picture.folder);
    copy.retention = arena_str(a, f->picture.retention);
    copy.reload_problem = arena_str(a, str_c(f->problem)).p;
    copy.flags = arena_array(a, copy.flags_n, sizeof *copy.flags);
    for (size_t i = 0; i < copy.flags_n; i++) {
        copy.flags[i].name = arena_str(a, f->picture.flags[i].name);
        copy.flags[i].value = arena_str(a, f->picture.flags[i].value);
    }
    thread_unlock(&f->lock);
    copy.corruptions = atomic_load(&f->damage);
    *ret = copy;
}
