#include "notify/kind.h"
#include "text/json_tree.h"

enum { TITLE = 1024, TEXT = 5000 /* runes */ };

struct part {
    struct str title, value, is_short;          /* of a field */
    struct str type, text, url, image_url, msg; /* of an action */
    struct str webview_height_ratio, msg_processing_type;
    bool is_webview, msg_in_chat_window;
};

struct rocketchat {
    struct fetch_settings http;
    struct str api_url, token_id, token_id_file, token, token_file, channel, color, title;
    struct str title_link, text, emoji, icon_url, image_url, thumb_url;
    bool short_fields, link_names;
    const struct part *fields, *actions; /* [fields_n], [actions_n] */
    size_t fields_n, actions_n;
};

static void put_fields(struct kind_body *b, const struct rocketchat *c)
{
    kind_open(b, "fields", '[');
    for (size_t i = 0; i < c->fields_n; i++) {
        json_begin_object(&b->w);
        kind_bool(b, "short", kind_truth(c->fields[i].is_short, c->short_fields));
        kind_words(b, "title", c->fields[i].title, 0);
        kind_words(b, "value", c->fields[i].value, 0);
        json_end_object(&b->w);
    }
    json_end_array(&b->w);
}

static void put_actions(struct kind_body *b, const struct rocketchat *c)
{
    kind_open(b, "actions", '[');
    for (size_t i = 0; i < c->actions_n; i++) {
        const struct part *a = &c->actions[i];
        json_begin_object(&b->w);
        kind_plain(b, "type", kind_or(a->type, "button"));
        kind_words(b, "text", a->text, 0);
        kind_plain(b, "url", a->url);
        kind_plain(b, "image_url", a->image_url);
        kind_bool(b, "is_webview", a->is_webview);
        kind_plain(b, "webview_height_ratio", a->webview_height_ratio);
        kind_words(b, "msg", a->msg, 0);
        kind_bool(b, "msg_in_chat_window", a->msg_in_chat_window);
        kind_plain(b, "msg_processing_type", a->msg_processing_type);
        json_end_object(&b->w);
    }
    json_end_array(&b->w);
}

static struct str body_of(struct notify_send *s, const struct rocketchat *c)
{
    struct kind_body b;
    kind_begin(&b, s);
    kind_plain(&b, "channel", c->channel);
    kind_plain(&b, "emoji", c->emoji);
    kind_plain(&b, "avatar", c->icon_url);
    kind_text(&b, "alias",
              wording_text(s->words, STR("{{ template \"rocketchat.default.alias\" . "
                                         "}}")));
    kind_bool(&b, "parseUrls", c->link_names);
    kind_open(&b, "attachments", '[');
    json_begin_object(&b.w);
    kind_words(&b, "title", c->title, TITLE);
    kind_plain(&b, "title_link", c->title_link);
    kind_words(&b, "text", c->text, TEXT);
    kind_plain(&b, "image_url", c->image_url);
    kind_plain(&b, "thumb_url", c->thumb_url);
    kind_plain(&b, "color", c->color);
    if (c->fields_n > 0)
        put_fields(&b, c);
    if (c->actions_n > 0)
        put_actions(&b, c);
    json_end_object(&b.w);
    json_end_array(&b.w);
    return kind_end(&b);
}

/* It says with 200 that it did not do it: {"success":false,"error":".."}. */
static bool judge(struct notify_send *s, const struct fetch_answer *a, struct notify_outcome *o)
{
    const struct json_tree *tree = NULL;
    if (a->status / 100 != 2 || json_tree_parse(a->body, s->arena, &tree, NULL) != 0 ||
        !json_tree_get(tree, "success") || json_tree_true(tree, "success"))
        return false;
    o->err = -ERR_DENIED;
    o->why = arena_printf(s->arena, "Rocket.Chat answered: " STR_FMT,
                          STR_ARG(json_tree_text(tree, "error")))
                 .p;
    return true;
}

static void start(struct notify_send *s)
{
    const struct rocketchat *c = s->integration->settings;
    struct post_request r = {.judge = judge};
    struct str id, token;
    if (!post_secret(s, c->token_id, c->token_id_file, &id) ||
        !post_secret(s, c->token, c->token_file, &token))
        return;
    r.url = arena_printf(s->arena, STR_FMT "api/v1/chat.postMessage", STR_ARG(c->api_url));
    r.headers[r.headers_n++] = post_header(s, "X-User-Id", id);
    r.headers[r.headers_n++] = post_header(s, "X-Auth-Token", token);
    r.secrets[0] = token;
    r.body = body_of(s, c);
    post_start(s, &r);
}

