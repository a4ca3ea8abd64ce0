/* alert/config/plan_cases_test.h - configuration files of Alertmanager, good and bad. Included by
 * tests only.
 *
 * R is a route and its receiver; C a file around the item of a child route, I around one of an
 * interval, G around a global section.
 *
 * Source:  Alertmanager's configuration reference; what amtool 0.25 says of each.
 * Threads: constant data.
 */
#ifndef ALERT_CONFIG_PLAN_CASES_TEST_H
#define ALERT_CONFIG_PLAN_CASES_TEST_H

#include <stdbool.h>
#include <stddef.h>

#define RECEIVERS "receivers: [{name: a}, {name: b}]\n"
#define R         "route: {receiver: a}\n" RECEIVERS
#define C(text)   "route: {receiver: a, routes: [" text "]}\n" RECEIVERS
#define I(text)   R "time_intervals: [{name: x, time_intervals: [" text "]}]\n"
#define G(text)   R "global: {" text "}\n"
#define W(text)   "route: {receiver: a}\nreceivers: [{name: a, webhook_configs: [" text "]}]\n"

static const struct plan_case {
    const char *yaml;
    const char *message; /* NULL: good */
    bool newer;          /* amtool 0.25 does not know it yet, or knows it otherwise */
} PLAN_CASES[] = {
    /* the whole */
    {R, NULL},
    {"", "no route provided in config"},
    {"# nothing\n", "no route provided in config"},
    {"[]", "cannot unmarshal !!seq into config.plain"},
    {RECEIVERS, "no routes provided"},
    {"route:\n" RECEIVERS, "no routes provided"},
    {"route: []\n" RECEIVERS, "cannot unmarshal !!seq into config.plain"},
    {"route: {}\n" RECEIVERS, "root route must specify a default receiver"},
    {"route: {receiver: a}\n", "undefined receiver \"a\" used in route"},
    {"route: {receiver: a}\nreceivers:\n", "undefined receiver \"a\" used in route"},
    {"route: {receiver: c}\n" RECEIVERS, "undefined receiver \"c\" used in route"},
    {R "foo: 1\n", "field foo not found in type config.plain"},
    {R "global:\n", NULL},
    {R "tracing: {endpoint: 'x:1'}\n", NULL, true},
    {"route: {receiver: a\n", "did not find expected"},
    /* receivers */
    {"route: {receiver: a}\nreceivers: [{name: a}, {name: a}]\n",
     "notification config name \"a\" is not unique"},
    {"route: {receiver: a}\nreceivers: [{name: a}, {name: ''}]\n", "missing name in receiver"},
    {"route: {receiver: a}\nreceivers: [{name: a}, {}]\n", "missing name in receiver"},
    {"route: {receiver: a}\nreceivers: [{name: a, foo_configs: []}]\n",
     "field foo_configs not found in type config.plain"},
    {"route: {receiver: a}\nreceivers: {name: a}\n", "cannot unmarshal !!map into"},
    {W("{url: 'http://127.0.0.1:1/x'}"), NULL},
    {W("{url: 'http://127.0.0.1:1/x', send_resolved: false, max_alerts: 5}"), NULL},
    {W("{url: 'http://127.0.0.1:1/x', http_config: {basic_auth: {username: u, password: p}}}"),
     NULL},
    {W("{}"), "one of url or url_file must be configured"},
    {W("{url: foo}"), "unsupported scheme"},
    {W("{url: 'http://x', foo: 1}"), "field foo not found in type config.plain"},
    {W("{url: 'http://x', http_config: {foo: 1}}"), "field foo not found in type config.plain"},
    {W("{url: 'http://x', send_resolved: maybe}"), "cannot unmarshal !!str `maybe` into bool"},
    {"route: {receiver: a}\nreceivers: [{name: a, webhook_configs: {}}]\n",
     "cannot unmarshal !!map into"},
    {"route: {receiver: a}\nreceivers: [{name: a, sns_configs: [{topic_arn: 'arn:aws:sns:x', "
     "sigv4: {region: r}}]}]\n",
     NULL},
    {"route: {receiver: a}\nreceivers: [{name: a, jira_configs: [{}]}]\n", NULL, true},
    /* the root */
    {"route: {receiver: a, matchers: [x=y]}\n" RECEIVERS, "root route must not have any matchers"},
    {"route: {receiver: a, match: {x: y}}\n" RECEIVERS, "root route must not have any matchers"},
    {"route: {receiver: a, mute_time_intervals: [x]}\n" RECEIVERS,
     "root route must not have any mute time intervals"},
    {"route: {receiver: a, active_time_intervals: [x]}\n" RECEIVERS,
     "root route must not have any active time intervals"},
    {"route: {receiver: a, continue: true}\n" RECEIVERS, "cannot have continue in root route"},
    {"route: {receiver: a, receiver: b}\n" RECEIVERS, "already defined at line 1"},
    /* routes */
    {C("{}"), NULL},
    {C("{receiver: b, continue: true, matchers: ['x=\"y\"', 'z=~\"1|2\"']}, {match: {q: r}}"),
     NULL},
    {C("{match: {x: 1, y: true, z: null}}"), NULL},
    {C("{match_re: {x: '1|2'}, group_wait: 0s, group_interval: 1m, repeat_interval: 1h30m}"), NULL},
    {C("{group_by: ['...']}"), NULL},
    {C("{group_by: []}"), NULL},
    {C("{group_by: [x, y]}"), NULL},
    {C("{routes: [{routes: [{receiver: b}]}]}"), NULL},
    {C("{routes: [{routes: [{receiver: c}]}]}"), "undefined receiver \"c\" used in route"},
    {C("{foo: 1}"), "field foo not found in type config.plain"},
    {C("{group_by: [x, x]}"), "duplicated label \"x\" in group_by"},
    {C("{group_by: ['...', x]}"), "cannot have wildcard group_by (`...`) and other other labels"},
    {C("{group_by: ['']}"), "invalid label name \"\" in group_by list"},
    {C("{group_by: ['a.b']}"), NULL, true},
    {C("{group_by: x}"), "cannot unmarshal !!str `x` into []string"},
    {C("{group_interval: 0s}"), "group_interval cannot be zero"},
    {C("{repeat_interval: 0s}"), "repeat_interval cannot be zero"},
    {C("{group_wait: 1x}"), "not a valid duration string: \"1x\""},
    {C("{group_wait: -1s}"), "not a valid duration string: \"-1s\""},
    {C("{continue: x}"), "cannot unmarshal !!str `x` into bool"},
    {C("{match: {'1a': x}}"), "invalid label name \"1a\""},
    {C("{match_re: {a: '('}}"), "error parsing regexp: missing closing ): `^(?:()$`"},
    {C("{match: [x]}"), "cannot unmarshal !!seq into map[string]string"},
    {C("{matchers: ['a=~(']}"), "error parsing regexp: missing closing ): `^(?:()$`"},
    {C("{matchers: ['a']}"), "bad matcher format: a"},
    {C("{matchers: 'a=b'}"), "cannot unmarshal !!str `a=b` into []string"},
    {C("{matchers: ['\"a b\"=c']}"), NULL, true},
    {C("{mute_time_intervals: [x]}"), "undefined time interval \"x\" used in route"},
    {C("{active_time_intervals: [x]}"), "undefined time interval \"x\" used in route"},
    {C("{mute_time_intervals: [x], active_time_intervals: [y]}") "mute_time_intervals: [{name: "
                                                                 "x}]\ntime_intervals: [{name: "
                                                                 "y}]\n",
     NULL},
    /* intervals */
    {I("{times: [{start_time: '09:00', end_time: '24:00'}], weekdays: ['monday:friday'], "
       "days_of_month: ['1:5', '-3:-1'], months: ['january:3', 12], years: ['2020:2030'], "
       "location: 'Europe/Berlin'}"),
     NULL},
    {I("{location: 'Local'}, {location: 'UTC'}, {location: ''}"), NULL},
    {I("{months: ['13', '0']}"), NULL},
    {I("{times: [{start_time: '10:00', end_time: '09:00'}]}"),
     "start time cannot be equal or greater than end time"},
    {I("{times: [{start_time: '10:00'}]}"), "both start and end times must be provided"},
    {I("{times: [{start_time: '1:00', end_time: '09:00'}]}"), "couldn't parse timestamp 1:00"},
    {I("{weekdays: [foo]}"), "foo is not a valid weekday"},
    {I("{weekdays: ['friday:monday']}"), "start day cannot be before end day"},
    {I("{days_of_month: ['0:3']}"), "0 is not a valid day of the month: out of range"},
    {I("{days_of_month: ['5:3']}"), "end day 3 is always before start day 5"},
    {I("{days_of_month: ['-5:3']}"), "end day must be negative if start day is negative"},
    {I("{days_of_month: ['1:2:3']}"), "couldn't parse range 1:2:3, invalid format"},
    {I("{months: [foo]}"), "foo is not a valid month"},
    {I("{months: ['may:3']}"), "end month 3 is before start month may"},
    {I("{years: ['2022:2020']}"), "end year 2020 is before start year 2022"},
    {I("{location: 'Foo/Bar'}"), "unknown time zone Foo/Bar"},
    {I("{foo: 1}"), "field foo not found in type timeinterval.TimeInterval"},
    {R "time_intervals: [{name: x, foo: 1}]\n", "field foo not found in type config.plain"},
    {R "time_intervals: [{name: ''}]\n", "missing name in time interval"},
    {R "mute_time_intervals: [{name: ''}]\n", "missing name in mute time interval"},
    {R "time_intervals: [{name: x}, {name: x}]\n", "time interval \"x\" is not unique"},
    {R "mute_time_intervals: [{name: x}, {name: x}]\n", "mute time interval \"x\" is not unique"},
    {R "mute_time_intervals: [{name: x}]\ntime_intervals: [{name: x}]\n",
     "time interval \"x\" is not unique"},
    /* inhibition */
    {R "inhibit_rules: [{source_matchers: ['severity=critical'], target_matchers: "
       "['severity=~\"warning|info\"'], equal: [alertname, cluster]}]\n",
     NULL},
    {R "inhibit_rules: [{source_match: {a: b}, source_match_re: {c: 'd|e'}, target_match: {f: g}, "
       "target_match_re: {h: i}, equal: []}]\n",
     NULL},
    {R "inhibit_rules: [{}, null]\n", NULL},
    {R "inhibit_rules: [{name: x}]\n", NULL, true},
    {R "inhibit_rules: [{foo: x}]\n", "field foo not found in type config.plain"},
    {R "inhibit_rules: [{equal: ['']}]\n", "\"\" is not a valid label name"},
    {R "inhibit_rules: [{source_match: {'1a': b}}]\n", "invalid label name \"1a\""},
    {R "inhibit_rules: [{target_matchers: ['x']}]\n", "bad matcher format: x"},
    {R "inhibit_rules: [{target_match_re: {a: '['}}]\n", "error parsing regexp: missing closing ]"},
    /* global */
    {G("resolve_timeout: 0s"), NULL},
    {G("resolve_timeout: x"), "not a valid duration string: \"x\""},
    {G("smtp_smarthost: 'x:25', smtp_from: f, smtp_hello: h, smtp_auth_username: u, "
       "smtp_auth_password: p, smtp_auth_secret: s, smtp_auth_identity: i, smtp_require_tls: "
       "false"),
     NULL},
    {G("smtp_smarthost: ':25'"), NULL},
    {G("smtp_smarthost: ''"), NULL},
    {G("smtp_smarthost: 'x'"), "address x: missing port in address"},
    {G("smtp_smarthost: 'x:'"), "address \"x:\": port cannot be empty"},
    {G("smtp_smarthost: '1:2:3'"), "address 1:2:3: too many colons in address"},
    {G("smtp_smarthost: '[::1]:25'"), NULL},
    {G("smtp_require_tls: maybe"), "cannot unmarshal !!str `maybe` into bool"},
    {G("smtp_auth_password: x, smtp_auth_password_file: /x"),
     "at most one of smtp_auth_password & smtp_auth_password_file must be configured"},
    {G("slack_api_url: 'http://x', slack_api_url_file: /x"),
     "at most one of slack_api_url & slack_api_url_file must be configured"},
    {G("slack_api_url: <secret>"), NULL},
    {G("slack_api_url: foo"), "unsupported scheme \"\" for URL"},
    {G("opsgenie_api_key: x, opsgenie_api_key_file: /x"),
     "at most one of opsgenie_api_key & opsgenie_api_key_file must be configured"},
    {G("victorops_api_key: x, victorops_api_key_file: /x"),
     "at most one of victorops_api_key & victorops_api_key_file must be configured"},
    {G("pagerduty_url: 'https://x', opsgenie_api_url: 'https://x', opsgenie_api_key: k, "
       "wechat_api_url: 'https://x', wechat_api_secret: s, wechat_api_corp_id: i, "
       "victorops_api_url: 'https://x', victorops_api_key: k, telegram_api_url: 'https://x', "
       "webex_api_url: 'https://x'"),
     NULL},
    {G("pagerduty_url: ''"), "unsupported scheme \"\" for URL"},
    {G("pagerduty_url: 'ftp://x'"), "unsupported scheme \"ftp\" for URL"},
    {G("pagerduty_url: 'http://'"), "missing host for URL"},
    {G("foo: 1"), "field foo not found in type config.plain"},
    {R "global: []\n", "cannot unmarshal !!seq into config.plain"},
    {G("http_config: {follow_redirects: false, proxy_url: 'http://p:1', tls_config: "
       "{insecure_skip_verify: true}}"),
     NULL},
    {G("http_config: {foo: 1}"), "field foo not found in type config.plain"},
    {G("http_config: {basic_auth: {username: a}, bearer_token: x}"),
     "at most one of basic_auth, oauth2, bearer_token & bearer_token_file must be configured"},
    {G("jira_api_url: 'https://x', rocketchat_api_url: 'https://x', rocketchat_token: t, "
       "rocketchat_token_id: i, telegram_bot_token: t, smtp_tls_config: {insecure_skip_verify: "
       "true}, slack_app_token: t, slack_app_url: 'https://x', mattermost_webhook_url: "
       "'https://x', smtp_force_implicit_tls: true"),
     NULL, true},
    {G("telegram_bot_token: t, telegram_bot_token_file: /x"), "at most one of telegram_bot_token",
     true},
    /* templates */
    {R "templates: ['/nowhere/*.tmpl']\n", NULL},
    {R "templates: x\n", "cannot unmarshal !!str `x` into []string"},
};

#endif
