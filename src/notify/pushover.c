#include "notify/kind.h"

enum { TITLE = 250, MESSAGE = 1024, URL = 512, URL_TITLE = 100 /* runes that it takes */ };
enum { FORM_MAX = 64 * 1024 /* bytes */ };

struct pushover {
    struct fetch_settings http;
    struct str user_key, user_key_file, token, token_file, title, message, url, url_title, device;
    struct str sound, priority, api_url;
    int64_t retry_ms, expire_ms, ttl_ms;
    bool html, monospace;
};

static void put(struct buf *form, const char *name, struct str value)
{
    if (value.n == 0)
        return;
    buf_printf(form, "%s%s=", form->n ? "&" : "", name);
    template_escape_query(value, form);
}

static void put_seconds(struct notify_send *s, struct buf *form, const char *name, int64_t ms)
{
    if (ms > 0)
        put(form, name, arena_printf(s->arena, "%lld", (long long)(ms / 1000)));
}

static void start(struct notify_send *s)
{
    const struct pushover *p = s->integration->settings;
    struct post_request r = {.url = p->api_url,
                             .content_type = "application/x-www-form-urlencoded"};
    struct wording *w = s->words;
    struct buf form;
    struct str token, user;
    if (!post_secret(s, p->token, p->token_file, &token) ||
        !post_secret(s, p->user_key, p->user_key_file, &user))
        return;
    struct str message = p->html ? wording_html(w, p->message) : wording_text(w, p->message);
    buf_init(&form, FORM_MAX);
    put(&form, "token", wording_plain(w, token));
    put(&form, "user", wording_plain(w, user));
    put(&form, "title", kind_runes(s, p->title, TITLE));
    put(&form, "message",
        kind_or(wording_cut(str_trim(message), MESSAGE, s->arena), "(no details)"));
    put(&form, "url", wording_cut(wording_plain(w, p->url), URL, s->arena));
    put(&form, "url_title", kind_runes(s, p->url_title, URL_TITLE));
    struct str priority = wording_plain(w, p->priority);
    put(&form, "priority", priority);
    if (str_eq(priority, STR("2"))) {
        put_seconds(s, &form, "retry", p->retry_ms);
        put_seconds(s, &form, "expire", p->expire_ms);
    }
    put(&form, "device", wording_plain(w, p->device));
    put(&form, "sound", wording_plain(w, p->sound));
    put_seconds(s, &form, "ttl", p->ttl_ms);
    put(&form, "html", p->html ? STR("1") : STR(""));
    put(&form, "monospace", p->monospace ? STR("1") : STR(""));
    r.body = arena_str(s->arena, buf_str(&form));
    buf_done(&form);
    r.secrets[0] = token;
    r.secrets[1] = user;
    post_start(s, &r);
}

static void preset(const struct notify_reading *r, void *settings)
{
    struct pushover *p = settings;
    p->title = STR("{{ template \"pushover.default.title\" . }}");
    p->message = STR("{{ template \"pushover.default.message\" . }}");
    p->url = STR("{{ template \"pushover.default.url\" . }}");
    p->priority = STR("{{ if eq .Status \"firing\" }}2{{ else }}0{{ end }}");
    p->retry_ms = 60000;
    p->expire_ms = 3600000;
    p->api_url = STR("https://api.pushover.net/1/messages.json");
}

static int check(const struct notify_reading *r, void *settings, struct why *why)
{
    const struct pushover *p = settings;
    int err = kind_either(p->user_key, p->user_key_file, "user_key", false, why);
    if (!err)
        err = kind_either(p->token, p->token_file, "token", false, why);
    if (!err && p->html && p->monospace)
        err = why_set(why, ERR_FORMAT, "at most one of monospace & html must be configured");
    return err;
}

static int row(const struct notify_reading *r, const struct notify_row *row, void *settings,
               struct why *why)
{
    struct pushover *p = settings;
    kind_row(row, &p->api_url, &p->token, &p->token_file, &p->message);
    p->api_url = kind_or(p->api_url, "https://api.pushover.net/1/messages.json");
    return kind_one(row, "user or group key", &p->user_key, why);
}

static const struct yaml_struct_field FIELDS[] = {
    KIND_TEXT(pushover, user_key),
    KIND_TEXT(pushover, user_key_file),
    KIND_TEXT(pushover, token),
    KIND_TEXT(pushover, token_file),
    KIND_TEXT(pushover, title),
    KIND_TEXT(pushover, message),
    KIND_TEXT(pushover, url),
    KIND_TEXT(pushover, url_title),
    KIND_TEXT(pushover, device),
    KIND_TEXT(pushover, sound),
    KIND_TEXT(pushover, priority),
    KIND_BOOL(pushover, html),
    KIND_BOOL(pushover, monospace),
    {"retry", YAML_STRUCT_DURATION, offsetof(struct pushover, retry_ms)},
    {"expire", YAML_STRUCT_DURATION, offsetof(struct pushover, expire_ms)},
    {"ttl", YAML_STRUCT_DURATION, offsetof(struct pushover, ttl_ms)},
};
KIND_SHAPE(FIELDS);

const struct notifier pushover_notifier = {
    .kind = "pushover",
    .yaml_key = "pushover_configs",
    .send_resolved = true,
    .http = true,
    .settings_size = sizeof(struct pushover),
    .shape = &SHAPE,
    .preset = preset,
    .check = check,
    .row = row,
    .start = start,
    .cancel = post_cancel,
};
