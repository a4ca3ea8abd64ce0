#include "tool/options.h"

#include <string.h>

#include "aggregate/aggregate.h"
#include "alert/config/plan.h"
#include "apps/apps_settings.h"
#include "checkin/checkin_settings.h"
#include "codec/otlp_settings.h"
#include "custom/custom_settings.h"
#include "discover/registry.h"
#include "event/event_settings.h"
#include "incident/incident_settings.h"
#include "serve/system_settings.h"
#include "remedy/remedy_settings.h"
#include "ingest/ingest.h"
#include "net/address.h"
#include "notify/notifier.h"
#include "os/file.h"
#include "promfile/promfile_options.h"
#include "receive/graphite.h"
#include "receive/influx.h"
#include "receive/collectd_receiver.h"
#include "receive/pushgateway.h"
#include "receive/statsd_aggregator.h"
#include "rules/rules.h"
#include "scrape/scrape.h"
#include "serve/query_settings.h"
#include "text/regex.h"
#include "threshold/threshold.h"
#include "watch/conf/watch_conf.h"

#define AT(member) offsetof(struct options_server, member)

static const struct option ROWS[] = {
    {"listen", OPTION_LIST, AT(listen), "127.0.0.1:7663", 0, 0, NULL, 0,
     "Addresses of the HTTP server: HOST:PORT, [IPV6]:PORT, *:PORT or unix:/PATH. Any other than a "
     "loopback address also needs insecure = true, as there are no accounts and no TLS."},
    {"insecure", OPTION_BOOL, AT(insecure), "false", 0, 0, NULL, 0,
     "Serve everybody who can reach the address. Only in a network that you trust."},
    {"data", OPTION_TEXT, AT(data), "./data", 0, 4000, NULL, 0,
     "Directory of everything that is stored. It is made where it is missing."},
    {"loops", OPTION_INT, AT(loops), "0", 0, 13, NULL, 0,
     "Threads that serve connections; 0 is one for each core (8 at most)."},
    {"log_level", OPTION_CHOICE, AT(log_level), "info", 0, 0, "debug|info|warn|error",
     OPTION_RELOAD, "The least important lines that are written to standard error."},
    {"confine", OPTION_CHOICE, AT(confine), "on", 0, 0, "on|off", 0,
     "Confine the worker: it opens its data and what it collects from, and starts no programs."},
    {"start_timeout_ms", OPTION_INT, AT(start_timeout_ms), "600000", 1000, 86400000, NULL,
     OPTION_RELOAD, "A worker that does not serve by then is aborted and started again."},
    {"beat_timeout_ms", OPTION_INT, AT(beat_timeout_ms), "10000", 2000, 3600000, NULL,
     OPTION_RELOAD, "A worker whose loops do not turn for that long is aborted and started again."},
    {"stop_timeout_ms", OPTION_INT, AT(stop_timeout_ms), "30000", 1000, 3600000, NULL,
     OPTION_RELOAD, "How long a worker may take to write everything out before it is killed."},
    {"crash_reports_max", OPTION_INT, AT(crash_reports_max), "10", 1, 1000, NULL, OPTION_RELOAD,
     "Crash reports that are kept in DATA/crash."},
    {"connections_max", OPTION_INT, AT(connections_max), "10000", 1, 1000000, NULL, 0,
     "Connections at once; the one past it is answered with 503."},
    {"header_bytes_max", OPTION_INT, AT(header_bytes_max), "32768", 1024, 1048576, NULL, 0,
     "Bytes of the request line and headers of one request."},
    {"body_bytes_total_max", OPTION_INT, AT(body_bytes_total_max), "268435456", 1048576, 1e12, NULL,
     0, "Bytes of all request bodies that are in memory at once."},
    {"unpacked_bytes_total_max", OPTION_INT, AT(unpacked_bytes_total_max), "1073741824", 1048576,
     1e12, NULL, OPTION_RELOAD, "Bytes of all bodies that are unpacked in memory at once."},
    {"header_timeout_ms", OPTION_INT, AT(header_timeout_ms), "10000", 100, 3600000, NULL, 0,
     "From the first byte of a request to the end of its headers."},
    {"body_timeout_ms", OPTION_INT, AT(body_timeout_ms), "30000", 100, 3600000, NULL, 0,
     "Without a byte while a body is coming."},
    {"idle_timeout_ms", OPTION_INT, AT(idle_timeout_ms), "120000", 100, 86400000, NULL, 0,
     "Between two requests of a connection."},
    {"write_queue_bytes_max", OPTION_INT, AT(write_queue_bytes_max), "67108864", 65536, 1e12, NULL,
     0, "Bytes that may wait for a slow reader before it is disconnected."},
    {"admin_api", OPTION_BOOL, AT(admin_api), "false", 0, 0, NULL, 0,
     "Answer /api/v1/admin/tsdb/: delete_series, clean_tombstones and snapshot."},
    {"lifecycle", OPTION_BOOL, AT(lifecycle), "false", 0, 0, NULL, 0,
     "Answer POST and PUT of /-/reload and /-/quit."},
    {"cors_origin", OPTION_TEXT, AT(cors_origin), "", 0, 4000, NULL, 0,
     "Regular expression for the origins of other sites whose pages may read answers and send "
     "queries, such as https?://grafana\\.example(:[0-9]+)?; it has to match all of the origin. "
     "Empty: none. Writes and the live socket stay closed to other sites' pages."},
};

