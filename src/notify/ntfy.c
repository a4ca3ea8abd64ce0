#include "notify/kind.h"

enum { TITLE = 250 /* runes */, MESSAGE = 4000 /* bytes; more becomes an attachment there */ };

/* Only by [[notify]]: Alertmanager does not know it. */
struct ntfy {
    struct fetch_settings http;
    struct str url, topic, token, token_file, title, message;
};

/* 1 to 5, 3 is normal. */
static int priority(struct notify_send *s)
{
    struct str severity = wording_plain(s->words, STR("{{ .CommonLabels.severity }}"));
    if (!message_firing(s->message) || str_eq(severity, STR("info")))
        return 3;
    return str_eq(severity, STR("warning")) ? 4 : 5;
}

static void start(struct notify_send *s)
{
    const struct ntfy *t = s->integration->settings;
    struct post_request r = {.url = t->url};
    struct kind_body b;
    struct str token;
    bool firing = message_firing(s->message);
    if (!post_secret(s, t->token, t->token_file, &token))
        return;
    kind_begin(&b, s);
    kind_text(&b, "topic", t->topic);
    kind_text(&b, "message", kind_bytes(s, t->message, MESSAGE));
    kind_words(&b, "title", t->title, TITLE);
    kind_open(&b, "tags", '[');
    json_text(&b.w, firing ? STR("rotating_light") : STR("white_check_mark"));
    json_end_array(&b.w);
    kind_whole(&b, "priority", priority(s));
    kind_plain(&b, "click", STR("{{ template \"__alertmanagerURL\" . }}"));
    r.body = kind_end(&b);
    r.secrets[0] = t->topic; /* who knows it can read */
    if (token.n > 0)
        post_bearer(s, &r, token);
    post_start(s, &r);
}

static void preset(const struct notify_reading *r, void *settings)
{
    struct ntfy *t = settings;
    t->title = STR("{{ template \"ntfy.default.title\" . }}");
    t->message = STR("{{ template \"ntfy.default.message\" . }}");
}

static int row(const struct notify_reading *r, const struct notify_row *row, void *settings,
               struct why *why)
{
    struct ntfy *t = settings;
    t->url = kind_or(str_c(row->url), "https://ntfy.sh/");
    if (row->template_text[0])
        t->message = str_c(row->template_text);
    if (row->user[0]) {
        t->http.username = str_c(row->user);
        t->http.password = str_c(row->secret);
        t->http.password_file = str_c(row->secret_file);
    } else {
        t->token = str_c(row->secret);
        t->token_file = str_c(row->secret_file);
    }
    return kind_one(row, "topic", &t->topic, why);
}

static const struct yaml_struct_field FIELDS[] = {KIND_TEXT(ntfy, token_file)};
KIND_SHAPE(FIELDS);

const struct notifier ntfy_notifier = {
    .kind = "ntfy",
    .send_resolved = true,
    .http = true,
    .settings_size = sizeof(struct ntfy),
    .shape = &SHAPE,
    .preset = preset,
    .row = row,
    .start = start,
    .cancel = post_cancel,
};
