#include "daemon/work.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aggregate/aggregate.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/stat.h"
#include "base/vec.h"
#include "collect/runner.h"
#include "custom/custom.h"
#include "daemon/admin.h"
#include "daemon/app_service.h"
#include "daemon/checks.h"
#include "daemon/config.h"
#include "daemon/confinement.h"
#include "daemon/doors.h"
#include "daemon/facts.h"
#include "daemon/ignored.h"
#include "daemon/lanes.h"
#include "daemon/listening.h"
#include "daemon/part_list.h"
#include "daemon/registration.h"
#include "daemon/respond.h"
#include "daemon/respond_health.h"
#include "daemon/respond_rules.h"
#include "daemon/runner_rows.h"
#include "daemon/sockets.h"
#include "forward/forward.h"
#include "health/health.h"
#include "ingest/ingest.h"
#include "launch/launch.h"
#include "os/child.h"
#include "os/file.h"
#include "pack/budget.h"
#include "receive/graphite.h"
#include "receive/receiver.h"
#include "receive/collectd_receiver.h"
#include "receive/statsd_receiver.h"
#include "rules/rules.h"
#include "scrape/scrape.h"
#include "serve/serve.h"
#include "supervise/order.h"
#include "supervise/worker.h"

enum {
    TICK_MS = 1000,          /* health checks and heartbeats */
    DRAIN_MS = 2000,         /* for requests in progress when it stops */
    LOCK_PATIENCE_MS = 3000, /* for the worker before, which may still be ending */
    LOCK_PAUSE_MS = 50,
    CORES_MAX = 8,        /* that are used by default */
    OTHER_THREADS = 4,    /* main, commit, background, collect */
    QUERY_QUEUE_MAX = 256 /* queries that wait */
};

/* The lanes of the sink behind those of the loops. */
enum own_lane {
    LANE_COLLECT,
    LANE_PROBE,
    LANE_RULES,
    LANE_STATSD,
    LANE_GRAPHITE,
    LANE_COLLECTD,
    LANE_PUSHGATEWAY,
    LANE_AGGREGATE,
    LANE_CUSTOM,
    LANE_HEALTH,
    LANE_APPS,
    LANE_SCRAPE, /* the first of several */
    LANE_SCRAPE_LAST = LANE_SCRAPE + SCRAPE_THREADS_MAX - 1,
    OWN_LANES_N /* the last */
};

static const char *const MODULE = "worker";
static const char *const TENANT = "default"; /* whose the host's own series are */

static struct stat restarts =
    STAT_COUNTER("sonde_worker_restarts_total", "Restarts of the worker by its parent.");
static struct stat build_info =
    STAT_GAUGE_OF("sonde_build_info", "version=\"" SONDE_VERSION "\"", "The build, always 1.");
static struct stat start_seconds =
    STAT_GAUGE("sonde_worker_ready_seconds", "From the worker's start until it served.");

/* Everything that is open, in the order in which it was opened. */
struct work {
    struct worker parent;
    struct {
        struct config **v; /* owned; the last is in force, modules may borrow from those before,
                              but not from their Prometheus files */
        size_t n, capacity;
    } configs;
    const char *file;
    struct arguments_settings set;
    int64_t begun_ns, begun_ms;
    struct disk *disk;
    struct store *store;
    struct respond respond;
    struct admin admin;
    struct forward *forward;
    struct aggregate *aggregate;
    struct ingest *ingest;
    struct pool *pool;
    struct settings collect;
    char instance[256], host[160]; /* borrowed by serve */
    struct runner *runner;
    struct custom_settings custom_settings;
    struct custom *custom;
    struct rules *rules;
    struct registration registration;
    struct scrape *scrape;
    struct health *health;
    struct checks checks;
    struct facts facts;
    struct serve *serve;
    struct receivers *receivers;
    struct statsd_receiver *statsd;
    struct collectd_receiver *collectd;
    struct graphite *graphite;
    struct app_service apps;
    struct http_route *routes; /* owned */
    struct launcher *launcher; /* NULL: the configuration names no programs */
    struct lanes *lanes;
    size_t loops;
};

static const struct config *config_of(const struct work *w)
{
    return w->configs.v[w->configs.n - 1];
}