static void preset(const struct notify_reading *r, void *settings)
{
    struct rocketchat *c = settings;
    c->color = STR("{{ if eq .Status \"firing\" }}red{{ else }}green{{ end }}");
    c->emoji = STR("{{ template \"rocketchat.default.emoji\" . }}");
    c->icon_url = STR("{{ template \"rocketchat.default.iconurl\" . }}");
    c->text = STR("{{ template \"rocketchat.default.text\" . }}");
    c->title = STR("{{ template \"rocketchat.default.title\" . }}");
    c->title_link = STR("{{ template \"rocketchat.default.titlelink\" . }}");
}

static const struct yaml_struct_field FIELD[] = {
    KIND_TEXT(part, title),
    KIND_TEXT(part, value),
    {"short", YAML_STRUCT_TEXT, offsetof(struct part, is_short)},
};
static const struct yaml_struct FIELD_SHAPE = {"config.RocketchatAttachmentField", FIELD,
                                               COUNTOF(FIELD), NULL};
static const struct yaml_struct_field ACTION[] = {
    KIND_TEXT(part, type),
    KIND_TEXT(part, text),
    KIND_TEXT(part, url),
    KIND_TEXT(part, image_url),
    KIND_TEXT(part, msg),
    KIND_TEXT(part, webview_height_ratio),
    KIND_BOOL(part, is_webview),
    KIND_BOOL(part, msg_in_chat_window),
    KIND_TEXT(part, msg_processing_type),
};
static const struct yaml_struct ACTION_SHAPE = {"config.RocketchatAttachmentAction", ACTION,
                                                COUNTOF(ACTION), NULL};

static int also(const struct notify_reading *r, const struct yaml_node *item, void *settings,
                struct yaml_place *ret_place, struct why *why)
{
    struct rocketchat *c = settings;
    int err = kind_list(r, item, "fields", &FIELD_SHAPE, sizeof *c->fields, &c->fields,
                        &c->fields_n, ret_place, why);
    if (!err)
        err = kind_list(r, item, "actions", &ACTION_SHAPE, sizeof *c->actions, &c->actions,
                        &c->actions_n, ret_place, why);
    return err;
}

static int check(const struct notify_reading *r, void *settings, struct why *why)
{
    struct rocketchat *c = settings;
    int err = kind_either(c->token, c->token_file, "token", true, why);
    if (!err)
        err = kind_either(c->token_id, c->token_id_file, "token_id", true, why);
    if (err)
        return err;
    if (!kind_inherit(&c->token, &c->token_file, r->globals->rocketchat_token,
                      r->globals->rocketchat_token_file))
        return why_set(why, ERR_FORMAT,
                       "no global Rocketchat Token set either inline or in a file");
    if (!kind_inherit(&c->token_id, &c->token_id_file, r->globals->rocketchat_token_id,
                      r->globals->rocketchat_token_id_file))
        return why_set(why, ERR_FORMAT,
                       "no global Rocketchat TokenID set either inline or in a file");
    if (c->api_url.n == 0)
        c->api_url = kind_or(r->globals->rocketchat_api_url, "https://open.rocket.chat/");
    c->api_url = kind_base(c->api_url, r->arena);
    return 0;
}

static int row(const struct notify_reading *r, const struct notify_row *row, void *settings,
               struct why *why)
{
    struct rocketchat *c = settings;
    kind_row(row, &c->api_url, &c->token, &c->token_file, &c->text);
    c->token_id = str_c(row->user);
    return kind_one(row, "channel", &c->channel, why);
}

static const struct yaml_struct_field FIELDS[] = {
    KIND_TEXT(rocketchat, api_url),       KIND_TEXT(rocketchat, token_id),
    KIND_TEXT(rocketchat, token_id_file), KIND_TEXT(rocketchat, token),
    KIND_TEXT(rocketchat, token_file),    KIND_TEXT(rocketchat, channel),
    KIND_TEXT(rocketchat, color),         KIND_TEXT(rocketchat, title),
    KIND_TEXT(rocketchat, title_link),    KIND_TEXT(rocketchat, text),
    KIND_TEXT(rocketchat, emoji),         KIND_TEXT(rocketchat, icon_url),
    KIND_TEXT(rocketchat, image_url),     KIND_TEXT(rocketchat, thumb_url),
    KIND_BOOL(rocketchat, short_fields),  KIND_BOOL(rocketchat, link_names),
    {"fields", YAML_STRUCT_ELSE, 0},      {"actions", YAML_STRUCT_ELSE, 0},
};
KIND_SHAPE(FIELDS);

const struct notifier rocketchat_notifier = {
    .kind = "rocketchat",
    .yaml_key = "rocketchat_configs",
    .http = true,
    .settings_size = sizeof(struct rocketchat),
    .shape = &SHAPE,
    .preset = preset,
    .also = also,
    .check = check,
    .row = row,
    .start = start,
    .cancel = post_cancel,
};
