#include "serve/serve.h"

#include "base/mem.h"
#include "base/stat.h"
#include "serve/admin_api.h"
#include "serve/alert_api.h"
#include "serve/alertmanager_api.h"
#include "serve/app_api.h"
#include "serve/checkin_api.h"
#include "serve/event_api.h"
#include "serve/incident_api.h"
#include "serve/system_api.h"
#include "serve/remedy_api.h"
#include "serve/expression_api.h"
#include "serve/feature_api.h"
#include "serve/federate.h"
#include "serve/health_api.h"
#include "serve/lifecycle.h"
#include "serve/live.h"
#include "serve/dump.h"
#include "serve/checkup_api.h"
#include "serve/custom_api.h"
#include "serve/gpu_api.h"
#include "serve/metric_api.h"
#include "serve/notification.h"
#include "serve/page.h"
#include "serve/probe.h"
#include "serve/query_api.h"
#include "serve/query_list_api.h"
#include "serve/query_registry.h"
#include "serve/read_api.h"
#include "serve/registry_api.h"
#include "serve/rules_api.h"
#include "serve/scrape_page.h"
#include "serve/search_api.h"
#include "serve/series_api.h"
#include "serve/spool_api.h"
#include "serve/serve_state.h"
#include "serve/status_api.h"
#include "serve/status_page.h"
#include "serve/target_api.h"
#include "serve/watch_api.h"
#include "serve/threshold_api.h"
#include "text/regex.h"

enum {
    FORM = HTTP_GET | HTTP_POST,            /* a query string, or a form */
    ORDER = HTTP_POST | HTTP_PUT,           /* changes something */
    PING = HTTP_GET | HTTP_POST | HTTP_RAW, /* of a job, with its output or without */
};

static struct stat refused = STAT_COUNTER("sonde_http_foreign_total",
                                          "Requests refused because of a foreign Host or Origin.");