const struct option_table options_server_table = {
    "server", "Where the daemon listens, where its data is, and its limits.",
    false,    sizeof(struct options_server),
    ROWS,     COUNTOF(ROWS),
};

/* clang-format off: one a line, so that each way in is one line of a change */
static const struct option_table *const TABLES[] = {
    &options_server_table,
    &ingest_options,
    &ingest_relabel_options,
    &aggregate_options,
    &store_options,
    &store_retention_options,
    &store_tenant_options,
    &settings_options,
    &settings_intervals_options,
    &settings_group_options,
    &query_settings_options,
    &rules_options,
    &event_settings_options,
    &incident_settings_options,
    &remedy_settings_options,
    &remedy_settings_row_options,
    &system_settings_options,
    &checkin_settings_options,
    &checkin_settings_row_options,
    &checkin_settings_heartbeat_options,
    &threshold_options,
    &influx_options,
    &statsd_options,
    &otlp_settings_options,
    &graphite_options,
    &collectd_options,
    &pushgateway_options,
    &apps_settings_options,
    &apps_settings_sentry_options,
    &promfile_options,
    &scrape_options,
    &registry_options,
    &forward_options,
    &forward_options_write_table,
    &forward_options_relabel_table,
    &notify_row_options,
    &custom_settings_options,
    &custom_settings_command_options,
    &custom_settings_http_options,
    &plan_options,
    &plan_escalation_options,
    &custom_settings_sql_options,
    &custom_settings_log_options,
    &checkup_settings_own_options,
    &checkup_settings_options,
    &checkup_settings_maintenance_options,
    &checkup_settings_page_options,
    &watch_conf_options,
    &watch_conf_program_options,
};
/* clang-format on */

const struct conf_tables options_tables = {TABLES, COUNTOF(TABLES)};

const struct options_server *options_server(const struct conf *c)
{
    return conf_get(c, &options_server_table);
}

void options_collect(const struct conf *c, struct settings *ret)
{
    *ret = *(const struct settings *)conf_get(c, &settings_options);
    ret->intervals = *(const struct settings_intervals *)conf_get(c, &settings_intervals_options);
    ret->groups = *conf_rows(c, &settings_group_options);
}

void options_custom(const struct conf *c, struct custom_settings *ret)
{
    ret->own = *(const struct custom_settings_own *)conf_get(c, &custom_settings_options);
    ret->commands = *conf_rows(c, &custom_settings_command_options);
    ret->https = *conf_rows(c, &custom_settings_http_options);
    ret->sqls = *conf_rows(c, &custom_settings_sql_options);
    ret->logs = *conf_rows(c, &custom_settings_log_options);
}