/* The one that was in force before, or NULL. */
static const struct config *config_before(const struct work *w)
{
    return w->configs.n > 1 ? w->configs.v[w->configs.n - 2] : NULL;
}

static const struct conf *conf_of(const struct work *w)
{
    return config_of(w)->conf;
}

static int64_t cores(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return MAX(1, MIN((int64_t)n, (int64_t)CORES_MAX));
}

size_t work_loops(const struct options_server *server)
{
    return (size_t)(server->loops > 0 ? server->loops : cores());
}

/* Reads the configuration that the parent has put into the shared memory. */
static int read_conf(struct work *w, struct why *why)
{
    struct buf text, problems;
    struct config *c;
    buf_init(&text, CONFIG_TEXT_MAX);
    buf_init(&problems, CONFIG_PROBLEMS_MAX);
    int err = file_memory_read(CHILD_FIRST_FD, &text);
    if (err == 0)
        err = config_parse(buf_str(&text), w->file, &w->set, w->configs.n == 0, &c, &problems);
    struct str rest = buf_str(&problems), line;
    while (err == 0 && str_split(&rest, '\n', &line))
        if (line.n > 0)
            log_warn("configuration", "left out: " STR_FMT, STR_ARG(line));
    if (err == 0)
        vec_push(&w->configs, c);
    else
        why_set(why, (enum err) - err, "the configuration: " STR_FMT,
                STR_ARG(str_trim(buf_str(&problems))));
    buf_done(&problems);
    buf_done(&text);
    return err;
}

static void warn(void *context, const char *text)
{
    struct work *w = context;
    atomic_fetch_add(&w->facts.damage, 1);
    log_warn("store", "%s", text);
}

static size_t lane(const struct work *w, enum own_lane which)
{
    return w->loops + (size_t)which;
}

static int open_store(struct work *w, struct why *why)
{
    struct store_settings settings;
    options_store(conf_of(w), &settings);
    struct store_config config = {.disk = w->disk,
                                  .clock = &clock_real,
                                  .settings = &settings,
                                  .lanes = (uint32_t)lane(w, OWN_LANES_N),
                                  .warn = warn,
                                  .warn_context = w};
    int64_t until = clock_monotonic_ns(&clock_real) + LOCK_PATIENCE_MS * 1000000LL;
    int err;
    while ((err = store_open(&config, &w->store, why)) == -ERR_BUSY &&
           clock_monotonic_ns(&clock_real) < until)
        usleep(LOCK_PAUSE_MS * 1000);
    return err;
}

static void warn_of_forward(void *context, const char *text)
{
    log_warn("forward", "%s", text);
}

static void open_forward(struct work *w)
{
    struct store_settings store;
    options_store(conf_of(w), &store);
    w->forward = forward_new(&(struct forward_config){.next = store_sink(w->store),
                                                      .disk = w->disk,
                                                      .key_file = store.key_file,
                                                      .clock = &clock_real,
                                                      .warn = warn_of_forward});
}

static int plan_forward(struct work *w, struct why *why)
{
    struct forward_plan plan = {.promfile = config_of(w)->promfile};
    options_forward(conf_of(w), &plan.settings);
    return forward_reload(w->forward, &plan, why);
}

static int open_collect(struct work *w, struct why *why)
{
    options_collect(conf_of(w), &w->collect);
    snprintf(w->instance, sizeof w->instance, "%s", w->collect.instance);
    if (w->instance[0] == '\0' && gethostname(w->instance, sizeof w->instance - 1) != 0)
        snprintf(w->instance, sizeof w->instance, "localhost");
    if (!w->collect.enabled)
        return 0;
    struct runner_plan plan = {.settings = &w->collect,
                               .clock = &clock_real,
                               .launcher = w->launcher,
                               .sink = ingest_sink(w->ingest),
                               .lane = lane(w, LANE_COLLECT),
                               .tenant = str_c(TENANT)};
    return runner_new(&plan, &w->runner, why);
}