/* Every path that serve answers. */
static const struct http_route ROUTES[] = {
    {FORM, "/api/v1/query", SERVE_BODY_MAX, query_api_instant, NULL},
    {FORM, "/api/v1/query_range", SERVE_BODY_MAX, query_api_range, NULL},
    {FORM, "/api/v1/format_query", SERVE_BODY_MAX, expression_api_format, NULL},
    {FORM, "/api/v1/parse_query", SERVE_BODY_MAX, expression_api_parse, NULL},
    {FORM, "/api/v1/query_exemplars", SERVE_BODY_MAX, series_api_exemplars, NULL},
    {FORM, "/api/v1/series", SERVE_BODY_MAX, series_api_series, NULL},
    {FORM, "/api/v1/labels", SERVE_BODY_MAX, series_api_labels, NULL},
    {HTTP_GET, "/api/v1/label/(*)/values", 0, series_api_values, NULL},
    {HTTP_POST, "/api/v1/read", READ_API_BODY_MAX, read_api_handle, NULL},
    {HTTP_GET, "/api/v1/metadata", 0, series_api_metadata, NULL},
    {FORM, "/api/v1/search/metric_names", SERVE_BODY_MAX, search_api_metrics, NULL},
    {FORM, "/api/v1/search/label_names", SERVE_BODY_MAX, search_api_names, NULL},
    {FORM, "/api/v1/search/label_values", SERVE_BODY_MAX, search_api_values, NULL},
    {HTTP_GET, "/api/v1/rules", 0, rules_api_rules, NULL},
    {HTTP_GET, "/api/v1/alerts", 0, rules_api_alerts, NULL},
    {HTTP_GET, "/api/v1/targets", 0, target_api_targets, NULL},
    {HTTP_GET, "/api/v1/targets/metadata", 0, target_api_metadata, NULL},
    {HTTP_GET, "/api/v1/targets/relabel_steps", 0, target_api_relabel_steps, NULL},
    {HTTP_GET, "/api/v1/scrape_pools", 0, target_api_pools, NULL},
    {HTTP_GET, "/api/v1/scrape_pools/config", 0, target_api_pool_config, NULL},
    {HTTP_GET, "/api/v1/alertmanagers", 0, target_api_alertmanagers, NULL},
    {HTTP_GET, "/api/v1/status/buildinfo", 0, status_api_build, NULL},
    {HTTP_GET, "/api/v1/status/runtimeinfo", 0, status_api_runtime, NULL},
    {HTTP_GET, "/api/v1/status/config", 0, status_api_config, NULL},
    {HTTP_GET, "/api/v1/status/flags", 0, status_api_flags, NULL},
    {HTTP_GET, "/api/v1/status/tsdb", 0, status_api_tsdb, NULL},
    {HTTP_GET, "/api/v1/status/tsdb/blocks", 0, status_api_blocks, NULL},
    {HTTP_GET, "/api/v1/status/walreplay", 0, status_api_replay, NULL},
    {HTTP_GET, "/api/v1/status/self_metrics", 0, status_api_self, NULL},
    {HTTP_GET, "/api/v1/features", 0, feature_api_list, NULL},
    {HTTP_GET, "/api/v1/notifications", 0, notification_list, NULL},
    {HTTP_GET, "/api/v1/notifications/live", 0, notification_live, NULL},
    {ORDER, "/api/v1/admin/tsdb/delete_series", SERVE_BODY_MAX, series_api_delete, NULL},
    {ORDER, "/api/v1/admin/tsdb/clean_tombstones", SERVE_BODY_MAX, admin_api_clean, NULL},
    {ORDER, "/api/v1/admin/tsdb/snapshot", SERVE_BODY_MAX, admin_api_snapshot, NULL},
    {HTTP_POST, "/api/admin/snapshot", 0, admin_api_snapshot_here, NULL},
    {HTTP_POST, "/api/admin/flush", 0, admin_api_flush, NULL},
    {HTTP_POST, "/api/admin/merge", 0, admin_api_merge, NULL},
    {HTTP_GET, "/api/queries", 0, query_list_api_list, NULL},
    {HTTP_DELETE, "/api/queries/(*)", 0, query_list_api_cancel, NULL},
    {HTTP_GET, "/api/metrics/dump", 0, dump_handle, NULL},
    {HTTP_GET, "/api/custom", 0, custom_api_list, NULL},
    {HTTP_GET, "/api/checks", 0, checkup_api_list, NULL},
    {HTTP_POST | HTTP_RAW, "/api/checks", CHECKUP_API_BODY_MAX, checkup_api_add, NULL},
    {HTTP_GET, "/api/checks/(*)", 0, checkup_api_one, NULL},
    {HTTP_PUT | HTTP_RAW, "/api/checks/(*)", CHECKUP_API_BODY_MAX, checkup_api_put, NULL},
    {HTTP_DELETE, "/api/checks/(*)", 0, checkup_api_drop, NULL},
    {HTTP_POST, "/api/checks/(*)/run", SERVE_BODY_MAX, checkup_api_run, NULL},
    {HTTP_GET, "/api/checks/(*)/history", 0, checkup_api_history, NULL},
    {HTTP_GET, "/api/checks/(*)/uptime", 0, checkup_api_uptime, NULL},
    {HTTP_GET, "/api/components/status", 0, checkup_api_components, NULL},
    {HTTP_GET, "/api/maintenance", 0, checkup_api_maintenance, NULL},
    {HTTP_POST | HTTP_RAW, "/api/maintenance", CHECKUP_API_BODY_MAX, checkup_api_maintenance_add,
     NULL},
    {HTTP_DELETE, "/api/maintenance/(*)", 0, checkup_api_maintenance_drop, NULL},
    {HTTP_GET, "/api/v1/monitoring/health", 0, health_api_monitoring, NULL},
    {HTTP_POST | HTTP_RAW, "/grpc.health.v1.Health/Check", 4096, health_api_grpc, NULL},
    {HTTP_GET, "/status", 0, status_page_html, NULL},
    {HTTP_GET, "/status.json", 0, status_page_json, NULL},
    {HTTP_GET, "/api/metrics/gpu", 0, gpu_api_state, NULL},
    {HTTP_GET, "/api/apps", 0, app_api_list, NULL},
    {HTTP_GET, "/api/apps/(*)", 0, app_api_one, NULL},
    {FORM, "/api/apps/(*)/ask", SERVE_BODY_MAX, app_api_ask, NULL},
    {HTTP_GET, "/api/services", 0, app_api_services, NULL},
    {HTTP_GET, "/api/services/(*)", 0, app_api_service, NULL},
    {HTTP_GET, "/api/services/(*)/(*)", 0, app_api_service_part, NULL},
    {HTTP_POST, "/api/services/(*)/reset", SERVE_BODY_MAX, app_api_service_reset, NULL},
    {HTTP_GET, "/api/spool", 0, spool_api_facts, NULL},
    {HTTP_GET, "/api/errors/recent", 0, spool_api_errors, NULL},
    {HTTP_GET, "/api/watch", 0, watch_api_list, NULL},
    {HTTP_GET, "/api/watch/(*)", 0, watch_api_one, NULL},
    {HTTP_GET, "/api/watch/(*)/history", 0, watch_api_history, NULL},
    {HTTP_GET, "/api/watch/(*)/logs", 0, watch_api_logs, NULL},
    {HTTP_POST, "/api/watch/(*)/(*)", 0, watch_api_do, NULL},
    {HTTP_GET, "/api/targets", 0, registry_api_list, NULL},
    {HTTP_POST, "/api/targets", REGISTRY_BODY_MAX, registry_api_add, NULL},
    {HTTP_GET, "/api/targets/offers", 0, registry_api_offers, NULL},
    {HTTP_DELETE, "/api/targets/(*)", 0, registry_api_drop, NULL},
    {HTTP_GET, "/api/metrics/query", 0, metric_api_query, NULL},
    {HTTP_GET, "/api/metrics/search", 0, metric_api_search, NULL},
    {HTTP_GET, "/api/events", 0, event_api_list, NULL},
    {HTTP_POST | HTTP_RAW, "/api/events", EVENT_API_BODY_MAX, event_api_add, NULL},
    {HTTP_DELETE, "/api/events/(*)", 0, event_api_delete, NULL},
    {HTTP_GET, "/api/checkins", 0, checkin_api_list, NULL},
    {HTTP_GET, "/api/checkins/(*)", 0, checkin_api_one, NULL},
    {HTTP_DELETE, "/api/checkins/(*)", 0, checkin_api_delete, NULL},
    {PING, "/api/checkin/(*)", CHECKIN_API_BODY_MAX, checkin_api_ping, NULL},
    {PING, "/api/checkin/(*)/(*)", CHECKIN_API_BODY_MAX, checkin_api_ping, NULL},
    {HTTP_GET, "/api/v1/monitoring/metrics", 0, system_api_own, NULL},
    {HTTP_GET, "/api/system/metrics", 0, system_api_host, NULL},
    {HTTP_GET, "/api/v1/system/status", 0, system_api_status, NULL},
    {HTTP_GET, "/api/incidents", 0, incident_api_list, NULL},
    {HTTP_GET, "/api/incidents/(*)", 0, incident_api_one, NULL},
    {HTTP_POST | HTTP_RAW, "/api/incidents/(*)/notes", INCIDENT_API_BODY_MAX, incident_api_note,
     NULL},
    {HTTP_POST | HTTP_RAW, "/api/incidents/(*)/close", INCIDENT_API_BODY_MAX, incident_api_close,
     NULL},
    {HTTP_POST | HTTP_RAW, "/api/incidents/(*)/merge", INCIDENT_API_BODY_MAX, incident_api_merge,
     NULL},
    {HTTP_GET, "/api/remedies", 0, remedy_api_list, NULL},
    {HTTP_GET, "/api/remedies/history", 0, remedy_api_history, NULL},
    {HTTP_POST, "/api/remedies/(*)/run", SERVE_BODY_MAX, remedy_api_run, NULL},
    {HTTP_GET, "/api/annotations", 0, event_api_annotations, NULL},
    {HTTP_POST | HTTP_RAW, "/api/annotations", EVENT_API_BODY_MAX, event_api_annotate, NULL},
    {HTTP_GET, "/api/v2/status", 0, alertmanager_api_status, NULL},
    {HTTP_GET, "/api/v2/receivers", 0, alertmanager_api_receivers, NULL},
    {HTTP_GET, "/api/v2/alerts", 0, alertmanager_api_alerts, NULL},
    {HTTP_POST | HTTP_RAW, "/api/v2/alerts", ALERTMANAGER_API_BODY_MAX, alertmanager_api_post,
     NULL},
    {HTTP_GET, "/api/v2/alerts/groups", 0, alertmanager_api_groups, NULL},
    {HTTP_GET, "/api/v2/silences", 0, alertmanager_api_silences, NULL},
    {HTTP_POST | HTTP_RAW, "/api/v2/silences", SERVE_BODY_MAX, alertmanager_api_silence_post, NULL},
    {HTTP_GET, "/api/v2/silence/(*)", 0, alertmanager_api_silence, NULL},
    {HTTP_DELETE, "/api/v2/silence/(*)", 0, alertmanager_api_silence_expire, NULL},
    {HTTP_GET, "/api/alerts", 0, alert_api_list, NULL},
    {HTTP_GET, "/api/alerts/history", 0, alert_api_history, NULL},
    {HTTP_POST | HTTP_RAW, "/api/alerts/(*)/acknowledge", SERVE_BODY_MAX, alert_api_acknowledge,
     NULL},
    {HTTP_POST | HTTP_RAW, "/api/alerts/(*)/unacknowledge", SERVE_BODY_MAX, alert_api_unacknowledge,
     NULL},
    {HTTP_POST | HTTP_RAW, "/api/alerts/(*)/assign", SERVE_BODY_MAX, alert_api_assign, NULL},
    {HTTP_POST | HTTP_RAW, "/api/alerts/(*)/comment", SERVE_BODY_MAX, alert_api_comment, NULL},
    {HTTP_POST | HTTP_RAW, "/api/silences/preview", SERVE_BODY_MAX, alert_api_preview, NULL},
    {HTTP_GET, "/api/notify", 0, alert_api_notify, NULL},
    {HTTP_POST | HTTP_RAW, "/api/notify/test", SERVE_BODY_MAX, alert_api_notify_test, NULL},
    {HTTP_GET, "/api/alerts/rules", 0, threshold_api_list, NULL},
    {HTTP_POST | HTTP_RAW, "/api/alerts/rules", SERVE_BODY_MAX, threshold_api_add, NULL},
    {HTTP_GET, "/api/alerts/rules/(*)", 0, threshold_api_get, NULL},
    {HTTP_PUT | HTTP_RAW, "/api/alerts/rules/(*)", SERVE_BODY_MAX, threshold_api_change, NULL},
    {HTTP_DELETE, "/api/alerts/rules/(*)", 0, threshold_api_drop, NULL},
    {HTTP_POST | HTTP_RAW, "/api/alerts/backtest", SERVE_BODY_MAX, threshold_api_backtest, NULL},
    {HTTP_GET, "/api/live", 0, live_handle, NULL},
    {HTTP_GET, "/metrics", 0, scrape_page_handle, NULL},
    {HTTP_GET, "/federate", 0, federate_handle, NULL},
    {HTTP_GET, "/version", 0, status_api_version, NULL},
    {ORDER, "/-/reload", SERVE_BODY_MAX, lifecycle_reload, NULL},
    {ORDER, "/-/quit", SERVE_BODY_MAX, lifecycle_quit, NULL},
    {HTTP_GET, "/-/reload", 0, lifecycle_refuse, NULL},
    {HTTP_GET, "/-/quit", 0, lifecycle_refuse, NULL},
    {HTTP_GET, "/graph", 0, page_redirect, NULL},
    {HTTP_GET, "/query", 0, page_redirect, NULL},
    {HTTP_GET, "/alerts", 0, page_redirect, NULL},
    {HTTP_GET, "/rules", 0, page_redirect, NULL},
    {HTTP_GET, "/targets", 0, page_redirect, NULL},
    {HTTP_GET, "/service-discovery", 0, page_redirect, NULL},
    {HTTP_GET, "/livez", 0, health_api_live, NULL},
    {HTTP_GET, "/readyz", 0, health_api_ready, NULL},
    {HTTP_GET, "/health", 0, health_api_health, NULL},
    {HTTP_GET, "/-/healthy", 0, health_api_healthy_text, NULL},
    {HTTP_GET, "/-/ready", 0, health_api_ready_text, NULL},
    {HTTP_GET, "/", 0, page_handle, NULL},
};

