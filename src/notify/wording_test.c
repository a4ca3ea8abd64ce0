#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "notify/message_testbed.h"
#include "notify/wording.h"
#include "text/json_tree.h"

enum { NOW_S = 1700000723 };

static struct arena arena;

static int set_up(void **state)
{
    arena_init(&arena);
    return 0;
}

static int tear_down(void **state)
{
    arena_done(&arena);
    return 0;
}

static struct wording *wording_of(size_t firing)
{
    struct message *m = arena_new(&arena, sizeof *m);
    *m = message_testbed(&arena, firing);
    return wording_new(NULL, m, NOW_S * 1000LL, &arena);
}

static const char *text(struct wording *w, const char *template)
{
    return wording_text(w, str_c(template)).p;
}

static void functions_and_data_are_those_of_alertmanager(void **state)
{
    static const char *const cases[][2] = {
        {"{{ .Receiver }} {{ .Status }} {{ len .Alerts }} {{ len .Alerts.Firing }} "
         "{{ .Alerts.Resolved | len }}",
         "team-db firing 3 2 1"},
        {"{{ .GroupLabels.alertname }}|{{ .CommonLabels.instance }}|{{ .CommonLabels.nope }}|",
         "DiskFull|||"},
        {"{{ range .CommonLabels.SortedPairs }}{{ .Name }}={{ .Value }};{{ end }}",
         "alertname=DiskFull;device=/dev/sda1;severity=critical;"},
        {"{{ .CommonLabels.Names | join \",\" }} {{ .CommonLabels.SortedPairs.Values | join \" \" "
         "}}",
         "alertname,device,severity DiskFull /dev/sda1 critical"},
        {"{{ with .CommonLabels.Remove .GroupLabels.Names }}{{ .Values | join \" \" }}{{ end }}",
         "/dev/sda1 critical"},
        {"{{ (.CommonLabels.Remove (stringSlice \"severity\")).SortedPairs.String }}",
         "alertname=DiskFull, device=/dev/sda1"},
        {"{{ (index .Alerts 1).Labels.instance }} {{ (index .Alerts 0).Fingerprint | len }}",
         "db2:9100 16"},
        {"{{ range .Alerts.Resolved }}{{ .Status }} {{ .EndsAt.Sub .StartsAt }}{{ end }}",
         "resolved 10m0.5s"},
        {"{{ range .Alerts.Firing }}{{ .EndsAt.IsZero }} {{ .StartsAt.Unix }} {{ end }}",
         "true 1700000000 true 1700000000 "},
        {"{{ (index .Alerts 0).StartsAt }}", "2023-11-14 22:13:20 +0000 UTC"},
        {"{{ (index .Alerts 0).StartsAt | date \"15:04 MST\" }}", "22:13 UTC"},
        {"{{ (index .Alerts 0).StartsAt | tz \"Europe/Paris\" | date \"02 Jan 15:04:05 MST -0700\" "
         "}}",
         "14 Nov 23:13:20 CET +0100"},
        {"{{ since (index .Alerts 0).StartsAt | humanizeDuration }}", "12m 3s"},
        {"{{ toUpper \"a\" }}{{ toLower \"B\" }}{{ title \"big disk\" }}{{ trimSpace \" x \" }}",
         "AbBig Diskx"},
        {"{{ match \"^Disk\" \"DiskFull\" }} {{ reReplaceAll \"(.*):.*\" \"$1\" \"db1:9100\" }}",
         "true db1"},
        {"{{ urlUnescape \"a%20b+c\" }}", "a b c"},
        {"{{ toJson .GroupLabels }} {{ toJson (stringSlice \"a\" \"b\") }}",
         "{\"alertname\":\"DiskFull\"} [\"a\",\"b\"]"},
        {"{{ template \"__subject\" . }}", "[FIRING:2] critical: DiskFull - Disk <full> & \"hot\""},
        {"{{ template \"__alertmanagerURL\" . }}",
         "http://sonde.example:7663/?view=alerts&receiver=team-db"},
    };
    struct wording *w = wording_of(2);
    for (size_t i = 0; i < COUNTOF(cases); i++) {
        const char *got = text(w, cases[i][0]);
        if (wording_fault(w))
            print_message("%s: %s\n", cases[i][0], wording_fault(w));
        assert_string_equal(got, cases[i][1]);
    }
    assert_null(wording_fault(w));
}