static int open_custom(struct work *w, struct why *why)
{
    options_custom(conf_of(w), &w->custom_settings);
    struct custom_plan plan = {.settings = &w->custom_settings,
                               .launcher = w->launcher,
                               .sink = ingest_sink(w->ingest),
                               .lane = lane(w, LANE_CUSTOM),
                               .tenant = str_c(TENANT),
                               .instance = str_c(w->instance),
                               .disk = w->disk,
                               .clock = &clock_real};
    return custom_new(&plan, &w->custom, why);
}

/* [query], with the number of threads that there are. */
static struct query_settings query_settings(const struct work *w)
{
    struct query_settings s =
        *(const struct query_settings *)conf_get(conf_of(w), &query_settings_options);
    if (s.threads == 0)
        s.threads = cores();
    return s;
}

static void warn_of_rules(void *context, const char *text)
{
    log_warn("rules", "%s", text);
}

static int open_rules(struct work *w, struct why *why)
{
    struct query_settings query = query_settings(w);
    struct rules_config config = {.settings = &config_of(w)->rules,
                                  .store = store_face(w->store),
                                  .sink = ingest_sink(w->ingest),
                                  .lane = lane(w, LANE_RULES),
                                  .clock = &clock_real,
                                  .alerts = w->respond.alerts,
                                  .options = query_settings_language(&query),
                                  .lookback_ms = query.lookback_ms,
                                  .bytes_max = (uint64_t)query.bytes_max,
                                  .state = w->respond.state,
                                  .warn = warn_of_rules};
    return rules_new(&config, &w->rules, why);
}

static int open_scrape(struct work *w, struct why *why)
{
    const struct scrape_settings *settings = conf_get(conf_of(w), &scrape_options);
    struct scrape_config config = {.settings = settings,
                                   .file = config_of(w)->promfile,
                                   .own = &w->registration.pool,
                                   .sink = ingest_sink(w->ingest),
                                   .lane = lane(w, LANE_SCRAPE),
                                   .threads = scrape_threads(settings),
                                   .clock = &clock_real};
    return scrape_new(&config, &w->scrape, why);
}

static int list_parts(void *context, struct str tenant, struct arena *a, struct serve_block **ret,
                      size_t *ret_n)
{
    const struct work *w = context;
    part_list(w->store, tenant, a, ret, ret_n);
    return 0;
}

static void copy_facts(void *context, struct arena *a, struct serve_facts *ret)
{
    struct work *w = context;
    facts_copy(&w->facts, a, ret);
}

static void ask_reload(void *context)
{
    const struct work *w = context;
    worker_ask_reload(&w->parent);
}

static void ask_quit(void *context)
{
    const struct work *w = context;
    worker_ask_quit(&w->parent);
}

static int open_serve(struct work *w, struct why *why)
{
    const struct options_server *server = options_server(conf_of(w));
    const struct rules_settings *rules = conf_get(conf_of(w), &rules_options);
    struct query_settings query = query_settings(w);
    listening_host(server, w->host, sizeof w->host);
    w->admin = (struct admin){w->store, w->disk, &w->respond};
    struct serve_config config = {.store = store_face(w->store),
                                  .sink = store_sink(w->store),
                                  .probe_lane = lane(w, LANE_PROBE),
                                  .pool = w->pool,
                                  .clock = &clock_real,
                                  .health = w->health,
                                  .scrape = w->scrape,
                                  .custom = w->custom,
                                  .checkup = w->respond.checkup,
                                  .registry = w->registration.registry,
                                  .rules = {w->rules, rules_view, rules->tenant},
                                  .admin = admin_serve(&w->admin),
                                  .assets = ui_assets,
                                  .assets_n = ui_assets_n,
                                  .job = w->collect.job,
                                  .instance = w->instance,
                                  .listen_host = w->host,
                                  .loopback = listening_loopback(server),
                                  .query = &query,
                                  .start_ms = w->begun_ms,
                                  .revision = "",
                                  .admin_api = server->admin_api,
                                  .lifecycle = server->lifecycle,
                                  .cors_origin = server->cors_origin,
                                  .events = w->respond.events.events,
                                  .checkins = w->respond.events.checkins,
                                  .incidents = w->respond.events.incidents,
                                  .remedies = w->respond.events.remedies,
                                  .watch_socket = w->respond.watch.socket,
                                  .apps = w->apps.apps,
                                  .spool = w->apps.spool,
                                  .symbols = w->apps.symbols,
                                  .relay = w->apps.relay,
                                  .alerts = {.alerting = w->respond.alerting.engine,
                                             .outbox = w->respond.alerting.outbox,
                                             .plan = respond_alert_plan,
                                             .context = &w->respond.alerting,
                                             .send = w->respond.fan.send,
                                             .custom = w->respond.custom_alerts},
                                  .daemon = {w, copy_facts, list_parts, ask_reload, ask_quit}};
    if (w->runner != NULL)
        config.source = (struct serve_source){w->runner, runner_rows_each};
    return serve_new(&config, &w->serve, why);
}