static int add_checks(struct serve *s)
{
    struct health_check commit = {.component = "storage",
                                  .measurement = "commit_latency",
                                  .unit = "s",
                                  .type = "datastore",
                                  .fall = 2,
                                  .rise = 2,
                                  .run = probe_commit_check,
                                  .context = s->probe};
    struct health_check query = {.component = "query",
                                 .measurement = "latency",
                                 .unit = "s",
                                 .type = "component",
                                 .fall = 2,
                                 .rise = 2,
                                 .run = probe_query_check,
                                 .context = s->probe};
    int err = health_add(s->config.health, &commit);
    return err ? err : health_add(s->config.health, &query);
}

int serve_new(const struct serve_config *config, struct serve **ret, struct why *why)
{
    struct serve *s = mem_new(sizeof *s);
    s->config = *config;
    struct query_settings query;
    query_settings_default(&query);
    if (config->query)
        query = *config->query;
    s->routes_n = COUNTOF(ROUTES);
    s->routes = mem_copy(ROUTES, sizeof ROUTES);
    for (size_t i = 0; i < s->routes_n; i++)
        s->routes[i].context = s;
    s->queries = query_registry_new(config, &query);
    s->live = live_new(s);
    s->probe = probe_new(s);
    s->lifecycle = lifecycle_new();
    s->board = notification_board_new();
    s->offers = registry_api_offers_new();
    stat_register(&refused);
    query_api_open();
    const char *cors = config->cors_origin;
    int err = cors && cors[0] ? regex_new(str_c(cors), &s->cors, why) : 0;
    if (!err && add_checks(s))
        err = why_set(why, ERR_LIMIT, "there are too many health checks");
    if (err)
        serve_free(s);
    else
        *ret = s;
    return err;
}

