#include "notify/kind.h"
#include "text/json_tree.h"

enum { MESSAGE = 2048 /* bytes that it takes */ };

struct wechat {
    struct fetch_settings http;
    struct str api_secret, api_secret_file, corp_id, message, api_url, to_user, to_party, to_tag;
    struct str agent_id, message_type;
};

/* First a token is asked for, then the message is sent with it. */
struct sending {
    struct post_request request;
    struct str secret;
    bool second;
};

static struct str body_of(struct notify_send *s, const struct wechat *c)
{
    struct kind_body b;
    bool markdown = str_eq(c->message_type, STR("markdown"));
    struct str text = kind_bytes(s, c->message, MESSAGE);
    kind_begin(&b, s);
    kind_open(&b, markdown ? "markdown" : "text", '{');
    kind_text(&b, "content", text);
    json_end_object(&b.w);
    kind_plain(&b, "touser", c->to_user);
    kind_plain(&b, "toparty", c->to_party);
    kind_plain(&b, "totag", c->to_tag);
    kind_plain(&b, "agentid", c->agent_id);
    kind_text(&b, "safe", STR("0"));
    kind_text(&b, "msgtype", c->message_type);
    return kind_end(&b);
}

static bool judge(struct notify_send *s, const struct fetch_answer *a, struct notify_outcome *o)
{
    const struct wechat *c = s->integration->settings;
    const struct json_tree *tree = NULL;
    struct sending *x = s->kind;
    if (a->status / 100 != 2)
        return false;
    if (json_tree_parse(a->body, s->arena, &tree, NULL) != 0) {
        *o = (struct notify_outcome){.err = -ERR_FORMAT, .retry = true, .why = "no JSON came back"};
        return true;
    }
    int64_t code = json_tree_whole(tree, "errcode");
    struct str token = json_tree_text(tree, "access_token");
    if (code != 0 || (!x->second && token.n == 0)) {
        o->err = -ERR_DENIED;
        o->retry = code == -1 || code == 42001 || code == 45009; /* busy, token over, too often */
        o->why = arena_printf(s->arena, "WeChat answered %lld: " STR_FMT, (long long)code,
                              STR_ARG(json_tree_text(tree, "errmsg")))
                     .p;
        return true;
    }
    if (x->second)
        return false;
    x->second = true;
    x->request.method = "POST";
    x->request.secrets[1] = token;
    x->request.url = arena_printf(s->arena, STR_FMT "message/send?access_token=" STR_FMT,
                                  STR_ARG(c->api_url), STR_ARG(token));
    x->request.body = body_of(s, c);
    o->err = -ERR_BUSY;
    post_start(s, &x->request);
    return true;
}

static void start(struct notify_send *s)
{
    const struct wechat *c = s->integration->settings;
    struct sending *x = arena_new(s->arena, sizeof *x);
    struct buf url;
    s->kind = x;
    if (!post_secret(s, c->api_secret, c->api_secret_file, &x->secret))
        return;
    buf_init(&url, 64 * 1024);
    buf_printf(&url, STR_FMT "gettoken?corpid=", STR_ARG(c->api_url));
    template_escape_query(wording_plain(s->words, c->corp_id), &url);
    buf_put_str(&url, STR("&corpsecret="));
    template_escape_query(x->secret, &url);
    x->request = (struct post_request){.method = "GET",
                                       .url = arena_str(s->arena, buf_str(&url)),
                                       .secrets = {x->secret},
                                       .judge = judge};
    buf_done(&url);
    post_start(s, &x->request);
}

static void preset(const struct notify_reading *r, void *settings)
{
    struct wechat *c = settings;
    c->message = STR("{{ template \"wechat.default.message\" . }}");
    c->to_user = STR("{{ template \"wechat.default.to_user\" . }}");
    c->to_party = STR("{{ template \"wechat.default.to_party\" . }}");
    c->to_tag = STR("{{ template \"wechat.default.to_tag\" . }}");
    c->agent_id = STR("{{ template \"wechat.default.agent_id\" . }}");
    c->message_type = STR("text");
}

static int check(const struct notify_reading *r, void *settings, struct why *why)
{
    struct wechat *c = settings;
    if (!str_eq(c->message_type, STR("text")) && !str_eq(c->message_type, STR("markdown")))
        return why_set(why, ERR_FORMAT,
                       "weChat message type \"" STR_FMT
                       "\" does not match valid options ^(text|markdown)$",
                       STR_ARG(c->message_type));
    int err = kind_either(c->api_secret, c->api_secret_file, "api_secret", true, why);
    bool secret = kind_inherit(&c->api_secret, &c->api_secret_file, r->globals->wechat_api_secret,
                               r->globals->wechat_api_secret_file);
    if (c->corp_id.n == 0)
        c->corp_id = r->globals->wechat_api_corp_id;
    if (!err && !secret)
        err =
            why_set(why, ERR_FORMAT, "no global Wechat Api Secret set either inline or in a file");
    if (!err && c->corp_id.n == 0)
        err = why_set(why, ERR_FORMAT, "no global Wechat CorpID set");
    if (c->api_url.n == 0)
        c->api_url = kind_or(r->globals->wechat_api_url, "https://qyapi.weixin.qq.com/cgi-bin/");
    c->api_url = kind_base(c->api_url, r->arena);
    return err;
}

static int row(const struct notify_reading *r, const struct notify_row *row, void *settings,
               struct why *why)
{
    struct wechat *c = settings;
    kind_row(row, &c->api_url, &c->api_secret, &c->api_secret_file, &c->message);
    c->corp_id = str_c(row->user);
    c->agent_id = str_c(row->from);
    return kind_one(row, "user", &c->to_user, why);
}

static const struct yaml_struct_field FIELDS[] = {
    KIND_TEXT(wechat, api_secret), KIND_TEXT(wechat, api_secret_file),
    KIND_TEXT(wechat, corp_id),    KIND_TEXT(wechat, message),
    KIND_TEXT(wechat, api_url),    KIND_TEXT(wechat, to_user),
    KIND_TEXT(wechat, to_party),   KIND_TEXT(wechat, to_tag),
    KIND_TEXT(wechat, agent_id),   KIND_TEXT(wechat, message_type),
};
KIND_SHAPE(FIELDS);

const struct notifier wechat_notifier = {
    .kind = "wechat",
    .yaml_key = "wechat_configs",
    .http = true,
    .settings_size = sizeof(struct wechat),
    .shape = &SHAPE,
    .preset = preset,
    .check = check,
    .row = row,
    .start = start,
    .cancel = post_cancel,
};