static int open_statsd(struct work *w, struct why *why)
{
    struct statsd_plan plan = {.settings = conf_get(conf_of(w), &statsd_options),
                               .sink = ingest_sink(w->ingest),
                               .lane = lane(w, LANE_STATSD),
                               .event = respond_events_statsd,
                               .context = &w->respond.events,
                               .start_ms = clock_wall_ms(&clock_real)};
    return statsd_receiver_new(&plan, &clock_real, &w->statsd, why);
}

static int open_collectd(struct work *w, struct why *why)
{
    struct collectd_plan plan = {.settings = conf_get(conf_of(w), &collectd_options),
                                 .sink = ingest_sink(w->ingest),
                                 .lane = lane(w, LANE_COLLECTD),
                                 .notification = respond_events_collectd,
                                 .context = &w->respond.events,
                                 .clock = &clock_real};
    return collectd_receiver_new(&plan, &w->collectd, why);
}

static int open_graphite(struct work *w, struct why *why)
{
    struct graphite_config config = {.sink = ingest_sink(w->ingest),
                                     .clock = &clock_real,
                                     .settings = conf_get(conf_of(w), &graphite_options),
                                     .loops = w->loops,
                                     .lane = lane(w, LANE_GRAPHITE)};
    return graphite_new(&config, &w->graphite, why);
}

static int open_apps(struct work *w, struct why *why)
{
    const struct app_service_host host = {.conf = conf_of(w),
                                          .disk = w->disk,
                                          .sink = ingest_sink(w->ingest),
                                          .lane = lane(w, LANE_APPS),
                                          .events = w->respond.events.events,
                                          .health = w->health,
                                          .launcher = w->launcher};
    return app_service_open(&w->apps, &host, why);
}

static const void *settings_of(void *context, const struct option_table *table)
{
    return conf_get(conf_of(context), table);
}

/* The routes of the receivers and those of serve. */
static int open_routes(struct work *w, size_t *ret_n, struct why *why)
{
    const struct receiver_host host = {.sink = ingest_sink(w->ingest),
                                       .clock = &clock_real,
                                       .settings = settings_of,
                                       .context = w,
                                       .data = options_server(conf_of(w))->data,
                                       .disk = w->disk,
                                       .writer_lane = lane(w, LANE_PUSHGATEWAY)};
    int err = receivers_open(&host, &w->receivers, why);
    if (err != 0)
        return err;
    size_t received_n = receivers_routes_n(), served_n;
    const struct http_route *served = serve_routes(w->serve, &served_n);
    w->routes = mem_array(received_n + served_n, sizeof *w->routes);
    receivers_routes(w->receivers, w->routes);
    memcpy(w->routes + received_n, served, served_n * sizeof *served);
    *ret_n = received_n + served_n;
    return 0;
}

static int open_lanes(struct work *w, struct why *why)
{
    const struct options_server *server = options_server(conf_of(w));
    size_t n;
    int err = open_routes(w, &n, why);
    if (err != 0)
        return err;
    size_t loops = w->loops;
    struct http_config config = {
        .routes = w->routes,
        .routes_n = n,
        .limits = {.header_bytes_max = (size_t)server->header_bytes_max,
                   .connections_max = ((size_t)server->connections_max + loops - 1) / loops,
                   .body_bytes_total_max = (size_t)server->body_bytes_total_max / loops,
                   .header_timeout_ms = server->header_timeout_ms,
                   .body_timeout_ms = server->body_timeout_ms,
                   .idle_timeout_ms = server->idle_timeout_ms,
                   .write_queue_max = (size_t)server->write_queue_bytes_max},
        .guard = serve_guard,
        .guard_context = w->serve,
        .cors = serve_cors,
        .cors_context = w->serve};
    return lanes_new(loops, &config, &w->lanes, why);
}

