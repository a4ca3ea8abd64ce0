#include "notify/kind.h"

enum { MESSAGE = 7439 /* bytes that it takes */ };

struct webex {
    struct fetch_settings http;
    struct str api_url, message, room_id;
};

static void start(struct notify_send *s)
{
    const struct webex *x = s->integration->settings;
    struct post_request r = {.url = x->api_url};
    struct kind_body b;
    kind_begin(&b, s);
    kind_text(&b, "markdown", kind_bytes(s, x->message, MESSAGE));
    kind_text(&b, "roomId", wording_plain(s->words, x->room_id));
    r.body = kind_end(&b);
    post_start(s, &r);
}

static void preset(const struct notify_reading *r, void *settings)
{
    struct webex *x = settings;
    x->message = STR("{{ template \"webex.default.message\" . }}");
}

static int check(const struct notify_reading *r, void *settings, struct why *why)
{
    struct webex *x = settings;
    if (x->room_id.n == 0)
        return why_set(why, ERR_FORMAT, "missing room_id on webex_config");
    if (x->http.authorization_type.n == 0)
        return why_set(why, ERR_FORMAT, "missing webex_configs.http_config.authorization");
    if (x->api_url.n == 0)
        x->api_url = kind_or(r->globals->webex_api_url, "https://webexapis.com/v1/messages");
    return 0;
}

static int row(const struct notify_reading *r, const struct notify_row *row, void *settings,
               struct why *why)
{
    struct webex *x = settings;
    kind_row(row, &x->api_url, &x->http.credentials, &x->http.credentials_file, &x->message);
    x->http.authorization_type = STR("Bearer");
    return kind_one(row, "room", &x->room_id, why);
}

static const struct yaml_struct_field FIELDS[] = {
    KIND_TEXT(webex, api_url),
    KIND_TEXT(webex, message),
    KIND_TEXT(webex, room_id),
};
KIND_SHAPE(FIELDS);

const struct notifier webex_notifier = {
    .kind = "webex",
    .yaml_key = "webex_configs",
    .send_resolved = true,
    .http = true,
    .settings_size = sizeof(struct webex),
    .shape = &SHAPE,
    .preset = preset,
    .check = check,
    .row = row,
    .start = start,
    .cancel = post_cancel,
};