static void the_default_text_says_what_where_since_when_and_how_bad(void **state)
{
    const char *got = text(wording_of(2), "{{ template \"sonde.text\" . }}");
    static const char *const parts[] = {
        "CRITICAL DiskFull on db1:9100\n",
        "RESOLVED DiskFull on db3:9100\n",
        "Disk <full>",
        "Value: 97.2 %\n",
        "Since: 2023-11-14 22:13:20 UTC, 12m 3s ago\n",
        "until 22:23:20 UTC, 10m 0s\n",
        "Labels: device=/dev/sda1\n",
        "Runbook: https://runbooks.example/disk\n",
        "Graph: http://sonde.example:7663/graph?g0.expr=up\n",
        "Acknowledge: http://sonde.example:7663/?view=alerts&do=acknowledge&alert=",
        "Silence: http://sonde.example:7663/?view=alerts&do=silence&filter=alertname%3D%22DiskFull",
    };
    for (size_t i = 0; i < COUNTOF(parts); i++)
        assert_non_null(strstr(got, parts[i]));
    assert_null(strstr(got, "What changed"));
}

static void what_changed_around_it_is_told_where_it_is_known(void **state)
{
    struct message m = message_testbed(&arena, 3);
    m.context = STR("api 1.2 was deployed 3 min before");
    struct wording *w = wording_new(NULL, &m, NOW_S * 1000LL, &arena);
    assert_non_null(strstr(text(w, "{{ template \"slack.default.text\" . }}"),
                           "What changed around it:\napi 1.2 was deployed 3 min before"));
    assert_non_null(
        strstr(wording_html(w, STR("{{ template \"email.default.html\" . }}")).p, "api 1.2"));
}

/* Nothing that stands in labels can become markup. */
static void what_stands_in_html_is_escaped(void **state)
{
    struct str html = wording_html(wording_of(1), STR("{{ template \"email.default.html\" . }}"));
    assert_true(str_search(html, STR("Disk &lt;full&gt; &amp; &#34;hot&#34;")) < html.n);
    assert_true(str_search(html, STR("<full>")) == html.n);
    assert_true(str_search(html, STR("<no value>")) == html.n);
}

static void every_default_template_can_be_expanded(void **state)
{
    static const char *const names[] = {
        "slack.default.title",
        "slack.default.username",
        "slack.default.fallback",
        "slack.default.callbackid",
        "slack.default.pretext",
        "slack.default.titlelink",
        "slack.default.iconemoji",
        "slack.default.iconurl",
        "slack.default.text",
        "slack.default.footer",
        "rocketchat.default.title",
        "rocketchat.default.text",
        "rocketchat.default.titlelink",
        "rocketchat.default.emoji",
        "rocketchat.default.iconurl",
        "mattermost.default.text",
        "pagerduty.default.description",
        "pagerduty.default.client",
        "pagerduty.default.clientURL",
        "opsgenie.default.message",
        "opsgenie.default.description",
        "opsgenie.default.source",
        "victorops.default.state_message",
        "victorops.default.entity_display_name",
        "victorops.default.monitoring_tool",
        "pushover.default.title",
        "pushover.default.message",
        "pushover.default.url",
        "sns.default.subject",
        "sns.default.message",
        "wechat.default.message",
        "wechat.default.to_user",
        "wechat.default.to_party",
        "wechat.default.to_tag",
        "wechat.default.agent_id",
        "telegram.default.message",
        "discord.default.title",
        "discord.default.message",
        "webex.default.message",
        "msteams.default.summary",
        "msteams.default.title",
        "msteams.default.text",
        "msteamsv2.default.title",
        "msteamsv2.default.text",
        "jira.default.summary",
        "jira.default.description",
        "jira.default.priority",
        "email.default.subject",
        "email.default.html",
        "email.default.text",
        "ntfy.default.title",
        "ntfy.default.message",
        "matrix.default.text",
        "__alertmanager",
        "__description",
    };
    for (size_t firing = 0; firing <= 3; firing++) {
        struct wording *w = wording_of(firing);
        for (size_t i = 0; i < COUNTOF(names); i++) {
            struct str t = arena_printf(&arena, "{{ template \"%s\" . }}", names[i]);
            (void)wording_text(w, t);
            (void)wording_html(w, t);
            if (wording_fault(w))
                print_message("%s: %s\n", names[i], wording_fault(w));
            assert_null(wording_fault(w));
        }
        (void)wording_text(w, STR("{{ template \"pagerduty.default.instances\" .Alerts.Firing }}"));
        assert_null(wording_fault(w));
    }
}