/* Opens everything but the sockets. */
static int open_all(struct work *w, struct why *why)
{
    const struct options_server *server = options_server(conf_of(w));
    log_set_level((enum log_level)log_level_of(server->log_level));
    budget_set((uint64_t)server->unpacked_bytes_total_max);
    w->loops = work_loops(server);
    w->facts.picture.cores = (size_t)sysconf(_SC_NPROCESSORS_ONLN);
    w->facts.picture.threads = w->loops + (size_t)query_settings(w).threads + OTHER_THREADS;
    facts_draw(&w->facts, config_of(w), w->file, w->begun_ms);
    int err = disk_real_open(server->data, &w->disk, why);
    if (err != 0)
        return err;
    ignored_tell(config_of(w), config_before(w));
    confinement_enter(config_of(w));
    err = open_store(w, why);
    const struct respond_host host = {config_of(w), &clock_real,
                                      err == 0 ? store_face(w->store) : NULL, w->launcher};
    if (err == 0)
        err = respond_open(&w->respond, &host, why);
    if (err != 0)
        return err;
    struct ingest_settings ingest;
    options_ingest(conf_of(w), &ingest);
    open_forward(w);
    w->aggregate = aggregate_new(conf_rows(conf_of(w), &aggregate_options),
                                 forward_sink(w->forward), lane(w, LANE_AGGREGATE), &clock_real);
    w->ingest = ingest_new(&ingest, aggregate_sink(w->aggregate), &clock_real);
    w->pool = pool_new("query", (size_t)query_settings(w).threads, QUERY_QUEUE_MAX);
    err = plan_forward(w, why);
    if (err == 0)
        err = open_collect(w, why);
    if (err == 0)
        err = open_custom(w, why);
    if (err == 0)
        err = open_rules(w, why);
    if (err == 0)
        err = respond_rules_open(w->respond.state, w->rules, conf_of(w), &clock_real,
                                 &w->respond.custom_alerts, why);
    if (err == 0)
        err = respond_health_open(&w->respond, ingest_sink(w->ingest), lane(w, LANE_HEALTH),
                                  str_c(w->instance), w->launcher, why);
    if (err == 0)
        err = registration_open(&w->registration, conf_of(w), w->disk, why);
    if (err == 0)
        err = open_scrape(w, why);
    if (err != 0)
        return err;
    w->health = health_new(&clock_real);
    w->checks = (struct checks){w->store, w->runner, w->disk, &w->parent, w->rules};
    err = checks_add(&w->checks, w->health);
    if (err == 0)
        err = respond_checks(&w->respond, w->health);
    if (err == 0)
        err = open_apps(w, why);
    if (err == 0)
        err = open_serve(w, why);
    respond_health_probe(&w->respond, w->serve);
    if (err == 0)
        err = open_statsd(w, why);
    if (err == 0)
        err = open_collectd(w, why);
    if (err == 0)
        err = open_graphite(w, why);
    if (err == 0)
        err = open_lanes(w, why);
    return err;
}

