#include "alert/config/plan_reader.h"

#include "net/url.h"
#include "promfile/http/http_client.h"

/* What stands in global: and is nobody's default here. */
struct global {
    struct notify_globals g;
    int64_t resolve_timeout_ms;
    struct str smtp_auth_secret_file;
    bool smtp_force_implicit_tls;
};

#define TEXT(key)                                                                                  \
    {                                                                                              \
#key, YAML_STRUCT_TEXT, offsetof(struct global, g.key)                                     \
    }
#define OTHER(key)                                                                                 \
    {                                                                                              \
#key, YAML_STRUCT_TEXT, offsetof(struct global, key)                                       \
    }

/* clang-format off: one a line */
static const struct yaml_struct_field FIELDS[] = {
    {"resolve_timeout", YAML_STRUCT_DURATION, offsetof(struct global, resolve_timeout_ms)},
    {"http_config", YAML_STRUCT_ELSE, 0},
    {"smtp_tls_config", YAML_STRUCT_ELSE, 0},
    {"smtp_require_tls", YAML_STRUCT_BOOL, offsetof(struct global, g.smtp_require_tls)},
    {"smtp_force_implicit_tls", YAML_STRUCT_BOOL, offsetof(struct global, smtp_force_implicit_tls)},
    TEXT(smtp_from),
    TEXT(smtp_hello),
    TEXT(smtp_smarthost),
    TEXT(smtp_auth_username),
    TEXT(smtp_auth_password),
    TEXT(smtp_auth_password_file),
    TEXT(smtp_auth_secret),
    TEXT(smtp_auth_identity),
    TEXT(slack_api_url),
    TEXT(slack_api_url_file),
    TEXT(slack_app_token),
    TEXT(slack_app_url),
    TEXT(pagerduty_url),
    TEXT(opsgenie_api_url),
    TEXT(opsgenie_api_key),
    TEXT(opsgenie_api_key_file),
    TEXT(victorops_api_url),
    TEXT(victorops_api_key),
    TEXT(victorops_api_key_file),
    TEXT(telegram_api_url),
    TEXT(telegram_bot_token),
    TEXT(telegram_bot_token_file),
    TEXT(webex_api_url),
    TEXT(rocketchat_api_url),
    TEXT(wechat_api_url),
    TEXT(jira_api_url),
    TEXT(wechat_api_secret),
    TEXT(wechat_api_secret_file),
    TEXT(wechat_api_corp_id),
    TEXT(slack_app_token_file),
    OTHER(smtp_auth_secret_file),
    TEXT(rocketchat_token),
    TEXT(rocketchat_token_file),
    TEXT(rocketchat_token_id),
    TEXT(rocketchat_token_id_file),
    TEXT(mattermost_webhook_url),
    TEXT(mattermost_webhook_url_file),
};
/* clang-format on */

static const struct yaml_struct SHAPE = {"config.plain", FIELDS, COUNTOF(FIELDS), NULL};

static void preset(struct global *g, int64_t resolve_timeout_ms)
{
    *g = (struct global){
        .g = {.http = fetch_settings_default,
              .smtp_tls = fetch_settings_default,
              .smtp_hello = STR("localhost"),
              .smtp_require_tls = true,
              .slack_app_url = STR("https://slack.com/api/chat.postMessage"),
              .pagerduty_url = STR("https://events.pagerduty.com/v2/enqueue"),
              .opsgenie_api_url = STR("https://api.opsgenie.com/"),
              .victorops_api_url =
                  STR("https://alert.victorops.com/integrations/generic/20131114/alert/"),
              .telegram_api_url = STR("https://api.telegram.org"),
              .webex_api_url = STR("https://webexapis.com/v1/messages"),
              .rocketchat_api_url = STR("https://open.rocket.chat/"),
              .wechat_api_url = STR("https://qyapi.weixin.qq.com/cgi-bin/")},
        .resolve_timeout_ms = resolve_timeout_ms,
    };
}

static struct str *text_at(struct global *g, const struct yaml_struct_field *f)
{
    return (struct str *)((char *)g + f->offset);
}

/* ---- addresses */

static bool is_secret_url(const char *key)
{
    return strcmp(key, "slack_api_url") == 0 || strcmp(key, "mattermost_webhook_url") == 0;
}

/* Those that stand in the file: keys that end in _url. */
static int check_urls(struct plan_reader *r, const struct yaml_node *map, struct global *g)
{
    for (size_t i = 0; i < COUNTOF(FIELDS); i++) {
        const struct yaml_node *node = yaml_get(map, FIELDS[i].key);
        struct str text = FIELDS[i].type == YAML_STRUCT_TEXT ? *text_at(g, &FIELDS[i]) : STR("");
        if (!str_ends(str_c(FIELDS[i].key), STR("_url")) || yaml_is_null(node) ||
            (is_secret_url(FIELDS[i].key) && str_eq(text, STR("<secret>"))))
            continue;
        if (url_check_http(text, r->why) != 0)
            return plan_reader_at(r, node, -ERR_FORMAT);
    }
    return 0;
}