void serve_reload(struct serve *s, const struct query_settings *query)
{
    query_registry_set(s->queries, query);
}

void serve_stop(struct serve *s)
{
    query_registry_stop(s->queries);
}

void serve_free(struct serve *s)
{
    if (!s)
        return;
    live_free(s->live);
    probe_free(s->probe);
    lifecycle_free(s->lifecycle);
    notification_board_free(s->board);
    registry_api_offers_free(s->offers);
    regex_free(s->cors);
    query_registry_free(s->queries);
    mem_free(s->routes);
    mem_free(s);
}

const struct http_route *serve_routes(const struct serve *s, size_t *ret_n)
{
    *ret_n = s->routes_n;
    return s->routes;
}

/* ---- what the daemon tells */

void serve_notify(struct serve *s, const char *text, bool active)
{
    notification_tell(s->board, text, active, clock_wall_ms(s->config.clock));
}

void serve_reloaded(struct serve *s, const char *problem)
{
    lifecycle_reloaded(s->lifecycle, problem ? problem : "");
    serve_notify(s, SERVE_RELOAD_FAILED, problem && problem[0]);
}

void serve_probe(struct serve *s, struct health_reading *ret)
{
    probe_commit_check(s->probe, ret);
}

void serve_drain(struct serve *s)
{
    notification_end(s->board);
}