static int take_over(struct work *w, struct why *why)
{
    /* The parent has checked the same text: where this fails it wrote while this was being read,
     * and will say so again. */
    int err = read_conf(w, why);
    if (err != 0)
        return err;
    const struct options_server *server = options_server(conf_of(w));
    struct store_settings store;
    options_store(conf_of(w), &store);
    log_set_level((enum log_level)log_level_of(server->log_level));
    budget_set((uint64_t)server->unpacked_bytes_total_max);
    struct ingest_settings ingest;
    options_ingest(conf_of(w), &ingest);
    ingest_reload(w->ingest, &ingest);
    aggregate_reload(w->aggregate, conf_rows(conf_of(w), &aggregate_options));
    store_reload(w->store, &store);
    struct query_settings query = query_settings(w);
    serve_reload(w->serve, &query);
    facts_draw(&w->facts, config_of(w), w->file, clock_wall_ms(&clock_real));
    ignored_tell(config_of(w), config_before(w));
    err = scrape_reload(w->scrape, config_of(w)->promfile, why);
    if (err == 0)
        err = rules_reload_with(w->rules, &config_of(w)->rules, why);
    int forward_err = plan_forward(w, err == 0 ? why : NULL);
    err = err != 0 ? err : forward_err;
    int respond_err = respond_reload(&w->respond, config_of(w), err == 0 ? why : NULL);
    err = err != 0 ? err : respond_err;
    /* Whoever works with the Prometheus file has taken over the new one. */
    for (size_t i = 0; i + 1 < w->configs.n; i++)
        config_forget(w->configs.v[i]);
    for (size_t i = 0; i + 2 < w->configs.n; i++)
        config_forget_plan(w->configs.v[i]);
    return err;
}

/* Tells those who asked how a reload went. */
static void tell_reloaded(struct work *w, const char *problem)
{
    facts_problem(&w->facts, problem);
    serve_reloaded(w->serve, problem);
}

static void reload(struct work *w)
{
    struct why why = {0};
    int err = take_over(w, &why);
    if (err != 0)
        log_warn(MODULE, "%s", why.text[0] ? why.text : err_text(err));
    else
        log_info(MODULE, "configuration reloaded");
    tell_reloaded(w, err == 0 ? "" : why.text[0] ? why.text : err_text(err));
}

/* False where the worker is to end. */
static bool obey(struct work *w, enum worker_order order)
{
    if (order == WORKER_RELOAD)
        reload(w);
    else if (order == WORKER_PROBLEM && w->parent.problem[0])
        tell_reloaded(w, w->parent.problem);
    else if (order == WORKER_STOP)
        serve_reloaded(w->serve, ""); /* the next worker has the new configuration */
    return order != WORKER_STOP;
}

/* The main thread's life: heartbeats, health, orders. Serves until it is told to stop; the exit
 * status. */
static int serve_until_stopped(struct work *w)
{
    worker_ready(&w->parent);
    int64_t ready_ns = clock_monotonic_ns(&clock_real) - w->begun_ns;
    stat_set(&start_seconds, (double)ready_ns / 1e9);
    log_info(MODULE, "ready after %" PRId64 " ms", ready_ns / 1000000);
    for (;;) {
        if (lanes_turned(w->lanes))
            worker_beat(&w->parent);
        health_run(w->health);
        if (!obey(w, worker_wait(&w->parent, TICK_MS)))
            return ORDER_EXIT_STOPPED;
        if (launch_gone(w->launcher)) {
            log_error(MODULE, "the process that starts programs has died; both are started again");
            return EXIT_FAILURE;
        }
    }
}

static void close_all(struct work *w)
{
    runner_free(w->runner);
    statsd_receiver_free(w->statsd);
    collectd_receiver_free(w->collectd);
    graphite_free(w->graphite);
    pool_free(w->pool);
    rules_free(w->rules);
    lanes_free(w->lanes);
    receivers_close(w->receivers);
    serve_free(w->serve);
    scrape_free(w->scrape);
    custom_free(w->custom);
    registration_close(&w->registration);
    app_service_close(&w->apps);
    health_free(w->health);
    ingest_free(w->ingest);
    aggregate_free(w->aggregate);
    forward_free(w->forward);
    respond_close(&w->respond);
    store_close(w->store);
    disk_free(w->disk);
    launch_close(w->launcher);
    facts_done(&w->facts);
    mem_free(w->routes);
    for (size_t i = 0; i < w->configs.n; i++)
        config_free(w->configs.v[i]);
    vec_free(&w->configs);
    worker_close(&w->parent);
}

/* The sockets of one kind. */
static size_t sockets_of(const char *kinds, enum door door, int *ret)
{
    size_t n = 0;
    for (size_t i = 0; kinds[i] != '\0'; i++)
        if (kinds[i] == 'a' + (int)door)
            ret[n++] = CHILD_FIRST_FD + 1 + (int)i;
    return n;
}

