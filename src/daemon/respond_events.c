#include "daemon/respond_events.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "event/event_settings.h"
#include "incident/incident.h"
#include "model/labels.h"
#include "rules/rules.h"
#include "tool/options.h"

enum { LABELS_N_MAX = 60 };

static int64_t keep_days(const struct conf *conf)
{
    const struct event_settings *s = conf_get(conf, &event_settings_options);
    return s->keep_days;
}

int respond_events_open(struct respond_events *r, struct state *state, const struct conf *conf,
                        const struct clock *clock, struct why *why)
{
    return event_open(state, clock, keep_days(conf), &r->events, why);
}

/* As the host's own series have it. */
static void host_name(const struct conf *conf, char *ret, size_t n)
{
    const struct settings *collect = conf_get(conf, &settings_options);
    snprintf(ret, n, "%s", collect->instance);
    if (ret[0] == '\0' && gethostname(ret, n - 1) != 0)
        snprintf(ret, n, "localhost");
}

/* Of the page, for links: what the configuration says, or the first address that is listened at. */
static void page_url(const struct conf *conf, const char *instance, char *ret, size_t n)
{
    const struct rules_settings *rules = conf_get(conf, &rules_options);
    const struct options_server *server = options_server(conf);
    struct str url = str_c(rules->external_url), listen = str_c(server->listen.v[0]);
    while (str_ends(url, STR("/")))
        url.n--;
    struct str port = str_starts(listen, STR("*:"))         ? str_sub(listen, 1, listen.n)
                      : str_starts(listen, STR("0.0.0.0:")) ? str_sub(listen, 7, listen.n)
                                                            : STR("");
    if (url.n)
        snprintf(ret, n, STR_FMT, STR_ARG(url));
    else if (port.n)
        snprintf(ret, n, "http://%s" STR_FMT, instance, STR_ARG(port));
    else if (!str_starts(listen, STR("unix:")))
        snprintf(ret, n, "http://" STR_FMT, STR_ARG(listen));
}

static int open_incidents(struct respond_events *r, const struct respond_events_host *host,
                          struct why *why)
{
    const struct incident_settings *settings = conf_get(host->conf, &incident_settings_options);
    const struct rules_settings *rules = conf_get(host->conf, &rules_options);
    const struct settings *collect = conf_get(host->conf, &settings_options);
    struct incident_config config = {.state = host->state,
                                     .clock = host->clock,
                                     .settings = settings,
                                     .events = r->events,
                                     .store = host->store,
                                     .tenant = str_c(rules->tenant),
                                     .host_job = str_c(collect->job),
                                     .host_instance = str_c(r->instance),
                                     .url = str_c(r->url)};
    return settings->enabled ? incident_open(&config, &r->incidents, why) : 0;
}

static int open_remedies(struct respond_events *r, const struct respond_events_host *host,
                         struct why *why)
{
    r->act = (struct remedy_act){host->watch_socket, host->launcher};
    struct remedy_config config = {.state = host->state,
                                   .clock = host->clock,
                                   .settings = conf_get(host->conf, &remedy_settings_options),
                                   .rows = conf_rows(host->conf, &remedy_settings_row_options),
                                   .events = r->events,
                                   .act = remedy_act,
                                   .context = &r->act};
    return remedy_open(&config, &r->remedies, why);
}

int respond_events_watch(struct respond_events *r, const struct respond_events_host *host,
                         struct why *why)
{
    host_name(host->conf, r->instance, sizeof r->instance);
    page_url(host->conf, r->instance, r->url, sizeof r->url);
    struct checkin_config config = {.state = host->state,
                                    .clock = host->clock,
                                    .settings = conf_get(host->conf, &checkin_settings_options),
                                    .rows = conf_rows(host->conf, &checkin_settings_row_options),
                                    .events = r->events,
                                    .alerts = host->alerts,
                                    .url = str_c(r->url)};
    int err = checkin_open(&config, &r->checkins, why);
    if (err == 0)
        err = open_incidents(r, host, why);
    return err != 0 ? err : open_remedies(r, host, why);
}

void respond_events_alert(void *context, const struct alert *a)
{
    struct respond_events *r = context;
    incident_alert(r->incidents, a);
    remedy_alert(r->remedies, a);
}

void respond_events_start(struct respond_events *r)
{
    checkin_start(r->checkins);
    if (r->incidents)
        incident_start(r->incidents);
    remedy_start(r->remedies);
}

