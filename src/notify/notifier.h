/* notify/notifier.h - a kind of receiver: one file and one row of notifiers.tbl.h.
 *
 * A kind reads its settings from an item of `slack_configs` and the like of Alertmanager's file, or
 * from a row [[notify]] of sonde.toml, and turns a message into a request. Who sends retries: a
 * kind says whether an error is worth it.
 *
 * Flow:    settings + message -> templates -> request -> done(outcome)
 * Source:  Alertmanager's configuration reference and the APIs of the receivers.
 * Threads: read functions any; start() and what follows the loop's of the outbox.
 */
#ifndef NOTIFY_NOTIFIER_H
#define NOTIFY_NOTIFIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/err.h"
#include "base/option.h"
#include "net/fetch.h"
#include "notify/message.h"
#include "notify/wording.h"
#include "text/template.h"
#include "text/yaml.h"
#include "text/yaml_struct.h"

/* `global:` of Alertmanager's file, as far as receivers take defaults from it; what is missing is
 * Alertmanager's default. Texts are "" where not set. */
struct notify_globals {
    struct fetch_settings http; /* http_config */
    struct str smtp_from, smtp_hello, smtp_smarthost;
    struct str smtp_auth_username, smtp_auth_password, smtp_auth_password_file;
    struct str smtp_auth_secret, smtp_auth_identity;
    bool smtp_require_tls;
    struct fetch_settings smtp_tls; /* its TLS part */
    struct str slack_api_url, slack_api_url_file, slack_app_token, slack_app_url;
    struct str pagerduty_url;
    struct str opsgenie_api_url, opsgenie_api_key, opsgenie_api_key_file;
    struct str victorops_api_url, victorops_api_key, victorops_api_key_file;
    struct str telegram_api_url, telegram_bot_token, telegram_bot_token_file;
    struct str webex_api_url, rocketchat_api_url, wechat_api_url, jira_api_url;
    struct str wechat_api_secret, wechat_api_secret_file, wechat_api_corp_id;
    struct str rocketchat_token, rocketchat_token_file;
    struct str rocketchat_token_id, rocketchat_token_id_file;
    struct str mattermost_webhook_url, mattermost_webhook_url_file;
    struct str slack_app_token_file;
};

/* [[notify]]: a receiver without Alertmanager's file. Which keys a kind wants is in its page. */
struct notify_row {
    const char *name; /* of the receiver; "" is the kind */
    const char *kind; /* "slack" */
    const char *url;
    struct option_list to; /* addresses, channels, chat ids, rooms; a command with its arguments */
    const char *from, *user, *secret, *secret_file; /* secret: password, token, key */
    const char *template_text; /* webhook: the body; others: the text; "" is the default */
    struct option_list match;  /* Alertmanager's matchers: only alerts that fit; empty: all */
    bool send_resolved;
};

extern const struct option_table notify_row_options; /* [[notify]] */

/* What a configured integration is. */
struct notify_integration {
    const struct notifier *notifier;
    const void *settings; /* of the kind */
    bool send_resolved;
    struct str program;      /* kind "command": the launcher's row (launch/launch.h); else "" */
    const char *const *argv; /* kind "command": what to start, NULL at the end; else NULL */
};

/* What reading needs. The tree of what is read lives as long as arena. */
struct notify_reading {
    const struct notify_globals *globals;
    struct arena *arena; /* for settings */
    const char *folder;  /* relative file names are below it */
    struct str receiver; /* name of the receiver that is read */
    uint32_t index;      /* of the integration among those of its kind */
};

struct notify_outcome {
    int err;          /* 0: told */
    bool retry;       /* where err: trying again may help */
    int64_t after_ms; /* wait at least so long (Retry-After); 0: no wish */
    const char *why;  /* a sentence without secrets; valid for the call */
};

/* Where a picture of what an alert is about comes from: appends what sonde-helper-chart reads
 * (helper/chart/main.c). -ERR_NOENT: there is none. It may wait; any thread. NULL: no pictures. */
typedef int notify_chart(void *context, const struct message *m, struct arena *a, struct buf *ret);

/* A message on its way; lives until done(). */
struct notify_send {
    const struct message *message;
    const struct notify_integration *integration;
    struct wording *words;       /* over message and the templates that are in force */
    struct fetch_client *client; /* for the integration's http_config */
    struct loop *loop;
    struct launcher *launcher; /* NULL: programs cannot be started */
    notify_chart *chart;       /* NULL: there are no pictures */
    void *chart_context;
    struct arena *arena;                                                       /* of this attempt */
    void (*done)(struct notify_send *s, const struct notify_outcome *outcome); /* once */
    void *state; /* of what sends: notify/post.h, a thread */
    void *kind;  /* the kind's own, from arena */
};

struct notifier {
    const char *kind;     /* "slack": also the label `integration` of metrics */
    const char *yaml_key; /* "slack_configs"; NULL: Alertmanager does not know it */
    bool send_resolved;   /* the default, as in Alertmanager */
    bool http;            /* settings begin with a struct fetch_settings: its http_config */
    size_t settings_size;
    const struct yaml_struct *shape; /* the keys of an item; its name is "config.plain". Names of
                                      * files (keys that end in _file) become absolute */
    /* Each may be NULL. What holds where nothing is said: */
    void (*preset)(const struct notify_reading *r, void *settings);
    /* Keys that shape leaves to the kind: maps and lists within the item. */
    int (*also)(const struct notify_reading *r, const struct yaml_node *item, void *settings,
                struct yaml_place *ret_place, struct why *why);
    /* Fits all that was read together? Fills in what is global. Alertmanager's words. */
    int (*check)(const struct notify_reading *r, void *settings, struct why *why);
    /* A row, instead of an item, over what preset() gives; check() follows. */
    int (*row)(const struct notify_reading *r, const struct notify_row *row, void *settings,
               struct why *why);
    /* Files that it reads besides those of shape and of http_config; NULL: none. */
    void (*files)(const void *settings, void (*f)(void *context, struct str path), void *context);
    /* What the launcher needs to know of it; NULL: nothing. */
    void (*program)(const struct notify_reading *r, const void *settings,
                    struct notify_integration *ret);
    /* Begins to send; done() may come from within. */
    void (*start)(struct notify_send *s);
    /* Gives up what start() began; done() does not come then. */
    void (*cancel)(struct notify_send *s);
};

/* All kinds [n]. */
const struct notifier *const *notifier_all(size_t *ret_n);

/* By "slack" or by "slack_configs"; NULL: there is none. */
const struct notifier *notifier_by_kind(struct str kind);
const struct notifier *notifier_by_key(struct str yaml_key);

/* Reads an item of a `*_configs` list, send_resolved and http_config included. */
MUST_USE int notifier_read(const struct notifier *n, const struct notify_reading *r,
                           const struct yaml_node *item, struct notify_integration *ret,
                           struct yaml_place *ret_place, struct why *why);
MUST_USE int notifier_read_row(const struct notify_reading *r, const struct notify_row *row,
                               struct notify_integration *ret, struct why *why);

/* The http_config in force, for the client; NULL: the kind does not use HTTP. */
const struct fetch_settings *notifier_http(const struct notify_integration *i);

/* Calls f for each file that is read when it is sent: what the confined worker must be let at. */
void notifier_files(const struct notify_integration *i, void (*f)(void *context, struct str path),
                    void *context);

#endif