/* ---- who may ask */

/* The host of "host:port" or "[::1]:port"; the brackets stay. */
static struct str host_of(struct str authority)
{
    if (authority.n && authority.p[0] == '[') {
        size_t end = str_find(authority, ']');
        return str_sub(authority, 0, end + 1);
    }
    return str_sub(authority, 0, str_find(authority, ':'));
}

/* 127.0.0.1 and its kin as numbers; a name like 127.0.0.1.example.org is none. */
static bool is_loopback_number(struct str host)
{
    for (size_t i = 0; i < host.n; i++)
        if (host.p[i] != '.' && (host.p[i] < '0' || host.p[i] > '9'))
            return false;
    return str_starts(host, STR("127."));
}

/* The check is against names that a stranger makes point here (DNS rebinding). A name of one label
 * (a container, a machine of this network, "localhost") is none that a stranger can register. */
static bool is_single_label(struct str host)
{
    return host.n && str_find(host, '.') == host.n && str_find(host, ':') == host.n;
}

static bool host_known(const struct serve *s, struct str host)
{
    struct str own = str_c(s->config.listen_host ? s->config.listen_host : "");
    return is_single_label(host) || str_eq(host, STR("[::1]")) || is_loopback_number(host) ||
           (own.n && str_eq(host, own));
}