void options_watch(const struct conf *c, struct watch_conf *ret)
{
    ret->own = *(const struct watch_conf_own *)conf_get(c, &watch_conf_options);
    ret->programs = *conf_rows(c, &watch_conf_program_options);
}

void options_health(const struct conf *c, struct checkup_plan_settings *ret)
{
    ret->own = *(const struct checkup_settings_own *)conf_get(c, &checkup_settings_own_options);
    ret->page = *(const struct checkup_settings_page *)conf_get(c, &checkup_settings_page_options);
    ret->checks = *conf_rows(c, &checkup_settings_options);
    ret->maintenance = *conf_rows(c, &checkup_settings_maintenance_options);
}

void options_store(const struct conf *c, struct store_settings *ret)
{
    *ret = *(const struct store_settings *)conf_get(c, &store_options);
    ret->retention = *conf_rows(c, &store_retention_options);
    ret->tenants = *conf_rows(c, &store_tenant_options);
}

void options_ingest(const struct conf *c, struct ingest_settings *ret)
{
    *ret = *(const struct ingest_settings *)conf_get(c, &ingest_options);
    ret->relabel = *conf_rows(c, &ingest_relabel_options);
}

void options_forward(const struct conf *c, struct forward_settings *ret)
{
    *ret = *(const struct forward_settings *)conf_get(c, &forward_options);
    ret->remote_writes = *conf_rows(c, &forward_options_write_table);
    ret->relabel = *conf_rows(c, &forward_options_relabel_table);
}

/* The addresses of an option: well formed, and of this machine alone where it is not said that the
 * network is trusted. */
static int check_addresses(const struct conf *c, const char *key, const struct option_list *list,
                           struct why *why)
{
    for (size_t i = 0; i < list->n; i++) {
        struct address a;
        int err = address_parse(str_c(list->v[i]), &a, why);
        if (err != 0)
            return err;
        if (!address_is_loopback(&a) && !options_server(c)->insecure)
            return why_set(why, ERR_DENIED,
                           "%s has %s, which other machines can reach, but there are no "
                           "accounts and no TLS yet: listen on a loopback address (127.0.0.1:%u), "
                           "or say insecure = true in [server] where the network is trusted",
                           key, list->v[i], (unsigned)address_port(&a));
    }
    return 0;
}

static int check_listen(const struct conf *c, struct why *why)
{
    const struct options_server *s = options_server(c);
    if (s->listen.n == 0)
        return why_set(why, ERR_FORMAT, "server.listen is empty: nobody could reach the daemon");
    return check_addresses(c, "server.listen", &s->listen, why);
}

static int check_statsd(const struct conf *c, struct why *why)
{
    const struct statsd_settings *s = conf_get(c, &statsd_options);
    int err = check_addresses(c, "statsd.listen", &s->listen, why);
    return err != 0 ? err : statsd_settings_check(s, why);
}

static int check_collectd(const struct conf *c, struct why *why)
{
    const struct collectd_settings *s = conf_get(c, &collectd_options);
    int err = check_addresses(c, "collectd.listen", &s->listen, why);
    return err != 0 ? err : collectd_settings_check(s, why);
}

static int check_graphite(const struct conf *c, struct why *why)
{
    const struct graphite_settings *s = conf_get(c, &graphite_options);
    int err = check_addresses(c, "graphite.listen", &s->listen, why);
    if (err == 0)
        err = check_addresses(c, "graphite.listen_udp", &s->listen_udp, why);
    if (err == 0)
        err = check_addresses(c, "graphite.listen_pickle", &s->listen_pickle, why);
    return err != 0 ? err : graphite_settings_check(s, why);
}