void respond_events_stop(struct respond_events *r)
{
    remedy_stop(r->remedies);
    checkin_stop(r->checkins);
    incident_stop(r->incidents);
}

void respond_events_close(struct respond_events *r)
{
    remedy_close(r->remedies);
    checkin_close(r->checkins);
    incident_close(r->incidents);
    event_close(r->events);
    *r = (struct respond_events){0};
}

int respond_events_reload(struct respond_events *r, const struct conf *conf, struct why *why)
{
    event_set_keep(r->events, keep_days(conf));
    incident_reload(r->incidents, conf_get(conf, &incident_settings_options));
    remedy_reload(r->remedies, conf_get(conf, &remedy_settings_options));
    return checkin_reload(r->checkins, conf_get(conf, &checkin_settings_options),
                          conf_rows(conf, &checkin_settings_row_options), why);
}

/* ---- datagrams */

/* Labels, of which those with an empty value are left out and a name counts once. */
struct gather {
    struct label v[LABELS_N_MAX];
    size_t n;
};

static void gather(struct gather *g, struct str name, struct str value)
{
    for (size_t i = 0; i < g->n; i++)
        if (str_eq(g->v[i].name, name))
            return;
    if (g->n < LABELS_N_MAX && name.n && value.n && str_utf8(name) && str_utf8(value))
        g->v[g->n++] = (struct label){name, value};
}

static void add(struct respond_events *r, struct event *v, struct gather *g)
{
    struct buf key;
    buf_init(&key, EVENT_LABELS_MAX);
    if (labels_encode_bare(g->v, g->n, &key, NULL) != 0)
        buf_clear(&key); /* an event without labels is better than none */
    v->labels = buf_str(&key);
    event_add(r->events, v);
    buf_done(&key);
}

/* In DogStatsD a line break is written as a backslash and an n. */
static void put_lines(struct str s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        bool broken = s.p[i] == '\\' && i + 1 < s.n && s.p[i + 1] == 'n';
        buf_put_c(out, broken ? '\n' : s.p[i]);
        i += broken;
    }
}

void respond_events_statsd(void *context, const struct statsd_event *e)
{
    static const char *const ALERTS[STATSD_ALERTS_N] = {"info", "warning", "error", "success"};
    struct gather g = {0};
    struct buf text;
    struct str tags = e->tags, tag;
    buf_init(&text, EVENT_TEXT_MAX);
    put_lines(e->text, &text);
    struct event v = {.time_ms = e->ts_ms,
                      .kind = STR("note"),
                      .title = e->title,
                      .text = buf_str(&text),
                      .source = STR("statsd"),
                      .id_key = e->key};
    gather(&g, STR("alert_type"), str_c(ALERTS[e->alert]));
    gather(&g, STR("instance"), e->host);
    gather(&g, STR("priority"), e->priority);
    gather(&g, STR("source_type"), e->source);
    while (tags.n && str_split(&tags, ',', &tag)) {
        size_t at = str_find(tag, ':');
        if (str_eq(tag, STR("deployment")) ||
            str_eq(str_sub(tag, at + 1, tag.n), STR("deployment")))
            v.kind = STR("deployment");
        gather(&g, str_sub(tag, 0, at), at < tag.n ? str_sub(tag, at + 1, tag.n) : STR("true"));
    }
    add(context, &v, &g);
    buf_done(&text);
}

void respond_events_collectd(void *context, const struct collectd_identity *id, struct str message,
                             unsigned severity)
{
    struct gather g = {0};
    struct event v = {.time_ms = id->ts_ms,
                      .kind = STR("note"),
                      .title = str_sub(message, 0, EVENT_TITLE_MAX),
                      .text = message.n > EVENT_TITLE_MAX ? message : STR(""),
                      .source = STR("collectd"),
                      .status = severity == COLLECTD_FAILURE   ? STR("failure")
                                : severity == COLLECTD_WARNING ? STR("warning")
                                : severity == COLLECTD_OKAY    ? STR("okay")
                                                               : STR("")};
    gather(&g, STR("instance"), id->host);
    gather(&g, STR("plugin"), id->plugin);
    gather(&g, STR("plugin_instance"), id->plugin_instance);
    gather(&g, STR("type"), id->type);
    gather(&g, STR("type_instance"), id->type_instance);
    add(context, &v, &g);
}