static int open_launcher(struct work *w, const char *kinds, struct why *why)
{
    const char *at = strchr(kinds, SOCKETS_LAUNCHER);
    if (at == NULL)
        return 0;
    return launch_open(CHILD_FIRST_FD + 1 + (int)(at - kinds), &w->launcher, why);
}

/* Before the loops run. */
static int open_graphite_doors(struct work *w, const char *kinds, struct why *why)
{
    static const enum door DOORS[] = {DOOR_graphite, DOOR_graphite_pickle};
    int fds[CHILD_FDS_MAX], err = 0;
    for (size_t k = 0; k < COUNTOF(DOORS); k++) {
        size_t n = sockets_of(kinds, DOORS[k], fds);
        for (size_t i = 0; i < n && err == 0; i++)
            err = graphite_listen(w->graphite, lanes_loop(w->lanes, i % w->loops), i % w->loops,
                                  fds[i], DOORS[k] == DOOR_graphite_pickle, why);
    }
    size_t n = sockets_of(kinds, DOOR_graphite_udp, fds);
    return err != 0 ? err : graphite_receive(w->graphite, fds, n, why);
}

static int open_doors(struct work *w, const char *kinds, struct why *why)
{
    int fds[CHILD_FDS_MAX];
    doors_tell(kinds);
    size_t n = sockets_of(kinds, DOOR_http, fds);
    n += sockets_of(kinds, DOOR_otlp, fds + n);
    int err = open_graphite_doors(w, kinds, why);
    if (err == 0)
        err = lanes_start(w->lanes, fds, n, why);
    n = sockets_of(kinds, DOOR_statsd, fds);
    if (err == 0)
        err = statsd_receiver_start(w->statsd, fds, n, why);
    n = sockets_of(kinds, DOOR_collectd, fds);
    if (err == 0)
        err = collectd_receiver_start(w->collectd, fds, n, why);
    n = sockets_of(kinds, DOOR_apps, fds);
    return err != 0 ? err : app_service_start(&w->apps, fds, n, why);
}

static int run(struct work *w, const char *kinds)
{
    struct why why = {0};
    int err = read_conf(w, &why);
    if (err == 0)
        err = open_launcher(w, kinds, &why);
    if (err == 0)
        err = open_all(w, &why);
    if (err == 0)
        err = open_doors(w, kinds, &why);
    if (err != 0) {
        log_error(MODULE, "%s", why.text[0] ? why.text : err_text(err));
        return ORDER_EXIT_REFUSED;
    }
    if (w->runner != NULL)
        runner_start(w->runner);
    custom_start(w->custom);
    rules_start(w->rules);
    scrape_start(w->scrape);
    aggregate_start(w->aggregate);
    w->respond.pulse.rules = w->rules;
    respond_start(&w->respond);
    int status = serve_until_stopped(w);
    log_info(MODULE, "stopping");
    respond_stop(&w->respond);
    serve_drain(w->serve);
    lanes_drain(w->lanes, DRAIN_MS);
    app_service_stop(&w->apps);
    serve_stop(w->serve);
    pool_free(w->pool);
    w->pool = NULL;
    graphite_stop(w->graphite);
    lanes_end(w->lanes);
    return status;
}

int work_run(const char *kinds, struct arguments *a)
{
    struct work *w = mem_new(sizeof *w);
    struct why why = {0};
    const char *file = arguments_value(a, "config");
    w->file = file == NULL ? "command line" : file;
    facts_init(&w->facts);
    w->begun_ns = clock_monotonic_ns(&clock_real);
    w->begun_ms = clock_wall_ms(&clock_real);
    if (strlen(kinds) >= CHILD_FDS_MAX || !arguments_settings(a, &w->set) ||
        !arguments_end(a, "serve") || worker_open(&w->parent, &why) != 0) {
        fprintf(stderr, "sonde serve --worker: %s\n",
                why.text[0] ? why.text : "started by the parent alone");
        mem_free(w);
        return 2;
    }
    stat_register(&restarts);
    stat_register(&build_info);
    stat_register(&start_seconds);
    stat_add(&restarts, w->parent.restarts);
    stat_set(&build_info, 1);
    int status = run(w, kinds);
    close_all(w);
    mem_free(w);
    return status;
}