static int check_cors(const struct options_server *s, struct why *why)
{
    struct regex *re;
    struct why fault = {0};
    int err = regex_new(str_c(s->cors_origin), &re, &fault);
    if (err != 0)
        return why_set(why, (enum err) - err, "server.cors_origin: %s", fault.text);
    regex_free(re);
    return 0;
}

static int check_otlp(const struct conf *c, struct why *why)
{
    const struct otlp_settings *s = conf_get(c, &otlp_settings_options);
    return check_addresses(c, "otlp.listen", &s->listen, why);
}

static int check_whole(const struct conf *c, struct why *why)
{
    int err = check_listen(c, why);
    if (err == 0)
        err = check_cors(options_server(c), why);
    if (err == 0)
        err = check_statsd(c, why);
    if (err == 0)
        err = check_collectd(c, why);
    if (err == 0)
        err = check_otlp(c, why);
    if (err == 0)
        err = check_graphite(c, why);
    if (err == 0)
        err = apps_settings_check(conf_get(c, &apps_settings_options),
                                  conf_get(c, &apps_settings_sentry_options), why);
    if (err != 0)
        return err;
    struct settings collect;
    options_collect(c, &collect);
    err = settings_check(&collect, why);
    if (err != 0)
        return err;
    struct ingest_settings ingest;
    options_ingest(c, &ingest);
    err = ingest_settings_check(&ingest, why);
    if (err != 0)
        return err;
    struct forward_settings forward;
    options_forward(c, &forward);
    err = forward_options_check(&forward, why);
    if (err != 0)
        return err;
    err = aggregate_check(conf_rows(c, &aggregate_options), why);
    if (err != 0)
        return err;
    err = query_settings_check(conf_get(c, &query_settings_options), why);
    if (err != 0)
        return err;
    err = rules_settings_check(conf_get(c, &rules_options), why);
    if (err == 0)
        err = checkin_settings_check(conf_rows(c, &checkin_settings_row_options),
                                     conf_rows(c, &checkin_settings_heartbeat_options), why);
    if (err == 0)
        err = remedy_settings_check(conf_rows(c, &remedy_settings_row_options), why);
    struct promql_options language = query_settings_language(conf_get(c, &query_settings_options));
    if (err == 0)
        err = threshold_check_rows(conf_rows(c, &threshold_options), &language, why);
    if (err != 0)
        return err;
    struct custom_settings custom;
    options_custom(c, &custom);
    err = custom_settings_check(&custom, why);
    if (err != 0)
        return err;
    struct watch_conf watch;
    options_watch(c, &watch);
    err = watch_conf_check(&watch, why);
    if (err != 0)
        return err;
    struct checkup_plan_settings health;
    options_health(c, &health);
    err = checkup_settings_check_all(&health, why);
    if (err != 0)
        return err;
    struct store_settings store;
    options_store(c, &store);
    return store_settings_check(&store, why);
}

int options_read(struct str document, const char *file, const struct conf_override *overrides,
                 size_t overrides_n, struct conf **ret, struct buf *problems)
{
    struct conf *c;
    struct why why = {0};
    int err = conf_read(document, file, &options_tables, overrides, overrides_n, &c, problems);
    if (err != 0)
        return err;
    err = check_whole(c, &why);
    if (err != 0) {
        buf_printf(problems, "%s: %s\n", file, why.text);
        conf_free(c);
        return err;
    }
    *ret = c;
    return 0;
}

int options_read_file(const char *file, const struct conf_override *overrides, size_t overrides_n,
                      struct conf **ret, struct buf *problems)
{
    if (file == NULL || file[0] == '\0')
        return options_read(STR(""), "command line", overrides, overrides_n, ret, problems);
    struct buf text;
    struct why why = {0};
    buf_init(&text, OPTIONS_FILE_MAX);
    int err = file_read(file, &text, &why);
    if (err != 0)
        buf_printf(problems, "%s\n", why.text);
    else
        err = options_read(buf_str(&text), file, overrides, overrides_n, ret, problems);
    buf_done(&text);
    return err;
}
