#include "notify/kind.h"
#include "text/json_tree.h"

enum { TITLE = 1024, TEXT = 12000 /* runes; Slack cuts at about 13,200 letters of all blocks */ };

struct field {
    struct str title, value, is_short;
};

struct action {
    struct str type, text, url, style, name, value;
    struct str confirm_text, confirm_title, confirm_ok, confirm_dismiss;
};

struct slack {
    struct fetch_settings http;
    struct str api_url, api_url_file, app_token, app_token_file, app_url;
    struct str channel, username, color, title, title_link, pretext, text, message_text, footer;
    struct str fallback, callback_id, icon_emoji, icon_url, image_url, thumb_url;
    bool short_fields, link_names;
    int64_t timeout_ms;
    struct yaml_struct_texts mrkdwn_in;
    const struct field *fields; /* [fields_n] */
    size_t fields_n;
    const struct action *actions; /* [actions_n] */
    size_t actions_n;
};

/* ---- the message */

static void put_fields(struct kind_body *b, const struct slack *k)
{
    kind_open(b, "fields", '[');
    for (size_t i = 0; i < k->fields_n; i++) {
        const struct field *f = &k->fields[i];
        json_begin_object(&b->w);
        kind_words(b, "title", f->title, 0);
        kind_words(b, "value", f->value, 0);
        kind_bool(b, "short", kind_truth(f->is_short, k->short_fields));
        json_end_object(&b->w);
    }
    json_end_array(&b->w);
}

static void put_action(struct kind_body *b, const struct action *a)
{
    json_begin_object(&b->w);
    kind_plain(b, "type", a->type);
    kind_words(b, "text", a->text, 0);
    kind_plain(b, "url", a->url);
    kind_plain(b, "style", a->style);
    if (a->url.n == 0) {
        kind_plain(b, "name", a->name);
        kind_plain(b, "value", a->value);
    }
    if (a->url.n == 0 && a->confirm_text.n > 0) {
        kind_open(b, "confirm", '{');
        kind_words(b, "text", a->confirm_text, 0);
        kind_words(b, "title", a->confirm_title, 0);
        kind_words(b, "ok_text", a->confirm_ok, 0);
        kind_words(b, "dismiss_text", a->confirm_dismiss, 0);
        json_end_object(&b->w);
    }
    json_end_object(&b->w);
}

static void put_markdown(struct kind_body *b, const struct slack *k)
{
    static const char *const USUAL[] = {"fallback", "pretext", "text"};
    kind_open(b, "mrkdwn_in", '[');
    for (size_t i = 0; i < k->mrkdwn_in.n; i++)
        json_text(&b->w, k->mrkdwn_in.v[i]);
    for (size_t i = 0; i < COUNTOF(USUAL) && k->mrkdwn_in.n == 0; i++)
        json_text(&b->w, str_c(USUAL[i]));
    json_end_array(&b->w);
}

static void put_attachment(struct kind_body *b, const struct slack *k)
{
    json_begin_object(&b->w);
    kind_words(b, "title", k->title, TITLE);
    kind_plain(b, "title_link", k->title_link);
    kind_words(b, "pretext", k->pretext, TEXT);
    kind_text(b, "text", kind_runes(b->s, k->text, TEXT));
    kind_text(b, "fallback", kind_runes(b->s, k->fallback, TITLE));
    kind_plain(b, "callback_id", k->callback_id);
    if (k->fields_n > 0)
        put_fields(b, k);
    if (k->actions_n > 0) {
        kind_open(b, "actions", '[');
        for (size_t i = 0; i < k->actions_n; i++)
            put_action(b, &k->actions[i]);
        json_end_array(&b->w);
    }
    kind_plain(b, "image_url", k->image_url);
    kind_plain(b, "thumb_url", k->thumb_url);
    kind_words(b, "footer", k->footer, TITLE);
    kind_plain(b, "color", k->color);
    put_markdown(b, k);
    json_end_object(&b->w);
}

static struct str body_of(struct notify_send *s, const struct slack *k)
{
    struct kind_body b;
    kind_begin(&b, s);
    kind_plain(&b, "channel", k->channel);
    kind_words(&b, "username", k->username, 0);
    kind_plain(&b, "icon_emoji", k->icon_emoji);
    kind_plain(&b, "icon_url", k->icon_url);
    if (k->link_names)
        kind_bool(&b, "link_names", true);
    kind_words(&b, "text", k->message_text, TEXT);
    kind_open(&b, "attachments", '[');
    put_attachment(&b, k);
    json_end_array(&b.w);
    return kind_end(&b);
}

/* ---- the answer */

