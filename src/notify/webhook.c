#include "notify/webhook.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "notify/post.h"

enum { BODY_MAX = 64 << 20 /* bytes */ };

struct webhook {
    struct fetch_settings http;
    struct str url, url_file;
    struct str body;                 /* a template instead of Alertmanager's JSON; "": that */
    const struct yaml_node *payload; /* a tree whose texts are templates; NULL: none */
    uint64_t max_alerts;
    int64_t timeout_ms;
};

/* ---- the JSON */

/* RFC 3339 as Go writes it: no zeros at the end of the fraction. */
static void put_time(struct json_writer *w, const char *name, int64_t ms)
{
    struct tm tm;
    char text[64];
    int64_t rest = ms % 1000 < 0 ? ms % 1000 + 1000 : ms % 1000;
    time_t seconds = (ms - rest) / 1000;
    gmtime_r(&seconds, &tm);
    size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (rest) {
        n += (size_t)snprintf(text + n, sizeof text - n, ".%03d", (int)rest);
        while (text[n - 1] == '0')
            n--;
    }
    text[n++] = 'Z';
    message_put_text(w, name, ms == 0 ? STR("0001-01-01T00:00:00Z") : str_of(text, n));
}

static void put_alert(struct json_writer *w, const struct message_alert *a)
{
    char fingerprint[17];
    snprintf(fingerprint, sizeof fingerprint, "%016" PRIx64, a->fingerprint);
    json_begin_object(w);
    message_put_text(w, "status", a->resolved ? STR("resolved") : STR("firing"));
    message_put_key(w, "labels", a->labels);
    message_put_key(w, "annotations", a->annotations);
    put_time(w, "startsAt", a->starts_ms);
    put_time(w, "endsAt", a->ends_ms);
    message_put_text(w, "generatorURL", a->generator_url);
    message_put_text(w, "fingerprint", str_c(fingerprint));
    json_end_object(w);
}

void webhook_put(const struct message *m, uint64_t alerts_max, struct arena *a, struct buf *out)
{
    struct json_writer w;
    struct message cut = *m;
    if (alerts_max > 0 && alerts_max < m->n) {
        cut.n = (size_t)alerts_max;
        cut.truncated += m->n - cut.n;
    }
    json_writer_init(&w, out);
    json_begin_object(&w);
    message_put_text(&w, "receiver", m->receiver);
    message_put_text(&w, "status", message_firing(&cut) ? STR("firing") : STR("resolved"));
    message_put_text(&w, "notification_reason", str_c(message_reason_text(m->reason)));
    json_key(&w, STR("alerts"));
    json_begin_array(&w);
    for (size_t i = 0; i < cut.n; i++)
        put_alert(&w, &cut.alerts[i]);
    json_end_array(&w);
    message_put_key(&w, "groupLabels", m->group_labels);
    message_put_key(&w, "commonLabels", message_common_labels(&cut, a));
    message_put_key(&w, "commonAnnotations", message_common_annotations(&cut, a));
    message_put_key(&w, "routeLabels", m->route_labels);
    message_put_text(&w, "externalURL", m->external_url);
    message_put_text(&w, "version", STR("4"));
    message_put_text(&w, "groupKey", m->group_key);
    json_key(&w, STR("truncatedAlerts"));
    json_u64(&w, cut.truncated);
    json_end_object(&w);
    buf_put_c(out, '\n');
}

/* ---- a payload of one's own: the tree as JSON, its texts expanded */

static void put_scalar(struct buf *out, struct wording *w, const struct yaml_node *node)
{
    int64_t whole = 0;
    double real = 0;
    bool truth = false;
    switch (node->kind) {
    case YAML_NULL:
        buf_put_str(out, STR("null"));
        break;
    case YAML_BOOL:
        (void)!yaml_bool(node, &truth, NULL); /* its kind says that it is one */
        buf_put_str(out, truth ? STR("true") : STR("false"));
        break;
    case YAML_INT:
        if (yaml_whole(node, &whole, NULL) == 0)
            buf_put_i64(out, whole);
        else
            json_put_text(out, node->text);
        break;
    case YAML_FLOAT:
        (void)!yaml_real(node, &real, NULL);
        json_put_number(out, real);
        break;
    case YAML_TEXT:
        json_put_text(out, wording_text(w, node->text));
        break;
    }
}