/* "http://host:port" without its scheme; empty for "null". */
static struct str origin_authority(struct str origin)
{
    size_t at = str_search(origin, STR("://"));
    return at < origin.n ? str_sub(origin, at + 3, origin.n) : STR("");
}

enum http_cors serve_cors(void *context, struct str origin)
{
    const struct serve *s = context;
    if (!s->cors || !regex_match(s->cors, origin))
        return HTTP_CORS_NONE;
    return str_eq(str_c(s->config.cors_origin), STR(".*")) ? HTTP_CORS_ANY : HTTP_CORS_ORIGIN;
}

/* A form that asks for data: a page that may read the answer may send it. */
static bool is_question(const struct serve *s, const struct http_request *r)
{
    bool found = false;
    for (size_t i = 0; i < s->routes_n && !found; i++)
        found = s->routes[i].methods == FORM && str_eq(http_path(r), str_c(s->routes[i].path));
    return found && http_method(r) == HTTP_POST;
}

int serve_guard(void *context, struct http_request *r)
{
    const struct serve *s = context;
    struct str host = http_header(r, STR("Host")), origin = http_header(r, STR("Origin"));
    struct str site = http_header(r, STR("Sec-Fetch-Site"));
    bool changes =
        http_method(r) != HTTP_GET && http_method(r) != HTTP_HEAD && http_method(r) != HTTP_OPTIONS;
    bool socket = http_header(r, STR("Upgrade")).n > 0;
    bool good = true;
    if (s->config.loopback && host.n)
        good = host_known(s, host_of(host));
    /* A page of another site may neither write here nor open the live socket. */
    if (good && (changes || socket)) {
        bool invited = origin.n && is_question(s, r) && serve_cors(context, origin);
        if (invited)
            good = true;
        else if (origin.n)
            good = str_eq(origin_authority(origin), host);
        else
            good = site.n == 0 || str_eq(site, STR("same-origin")) || str_eq(site, STR("none"));
    }
    if (good)
        return 0;
    stat_add(&refused, 1);
    return -ERR_DENIED;
}
