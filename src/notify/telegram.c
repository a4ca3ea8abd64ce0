#include "notify/kind.h"
#include "text/json_tree.h"

enum { TEXT = 4096 /* runes that Telegram takes */ };

struct telegram {
    struct fetch_settings http;
    struct str api_url, bot_token, bot_token_file, chat_id_file, message, parse_mode;
    struct str chat_id, message_thread_id; /* texts: a number, or @name */
    bool disable_notifications;
};

/* What the sending needs when it is tried again without markup. */
struct letter {
    struct post_request request;
    struct str chat, plain;
    bool second;
};

/* Text without its markup: tags gone, entities as what they stand for. */
static struct str without_markup(struct str html, struct arena *a)
{
    static const char *const ENTITIES[][2] = {{"&lt;", "<"},   {"&gt;", ">"},  {"&amp;", "&"},
                                              {"&#34;", "\""}, {"&#39;", "'"}, {"&quot;", "\""}};
    struct buf b;
    buf_init(&b, html.n);
    for (struct str rest = html; rest.n > 0;) {
        size_t used = 1;
        if (rest.p[0] == '<') {
            used = str_find(rest, '>') + 1;
        } else {
            size_t i = 0;
            while (i < COUNTOF(ENTITIES) && !str_starts(rest, str_c(ENTITIES[i][0])))
                i++;
            if (i < COUNTOF(ENTITIES))
                used = strlen(ENTITIES[i][0]);
            buf_put_c(&b, i < COUNTOF(ENTITIES) ? ENTITIES[i][1][0] : rest.p[0]);
        }
        rest = str_sub(rest, used, rest.n);
    }
    struct str ret = arena_str(a, buf_str(&b));
    buf_done(&b);
    return ret;
}

/* A number stands as one. */
static void put_id(struct kind_body *b, const char *key, struct str id)
{
    int64_t number;
    if (str_i64(id, &number))
        kind_whole(b, key, number);
    else
        kind_some(b, key, id);
}

static void put(struct notify_send *s, struct letter *l, struct str text, struct str mode)
{
    const struct telegram *t = s->integration->settings;
    struct kind_body b;
    kind_begin(&b, s);
    put_id(&b, "chat_id", l->chat);
    kind_text(&b, "text", wording_cut(text, TEXT, s->arena));
    kind_some(&b, "parse_mode", mode);
    put_id(&b, "message_thread_id", t->message_thread_id);
    kind_bool(&b, "disable_web_page_preview", true);
    if (t->disable_notifications)
        kind_bool(&b, "disable_notification", true);
    l->request.body = kind_end(&b);
    post_start(s, &l->request);
}

/* A text whose markup Telegram cannot read is told without; how long to wait stands in the body. */
static bool judge(struct notify_send *s, const struct fetch_answer *a, struct notify_outcome *o)
{
    const struct json_tree *tree = NULL;
    struct letter *l = s->kind;
    if (a->status == 400 && !l->second && str_search(a->body, STR("parse entities")) < a->body.n) {
        l->second = true;
        o->err = -ERR_BUSY;
        put(s, l, l->plain, STR(""));
        return true;
    }
    if (a->status != 429 || json_tree_parse(a->body, s->arena, &tree, NULL) != 0)
        return false;
    *o = (struct notify_outcome){.err = -ERR_BUSY, .retry = true, .why = "it answered 429"};
    o->after_ms = json_tree_whole(tree, "parameters.retry_after") * 1000;
    return true;
}

static bool too_long(struct str text, struct arena *a)
{
    return wording_cut(text, TEXT, a).p != text.p;
}

static void start(struct notify_send *s)
{
    const struct telegram *t = s->integration->settings;
    struct letter *l = arena_new(s->arena, sizeof *l);
    struct str token, text;
    bool html = str_eq(t->parse_mode, STR("HTML"));
    s->kind = l;
    if (!post_secret(s, t->bot_token, t->bot_token_file, &token) ||
        !post_secret(s, t->chat_id, t->chat_id_file, &l->chat))
        return;
    text = html ? wording_html(s->words, t->message) : wording_text(s->words, t->message);
    l->plain = html ? without_markup(text, s->arena) : text;
    l->request = (struct post_request){
        .url = arena_printf(s->arena, STR_FMT "/bot" STR_FMT "/sendMessage", STR_ARG(t->api_url),
                            STR_ARG(token)),
        .secrets = {token},
        .judge = judge,
    };
    bool plain = t->parse_mode.n > 0 && too_long(text, s->arena); /* cutting would break it */
    put(s, l, plain ? l->plain : text, plain ? STR("") : t->parse_mode);
}

static void preset(const struct notify_reading *r, void *settings)
{
    struct telegram *t = settings;
    t->message = STR("{{ template \"telegram.default.message\" . }}");
    t->parse_mode = STR("HTML");
}

static int check(const struct notify_reading *r, void *settings, struct why *why)
{
    struct telegram *t = settings;
    const struct notify_globals *g = r->globals;
    if (!kind_inherit(&t->bot_token, &t->bot_token_file, g->telegram_bot_token,
                      g->telegram_bot_token_file))
        return why_set(why, ERR_FORMAT, "missing bot_token or bot_token_file on telegram_config");
    int err = kind_either(t->bot_token, t->bot_token_file, "bot_token", false, why);
    if (err)
        return err;
    if (str_eq(t->chat_id, STR("0")))
        t->chat_id = STR("");
    if (t->chat_id.n == 0 && t->chat_id_file.n == 0)
        return why_set(why, ERR_FORMAT, "missing chat_id or chat_id_file on telegram_config");
    err = kind_either(t->chat_id, t->chat_id_file, "chat_id", false, why);
    if (err)
        return err;
    if (t->parse_mode.n > 0 && !str_eq(t->parse_mode, STR("Markdown")) &&
        !str_eq(t->parse_mode, STR("MarkdownV2")) && !str_eq(t->parse_mode, STR("HTML")))
        return why_set(why, ERR_FORMAT,
                       "unknown parse_mode on telegram_config, must be Markdown, MarkdownV2, HTML "
                       "or empty string");
    if (t->api_url.n == 0)
        t->api_url = g->telegram_api_url;
    t->api_url = kind_or(t->api_url, "https://api.telegram.org");
    while (str_ends(t->api_url, STR("/")))
        t->api_url.n--;
    return 0;
}

static int row(const struct notify_reading *r, const struct notify_row *row, void *settings,
               struct why *why)
{
    struct telegram *t = settings;
    kind_row(row, &t->api_url, &t->bot_token, &t->bot_token_file, &t->message);
    return kind_one(row, "chat", &t->chat_id, why);
}

static const struct yaml_struct_field FIELDS[] = {
    KIND_TEXT(telegram, api_url),
    KIND_TEXT(telegram, bot_token),
    KIND_TEXT(telegram, bot_token_file),
    KIND_TEXT(telegram, chat_id),
    KIND_TEXT(telegram, chat_id_file),
    KIND_TEXT(telegram, message_thread_id),
    KIND_TEXT(telegram, message),
    KIND_TEXT(telegram, parse_mode),
    KIND_BOOL(telegram, disable_notifications),
};
KIND_SHAPE(FIELDS);

const struct notifier telegram_notifier = {
    .kind = "telegram",
    .yaml_key = "telegram_configs",
    .send_resolved = true,
    .http = true,
    .settings_size = sizeof(struct telegram),
    .shape = &SHAPE,
    .preset = preset,
    .check = check,
    .row = row,
    .start = start,
    .cancel = post_cancel,
};