static void files_of_users_replace_what_they_define(void **state)
{
    struct template_set *set = wording_set_new(&arena);
    struct message m = message_testbed(&arena, 1);
    struct why why;
    assert_int_equal(wording_add(set,
                                 STR("{{ define \"__subject\" }}mine {{ .Receiver }}{{ end }}"
                                     "{{ define \"x\" }}{{ template \"slack.default.title\" . }}!"
                                     "{{ end }}"),
                                 STR("mine.tmpl"), &why),
                     0);
    struct wording *w = wording_new(set, &m, NOW_S * 1000LL, &arena);
    assert_string_equal(text(w, "{{ template \"x\" . }}"), "mine team-db!");
    assert_int_equal(wording_add(set, STR("{{ define \"x\" }}"), STR("bad.tmpl"), &why),
                     -ERR_FORMAT);
    assert_non_null(strstr(why.text, "bad.tmpl"));
}

static void a_wrong_template_loses_no_alert(void **state)
{
    struct wording *w = wording_of(2);
    const char *got = text(w, "{{ .Nope }}");
    assert_non_null(strstr(got, "DiskFull"));
    assert_non_null(strstr(got, "template"));
    assert_non_null(strstr(wording_fault(w), "can't evaluate field Nope"));
    assert_string_equal(wording_plain(w, STR("{{ .Nope }}")).p, "");
}

static void the_data_is_json_that_can_be_read(void **state)
{
    const struct json_tree *tree;
    struct str json = wording_text(wording_of(2), STR("{{ toJson . }}"));
    assert_int_equal(json_tree_parse(json, &arena, &tree, NULL), 0);
    assert_int_equal(json_tree_n(json_tree_get(tree, "alerts")), 3);
    const struct json_tree *first = &json_tree_get(tree, "alerts")->children[0];
    assert_string_equal(json_tree_text(first, "startsAt").p, "2023-11-14T22:13:20Z");
    assert_string_equal(json_tree_text(first, "endsAt").p, "0001-01-01T00:00:00Z");
}

static void texts_are_cut_by_runes(void **state)
{
    assert_string_equal(wording_cut(STR("abc"), 3, &arena).p, "abc");
    assert_string_equal(wording_cut(STR("abcd"), 3, &arena).p, "ab\xe2\x80\xa6");
    assert_string_equal(wording_cut(STR("\xc3\xa4\xc3\xb6\xc3\xbc!"), 3, &arena).p,
                        "\xc3\xa4\xc3\xb6\xe2\x80\xa6");
    assert_string_equal(wording_cut_bytes(STR("\xc3\xa4\xc3\xb6\xc3\xbc!"), 6, &arena).p,
                        "\xc3\xa4\xe2\x80\xa6");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_and_data_are_those_of_alertmanager),
        cmocka_unit_test(the_default_text_says_what_where_since_when_and_how_bad),
        cmocka_unit_test(what_changed_around_it_is_told_where_it_is_known),
        cmocka_unit_test(what_stands_in_html_is_escaped),
        cmocka_unit_test(every_default_template_can_be_expanded),
        cmocka_unit_test(files_of_users_replace_what_they_define),
        cmocka_unit_test(a_wrong_template_loses_no_alert),
        cmocka_unit_test(the_data_is_json_that_can_be_read),
        cmocka_unit_test(texts_are_cut_by_runes),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
