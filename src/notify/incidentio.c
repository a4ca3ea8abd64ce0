#include "notify/kind.h"
#include "notify/webhook.h"

enum { BODY_MAX = 512 * 1024 /* bytes that it takes */ };

struct incidentio {
    struct fetch_settings http;
    struct str url, url_file, alert_source_token, alert_source_token_file;
    uint64_t max_alerts;
    int64_t timeout_ms;
};

static struct str body_of(struct notify_send *s, uint64_t alerts_max)
{
    struct buf body;
    buf_init(&body, 64 << 20);
    webhook_put(s->message, alerts_max, s->arena, &body);
    struct str ret = arena_str(s->arena, buf_str(&body));
    buf_done(&body);
    return ret;
}

static void start(struct notify_send *s)
{
    const struct incidentio *i = s->integration->settings;
    struct post_request r = {.timeout_ms = i->timeout_ms};
    struct str token;
    if (!post_secret(s, i->url, i->url_file, &r.url) ||
        !post_secret(s, i->alert_source_token, i->alert_source_token_file, &token))
        return;
    if (token.n > 0)
        post_bearer(s, &r, token);
    r.body = body_of(s, i->max_alerts);
    for (uint64_t n = s->message->n; r.body.n > BODY_MAX && n > 1;)
        r.body = body_of(s, n /= 2); /* fewer alerts until it fits */
    post_start(s, &r);
}

static int check(const struct notify_reading *r, void *settings, struct why *why)
{
    const struct incidentio *i = settings;
    int err = kind_either(i->url, i->url_file, "url", false, why);
    if (!err)
        err = kind_either(i->alert_source_token, i->alert_source_token_file, "alert_source_token",
                          true, why);
    if (!err && i->alert_source_token.n + i->alert_source_token_file.n == 0 &&
        i->http.authorization_type.n == 0)
        err = why_set(why, ERR_FORMAT,
                      "at least one of alert_source_token, "
                      "alert_source_token_file or http_config.authorization must "
                      "be configured");
    return err;
}

static int row(const struct notify_reading *r, const struct notify_row *row, void *settings,
               struct why *why)
{
    struct incidentio *i = settings;
    i->url = str_c(row->url);
    i->alert_source_token = str_c(row->secret);
    i->alert_source_token_file = str_c(row->secret_file);
    return 0;
}

static const struct yaml_struct_field FIELDS[] = {
    KIND_TEXT(incidentio, url),
    KIND_TEXT(incidentio, url_file),
    KIND_TEXT(incidentio, alert_source_token),
    KIND_TEXT(incidentio, alert_source_token_file),
    {"max_alerts", YAML_STRUCT_UINT, offsetof(struct incidentio, max_alerts)},
    {"timeout", YAML_STRUCT_DURATION, offsetof(struct incidentio, timeout_ms)},
};
KIND_SHAPE(FIELDS);

const struct notifier incidentio_notifier = {
    .kind = "incidentio",
    .yaml_key = "incidentio_configs",
    .send_resolved = true,
    .http = true,
    .settings_size = sizeof(struct incidentio),
    .shape = &SHAPE,
    .check = check,
    .row = row,
    .start = start,
    .cancel = post_cancel,
};