/* The API says with 200 that it did not do it: {"ok":false,"error":"channel_not_found"}. */
static bool judge(struct notify_send *s, const struct fetch_answer *a, struct notify_outcome *o)
{
    static const char *const PASSING[] = {"ratelimited", "rate_limited",        "internal_error",
                                          "fatal_error", "service_unavailable", "request_timeout"};
    const struct json_tree *tree = NULL;
    if (a->status / 100 != 2 || !str_starts(str_trim(a->body), STR("{")) ||
        json_tree_parse(a->body, s->arena, &tree, NULL) != 0 || json_tree_true(tree, "ok") ||
        !json_tree_get(tree, "ok"))
        return false;
    struct str error = json_tree_text(tree, "error");
    for (size_t i = 0; i < COUNTOF(PASSING); i++)
        o->retry = o->retry || str_eq(error, str_c(PASSING[i]));
    o->err = o->retry ? -ERR_BUSY : -ERR_DENIED;
    o->after_ms = MAX(fetch_retry_after_ms(a, 0), 0);
    o->why = arena_printf(s->arena, "Slack answered: " STR_FMT, STR_ARG(error)).p;
    if (o->err == -ERR_BUSY && !o->why)
        o->why = "Slack is busy";
    return true;
}

static void start(struct notify_send *s)
{
    const struct slack *k = s->integration->settings;
    struct post_request r = {.judge = judge, .timeout_ms = k->timeout_ms};
    struct str token;
    if (!post_secret(s, k->api_url, k->api_url_file, &r.url) ||
        !post_secret(s, k->app_token, k->app_token_file, &token))
        return;
    r.body = body_of(s, k);
    if (token.n > 0) {
        post_bearer(s, &r, token);
        if (r.url.n == 0)
            r.url = k->app_url;
    }
    post_start(s, &r);
}

/* ---- settings */

#define TEMPLATE(name) STR("{{ template \"slack.default." name "\" . }}")

static void preset(const struct notify_reading *r, void *settings)
{
    struct slack *k = settings;
    k->color = STR("{{ if eq .Status \"firing\" }}danger{{ else }}good{{ end }}");
    k->username = TEMPLATE("username");
    k->title = TEMPLATE("title");
    k->title_link = TEMPLATE("titlelink");
    k->icon_emoji = TEMPLATE("iconemoji");
    k->icon_url = TEMPLATE("iconurl");
    k->pretext = TEMPLATE("pretext");
    k->text = TEMPLATE("text");
    k->fallback = TEMPLATE("fallback");
    k->callback_id = TEMPLATE("callbackid");
    k->footer = TEMPLATE("footer");
}

static const struct yaml_struct_field FIELD[] = {
    KIND_TEXT(field, title),
    KIND_TEXT(field, value),
    {"short", YAML_STRUCT_TEXT, offsetof(struct field, is_short)},
};
static const struct yaml_struct FIELD_SHAPE = {"config.plain", FIELD, COUNTOF(FIELD), NULL};

static const struct yaml_struct_field ACTION[] = {
    KIND_TEXT(action, type),          KIND_TEXT(action, text), KIND_TEXT(action, url),
    KIND_TEXT(action, style),         KIND_TEXT(action, name), KIND_TEXT(action, value),
    {"confirm", YAML_STRUCT_ELSE, 0},
};
static const struct yaml_struct ACTION_SHAPE = {"config.plain", ACTION, COUNTOF(ACTION), NULL};

static const struct yaml_struct_field CONFIRM[] = {
    {"text", YAML_STRUCT_TEXT, offsetof(struct action, confirm_text)},
    {"title", YAML_STRUCT_TEXT, offsetof(struct action, confirm_title)},
    {"ok_text", YAML_STRUCT_TEXT, offsetof(struct action, confirm_ok)},
    {"dismiss_text", YAML_STRUCT_TEXT, offsetof(struct action, confirm_dismiss)},
};
static const struct yaml_struct CONFIRM_SHAPE = {"config.plain", CONFIRM, COUNTOF(CONFIRM), NULL};

static int check_action(const struct action *a, bool confirm, struct why *why)
{
    if (a->type.n == 0)
        return why_set(why, ERR_FORMAT, "missing type in Slack action configuration");
    if (a->text.n == 0)
        return why_set(why, ERR_FORMAT, "missing text in Slack action configuration");
    if (a->url.n == 0 && a->name.n == 0)
        return why_set(why, ERR_FORMAT, "missing name or url in Slack action configuration");
    if (confirm && a->confirm_text.n == 0)
        return why_set(why, ERR_FORMAT, "missing text in Slack confirmation configuration");
    return 0;
}