static void put_payload(struct buf *out, struct wording *w, const struct yaml_node *node)
{
    if (node->type == YAML_SCALAR) {
        put_scalar(out, w, node);
        return;
    }
    bool map = node->type == YAML_MAP;
    buf_put_c(out, map ? '{' : '[');
    for (size_t i = 0; i < node->n; i++) {
        if (i > 0)
            buf_put_c(out, ',');
        if (map) {
            json_put_text(out, wording_text(w, node->members[i].key->text));
            buf_put_c(out, ':');
        }
        put_payload(out, w, node->members[i].value);
    }
    buf_put_c(out, map ? '}' : ']');
}

/* ---- sending */

static void start(struct notify_send *s)
{
    const struct webhook *h = s->integration->settings;
    struct post_request r = {.timeout_ms = h->timeout_ms};
    struct buf body;
    if (!post_secret(s, h->url, h->url_file, &r.url))
        return;
    r.url = wording_plain(s->words, r.url);
    buf_init(&body, BODY_MAX);
    if (h->payload)
        put_payload(&body, s->words, h->payload);
    else if (h->body.n > 0)
        buf_put_str(&body, wording_text(s->words, h->body));
    else
        webhook_put(s->message, h->max_alerts, s->arena, &body);
    r.body = arena_str(s->arena, buf_str(&body));
    buf_done(&body);
    /* The same over all attempts and restarts: who keeps it can drop what comes again. */
    r.headers[r.headers_n++] = post_header(s, "Idempotency-Key", s->message->id);
    post_start(s, &r);
}

/* ---- settings */

static int also(const struct notify_reading *r, const struct yaml_node *item, void *settings,
                struct yaml_place *ret_place, struct why *why)
{
    struct webhook *h = settings;
    const struct yaml_node *payload = yaml_get(item, "payload");
    if (!yaml_is_null(payload))
        h->payload = payload;
    return 0;
}

static int check(const struct notify_reading *r, void *settings, struct why *why)
{
    const struct webhook *h = settings;
    if (h->url.n == 0 && h->url_file.n == 0)
        return why_set(why, ERR_FORMAT, "one of url or url_file must be configured");
    if (h->url.n > 0 && h->url_file.n > 0)
        return why_set(why, ERR_FORMAT, "at most one of url & url_file must be configured");
    return 0;
}

static int row(const struct notify_reading *r, const struct notify_row *row, void *settings,
               struct why *why)
{
    struct webhook *h = settings;
    h->url = str_c(row->url);
    h->body = str_c(row->template_text);
    if (row->user[0]) {
        h->http.username = str_c(row->user);
        h->http.password = str_c(row->secret);
        h->http.password_file = str_c(row->secret_file);
    } else if (row->secret[0] || row->secret_file[0]) {
        h->http.authorization_type = STR("Bearer");
        h->http.credentials = str_c(row->secret);
        h->http.credentials_file = str_c(row->secret_file);
    }
    return 0;
}

static const struct yaml_struct_field FIELDS[] = {
    {"url", YAML_STRUCT_TEXT, offsetof(struct webhook, url)},
    {"url_file", YAML_STRUCT_TEXT, offsetof(struct webhook, url_file)},
    {"max_alerts", YAML_STRUCT_UINT, offsetof(struct webhook, max_alerts)},
    {"timeout", YAML_STRUCT_DURATION, offsetof(struct webhook, timeout_ms)},
    {"payload", YAML_STRUCT_ELSE, 0},
};

static const struct yaml_struct SHAPE = {"config.plain", FIELDS, COUNTOF(FIELDS), NULL};

const struct notifier webhook_notifier = {
    .kind = "webhook",
    .yaml_key = "webhook_configs",
    .send_resolved = true,
    .http = true,
    .settings_size = sizeof(struct webhook),
    .shape = &SHAPE,
    .also = also,
    .check = check,
    .row = row,
    .start = start,
    .cancel = post_cancel,
};