/* HOST:PORT, as Go's net.SplitHostPort takes it. */
static int check_smarthost(struct plan_reader *r, const struct yaml_node *node, struct str text)
{
    size_t colon = text.n;
    while (colon > 0 && text.p[colon - 1] != ':')
        colon--;
    if (text.n == 0)
        return 0;
    struct str host = str_sub(text, 0, colon - (colon > 0));
    if (colon == 0 || (text.p[0] == '[' && !str_ends(host, STR("]"))))
        return plan_reader_fault(r, node, "address " STR_FMT ": missing port in address",
                                 STR_ARG(text));
    if (text.p[0] != '[' && str_find(host, ':') < host.n)
        return plan_reader_fault(r, node, "address " STR_FMT ": too many colons in address",
                                 STR_ARG(text));
    if (colon == text.n)
        return plan_reader_fault(r, node, "address \"" STR_FMT "\": port cannot be empty",
                                 STR_ARG(text));
    return 0;
}

/* ---- what fits together */

static int check_pairs(struct plan_reader *r, const struct yaml_node *map, const struct global *g)
{
    const struct {
        const char *key, *file;
        bool both;
    } PAIRS[] = {
        {"slack_api_url", "slack_api_url_file",
         g->g.slack_api_url.n > 0 && g->g.slack_api_url_file.n > 0},
        {"slack_app_token", "slack_app_token_file",
         g->g.slack_app_token.n > 0 && g->g.slack_app_token_file.n > 0},
        {"opsgenie_api_key", "opsgenie_api_key_file",
         g->g.opsgenie_api_key.n > 0 && g->g.opsgenie_api_key_file.n > 0},
        {"victorops_api_key", "victorops_api_key_file",
         g->g.victorops_api_key.n > 0 && g->g.victorops_api_key_file.n > 0},
        {"smtp_auth_password", "smtp_auth_password_file",
         g->g.smtp_auth_password.n > 0 && g->g.smtp_auth_password_file.n > 0},
        {"telegram_bot_token", "telegram_bot_token_file",
         g->g.telegram_bot_token.n > 0 && g->g.telegram_bot_token_file.n > 0},
        {"wechat_api_secret", "wechat_api_secret_file",
         g->g.wechat_api_secret.n > 0 && g->g.wechat_api_secret_file.n > 0},
    };
    for (size_t i = 0; i < COUNTOF(PAIRS); i++)
        if (PAIRS[i].both)
            return plan_reader_fault(r, yaml_get(map, PAIRS[i].file),
                                     "at most one of %s & %s must be configured", PAIRS[i].key,
                                     PAIRS[i].file);
    return 0;
}

static int read_http(struct plan_reader *r, const struct yaml_node *node,
                     struct fetch_settings *ret)
{
    int err = yaml_expect(node, YAML_MAP, "config.plain", r->why);
    if (err != 0)
        return plan_reader_at(r, node, err);
    for (size_t i = 0; !yaml_is_null(node) && i < node->n; i++)
        if (!http_client_key(node->members[i].key->text))
            return plan_reader_fault(r, node->members[i].key,
                                     "field " STR_FMT " not found in type config.plain",
                                     STR_ARG(node->members[i].key->text));
    return yaml_is_null(node) ? 0 : http_client_read(node, r->folder, r->a, ret, &r->place, r->why);
}

static void make_absolute(struct plan_reader *r, struct global *g)
{
    for (size_t i = 0; i < COUNTOF(FIELDS); i++)
        if (FIELDS[i].type == YAML_STRUCT_TEXT && str_ends(str_c(FIELDS[i].key), STR("_file")))
            *text_at(g, &FIELDS[i]) = plan_reader_path(r, *text_at(g, &FIELDS[i]));
}

/* Paths of APIs end in a slash, as receivers put more behind them. */
static void end_in_slash(struct plan_reader *r, struct str *url)
{
    if (!str_ends(*url, STR("/")))
        *url = arena_printf(r->a, STR_FMT "/", STR_ARG(*url));
}

int plan_global_read(struct plan_reader *r, const struct yaml_node *node)
{
    struct global g;
    preset(&g, r->source->settings->resolve_timeout_ms);
    int err = yaml_struct_read(node, &SHAPE, r->a, &g, &r->place, r->why);
    if (err == 0)
        err = read_http(r, yaml_get(node, "http_config"), &g.g.http);
    const struct yaml_node *tls = yaml_get(node, "smtp_tls_config");
    if (err == 0 && !yaml_is_null(tls))
        err = http_client_tls(tls, r->folder, r->a, &g.g.smtp_tls.tls, &r->place, r->why);
    if (err == 0)
        err = check_urls(r, node, &g);
    if (err == 0)
        err = check_smarthost(r, yaml_get(node, "smtp_smarthost"), g.g.smtp_smarthost);
    if (err == 0)
        err = check_pairs(r, node, &g);
    if (err != 0)
        return err;
    make_absolute(r, &g);
    end_in_slash(r, &g.g.opsgenie_api_url);
    end_in_slash(r, &g.g.wechat_api_url);
    end_in_slash(r, &g.g.victorops_api_url);
    if (g.smtp_force_implicit_tls)
        plan_reader_ignored(r, STR("global: smtp_force_implicit_tls has no effect; port 465 is "
                                   "spoken to with TLS at once"));
    if (g.smtp_auth_secret_file.n > 0)
        plan_reader_ignored(r, STR("global: smtp_auth_secret_file has no effect"));
    r->globals = g.g;
    r->whole->p.resolve_timeout_ms = g.resolve_timeout_ms;
    return 0;
}