static int also(const struct notify_reading *r, const struct yaml_node *item, void *settings,
                struct yaml_place *ret_place, struct why *why)
{
    struct slack *k = settings;
    const struct yaml_node *list = yaml_get(item, "actions");
    struct action *actions = NULL;
    int err = kind_list(r, item, "fields", &FIELD_SHAPE, sizeof *k->fields, &k->fields,
                        &k->fields_n, ret_place, why);
    for (size_t i = 0; i < k->fields_n && !err; i++)
        if (k->fields[i].title.n == 0 || k->fields[i].value.n == 0)
            err = why_set(why, ERR_FORMAT, "missing %s in Slack field configuration",
                          k->fields[i].title.n == 0 ? "title" : "value");
    if (!err)
        err = kind_list(r, item, "actions", &ACTION_SHAPE, sizeof *actions, &actions, &k->actions_n,
                        ret_place, why);
    for (size_t i = 0; i < k->actions_n && !err; i++) {
        const struct yaml_node *confirm = yaml_get(list->members[i].value, "confirm");
        if (!yaml_is_null(confirm))
            err = yaml_struct_read(confirm, &CONFIRM_SHAPE, r->arena, &actions[i], ret_place, why);
        if (!err)
            err = check_action(&actions[i], !yaml_is_null(confirm), why);
    }
    k->actions = actions;
    return err;
}

static int check(const struct notify_reading *r, void *settings, struct why *why)
{
    struct slack *k = settings;
    const struct notify_globals *g = r->globals;
    int err = kind_either(k->api_url, k->api_url_file, "api_url", true, why);
    if (!err)
        err = kind_either(k->app_token, k->app_token_file, "app_token", true, why);
    if (err)
        return err;
    bool own = k->api_url.n + k->api_url_file.n + k->app_token.n + k->app_token_file.n > 0;
    if (!own && g->slack_app_token.n + g->slack_app_token_file.n > 0) {
        k->app_token = g->slack_app_token;
        k->app_token_file = g->slack_app_token_file;
    } else if (!own) {
        k->api_url = g->slack_api_url;
        k->api_url_file = g->slack_api_url_file;
    }
    if (k->app_url.n == 0)
        k->app_url = kind_or(g->slack_app_url, "https://slack.com/api/chat.postMessage");
    if (k->api_url.n + k->api_url_file.n + k->app_token.n + k->app_token_file.n == 0)
        return why_set(why, ERR_FORMAT,
                       "no Slack API URL nor App token set either inline or in a "
                       "file");
    return 0;
}

static int row(const struct notify_reading *r, const struct notify_row *row, void *settings,
               struct why *why)
{
    struct slack *k = settings;
    bool hook = row->secret[0] == '\0' && row->secret_file[0] == '\0';
    if (hook)
        k->api_url = str_c(row->url);
    else
        k->app_url = str_c(row->url);
    k->app_token = str_c(row->secret);
    k->app_token_file = str_c(row->secret_file);
    if (row->from[0])
        k->username = str_c(row->from);
    if (row->template_text[0])
        k->text = str_c(row->template_text);
    return row->to.n == 0 && hook ? 0 : kind_one(row, "channel", &k->channel, why);
}

static const struct yaml_struct_field FIELDS[] = {
    KIND_TEXT(slack, api_url),
    KIND_TEXT(slack, api_url_file),
    KIND_TEXT(slack, app_token),
    KIND_TEXT(slack, app_token_file),
    KIND_TEXT(slack, app_url),
    KIND_TEXT(slack, channel),
    KIND_TEXT(slack, username),
    KIND_TEXT(slack, color),
    KIND_TEXT(slack, title),
    KIND_TEXT(slack, title_link),
    KIND_TEXT(slack, pretext),
    KIND_TEXT(slack, text),
    KIND_TEXT(slack, message_text),
    KIND_TEXT(slack, footer),
    KIND_TEXT(slack, fallback),
    KIND_TEXT(slack, callback_id),
    KIND_TEXT(slack, icon_emoji),
    KIND_TEXT(slack, icon_url),
    KIND_TEXT(slack, image_url),
    KIND_TEXT(slack, thumb_url),
    KIND_BOOL(slack, short_fields),
    KIND_BOOL(slack, link_names),
    {"mrkdwn_in", YAML_STRUCT_TEXTS, offsetof(struct slack, mrkdwn_in)},
    {"timeout", YAML_STRUCT_DURATION, offsetof(struct slack, timeout_ms)},
    {"fields", YAML_STRUCT_ELSE, 0},
    {"actions", YAML_STRUCT_ELSE, 0},
};
KIND_SHAPE(FIELDS);

const struct notifier slack_notifier = {
    .kind = "slack",
    .yaml_key = "slack_configs",
    .http = true,
    .settings_size = sizeof(struct slack),
    .shape = &SHAPE,
    .preset = preset,
    .also = also,
    .check = check,
    .row = row,
    .start = start,
    .cancel = post_cancel,
};
