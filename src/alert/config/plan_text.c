#include "alert/config/plan_reader.h"

#include "text/duration.h"
#include "text/yaml_write.h"

enum { INDENT = 2 };

static bool is_one_of(struct str key, const char *const *keys, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(key, str_c(keys[i])))
            return true;
    return false;
}

/* Keys whose values nobody is shown, whatever they stand below. */
static const char *const SECRETS[] = {
    "password",
    "credentials",
    "bearer_token",
    "client_secret",
    "client_certificate_key",
    "key",
    "secret",
    "secrets",
    "secret_key",
    "token",
    "token_id",
    "user_key",
    "api_key",
    "api_secret",
    "app_token",
    "bot_token",
    "routing_key",
    "service_key",
    "webhook_url",
    "alert_source_token",
    "proxy_connect_header",
    "smtp_auth_password",
    "smtp_auth_secret",
    "slack_api_url",
    "slack_app_token",
    "opsgenie_api_key",
    "victorops_api_key",
    "wechat_api_secret",
    "telegram_bot_token",
    "rocketchat_token",
    "rocketchat_token_id",
    "mattermost_webhook_url",
};

/* Below these all keys are somebody's own words. */
static const char *const FREE[] = {"matchers",     "match",        "match_re",
                                   "source_match", "target_match", "details",
                                   "headers",      "params",       "attributes"};

static enum yaml_write_hiding hide(struct str above, struct str key)
{
    bool slack = str_eq(above, STR("slack_configs"));
    bool web = str_eq(above, STR("webhook_configs")) || str_eq(above, STR("incidentio_configs"));
    if (is_one_of(key, SECRETS, COUNTOF(SECRETS)) || (slack && str_eq(key, STR("api_url"))))
        return YAML_WRITE_HIDDEN;
    if (web && str_eq(key, STR("url")))
        return YAML_WRITE_SHORTENED;
    return is_one_of(key, FREE, COUNTOF(FREE)) ? YAML_WRITE_FREE : YAML_WRITE_PLAIN;
}

/* ---- what rows amount to */

static void put_key(struct buf *b, size_t indent, const char *key, struct str value)
{
    yaml_write_indent(b, indent);
    buf_printf(b, "%s: ", key);
    yaml_write_text(b, value);
    buf_put_c(b, '\n');
}

static void put_route(struct buf *b, const struct plan_route *route, size_t indent)
{
    put_key(b, 0, "receiver", route->receiver);
    yaml_write_indent(b, indent);
    buf_put_str(b, STR("group_by: [alertname]\n"));
    if (route->go_on) {
        yaml_write_indent(b, indent);
        buf_put_str(b, STR("continue: true\n"));
    }
    if (route->matchers.n == 0)
        return;
    struct buf text;
    buf_init(&text, PLAN_TEXT_MAX);
    matcher_list_print(&route->matchers, &text);
    yaml_write_indent(b, indent);
    buf_put_str(b, STR("matchers:\n"));
    yaml_write_indent(b, indent);
    buf_put_str(b, STR("- "));
    yaml_write_text(b, buf_str(&text));
    buf_put_c(b, '\n');
    buf_done(&text);
}

static void put_rows(struct buf *b, const struct plan_reader *r)
{
    const struct plan *p = &r->whole->p;
    buf_put_str(b, STR("global:\n  resolve_timeout: "));
    duration_put(b, p->resolve_timeout_ms);
    buf_put_str(b, STR("\nroute:\n  "));
    put_route(b, p->root, INDENT);
    if (p->root->routes_n > 0)
        buf_put_str(b, STR("  routes:\n"));
    for (size_t i = 0; i < p->root->routes_n; i++) {
        buf_put_str(b, STR("  - "));
        put_route(b, &p->root->routes[i], 2 * INDENT);
    }
    buf_put_str(b, STR("receivers:\n"));
    for (size_t i = 0; i < r->list.n; i++) {
        buf_put_str(b, STR("- "));
        put_key(b, 0, "name", r->list.v[i].name);
    }
}

struct str plan_text(struct plan_reader *r, const struct yaml_node *root)
{
    struct buf b;
    buf_init(&b, PLAN_TEXT_MAX);
    for (size_t i = 0; root != NULL && i < root->n; i++)
        yaml_write_member(&b, &root->members[i], 0, STR(""), hide);
    if (root == NULL)
        put_rows(&b, r);
    struct str text = arena_str(r->a, buf_str(&b));
    buf_done(&b);
    return text;
}
