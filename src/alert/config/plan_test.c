#include "base/arena_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "alert/config/amtool_test.h"
#include "alert/config/plan.h"
#include "alert/config/plan_cases_test.h"
#include "base/rand.h"
#include "model/labels.h"
#include "os/file.h"

static struct plan_settings settings = {
    .config_file = "", .external_url = "", .resolve_timeout_ms = 300000};

static int read_plan(const char *yaml, const struct option_rows *notify,
                     const struct option_rows *escalations, struct plan **ret, struct why *why)
{
    const struct plan_source source = {.yaml = str_c(yaml),
                                       .file = yaml[0] == '\0' ? NULL : "/nowhere/am.yml",
                                       .external_url = "http://127.0.0.1:7663",
                                       .settings = &settings,
                                       .notify = notify,
                                       .escalations = escalations};
    return plan_read(&source, ret, why);
}

static struct plan *good(const char *yaml)
{
    struct plan *p = NULL;
    struct why why = {0};
    if (read_plan(yaml, NULL, NULL, &p, &why) != 0)
        fail_msg("%s\n%s", why.text, yaml);
    return p;
}

static struct str key_of(const char *const *pairs)
{
    struct buf key;
    buf_init(&key, 4096);
    for (size_t i = 0; pairs[i] != NULL; i += 2)
        labels_put(&key, str_c(pairs[i]), str_c(pairs[i + 1]));
    struct str out = arena_str(&arena, buf_str(&key));
    buf_done(&key);
    return out;
}

#define KEY(...) key_of((const char *const[]){__VA_ARGS__, NULL})

/* The receivers of an alert, with commas. */
static const char *told(const struct plan *p, struct str labels)
{
    const struct plan_route *const *routes;
    size_t n;
    struct buf out;
    buf_init(&out, 65536);
    plan_routes(p, labels, &arena, &routes, &n);
    for (size_t i = 0; i < n; i++)
        buf_printf(&out, "%s" STR_FMT, i == 0 ? "" : ",", STR_ARG(routes[i]->receiver));
    const char *text = arena_str(&arena, buf_str(&out)).p;
    buf_done(&out);
    return text;
}

/* ---- files */

static void files_are_taken_or_refused_in_alertmanagers_words(void **state)
{
    for (size_t i = 1; i < COUNTOF(PLAN_CASES); i++) {
        const struct plan_case *c = &PLAN_CASES[i];
        struct plan *p = NULL;
        struct why why = {0};
        if (c->yaml[0] == '\0')
            continue; /* no file: rows alone */
        int err = read_plan(c->yaml, NULL, NULL, &p, &why);
        if (c->message == NULL && err != 0)
            fail_msg("%s\n%s", why.text, c->yaml);
        if (c->message != NULL && (err == 0 || strstr(why.text, c->message) == NULL))
            fail_msg("%s instead of %s\n%s", err == 0 ? "good" : why.text, c->message, c->yaml);
        plan_free(p);
    }
}

static void amtool_takes_and_refuses_the_same_files(void **state)
{
    size_t compared = 0;
    amtool_or_skip();
    for (size_t i = 0; i < COUNTOF(PLAN_CASES); i++) {
        const struct plan_case *c = &PLAN_CASES[i];
        if (c->newer)
            continue;
        struct buf said;
        buf_init(&said, 65536);
        bool yes = amtool_accepts(c->yaml, &said);
        if (yes != (c->message == NULL))
            fail_msg("amtool says:\n" STR_FMT "\nof\n%s", STR_ARG(buf_str(&said)), c->yaml);
        buf_done(&said);
        compared++;
    }
    assert_true(compared > 100);
}

static const char *data(const char *name)
{
    struct buf text;
    struct why why = {0};
    buf_init(&text, 1 << 20);
    if (file_read(arena_printf(&arena, "src/alert/config/testdata/%s", name).p, &text, &why) != 0)
        fail_msg("%s", why.text);
    const char *yaml = arena_str(&arena, buf_str(&text)).p;
    buf_done(&text);
    return yaml;
}

static void every_documented_key_of_every_receiver_loads(void **state)
{
    struct plan *old = good(data("documented.yml")), *newer = good(data("newer.yml"));
    assert_int_equal(old->receivers[0].n, 12);
    assert_int_equal(old->ignored_n, 1); /* SNS wants requests that are signed */
    assert_int_equal(newer->receivers[0].n, 17);
    plan_free(old);
    plan_free(newer);
    amtool_or_skip();
    assert_true(amtool_accepts(data("documented.yml"), NULL));
}

static void a_fault_names_the_file_and_the_place(void **state)
{
    struct plan *p;
    struct why why = {0};
    assert_int_equal(read_plan("route:\n  receiver: a\n  routes:\n  - receiver: b\n"
                               "receivers: [{name: a}]\n",
                               NULL, NULL, &p, &why),
                     -ERR_FORMAT);
    assert_string_equal(why.text, "/nowhere/am.yml:4:15: undefined receiver \"b\" used in route");
}

/* ---- routes */

static const char *const TREE =
    "route:\n"
    "  receiver: root\n"
    "  group_by: [alertname, cluster]\n"
    "  group_wait: 10s\n"
    "  routes:\n"
    "  - matchers: [team=db]\n"
    "    receiver: db\n"
    "    group_by: ['...']\n"
    "    repeat_interval: 1h\n"
    "    routes:\n"
    "    - match: {severity: critical}\n"
    "      receiver: pager\n"
    "      continue: true\n"
    "    - match_re: {severity: 'crit.*|warning'}\n"
    "      group_by: [job]\n"
    "      mute_time_intervals: [night]\n"
    "  - matchers: [team=db]\n"
    "  - match: {team: web}\n"
    "    group_interval: 7m\n"
    "time_intervals: [{name: night, time_intervals: [{times: [{start_time: '22:00', end_time: "
    "'24:00'}]}]}]\n"
    "receivers: [{name: root}, {name: db}, {name: pager}]\n";

static void children_take_over_what_they_do_not_say(void **state)
{
    struct plan *p = good(TREE);
    const struct plan_route *root = p->root, *db = &root->routes[0], *web = &root->routes[2];
    assert_int_equal(root->group_by_n, 2);
    assert_int_equal(root->group_wait_ms, 10000);
    assert_int_equal(root->group_interval_ms, 300000);
    assert_int_equal(root->repeat_interval_ms, 14400000);
    assert_true(db->group_by_all);
    assert_int_equal(db->group_wait_ms, 10000);
    assert_int_equal(db->repeat_interval_ms, 3600000);
    const struct plan_route *warning = &db->routes[1];
    assert_false(warning->group_by_all);
    assert_int_equal(warning->group_by_n, 1);
    assert_memory_equal(warning->receiver.p, "db", 2);
    assert_int_equal(warning->repeat_interval_ms, 3600000);
    assert_int_equal(warning->mute_n, 1);
    assert_memory_equal(warning->mute[0]->name.p, "night", 5);
    assert_int_equal(web->group_interval_ms, 420000);
    assert_memory_equal(web->receiver.p, "root", 4);
    assert_int_equal(web->mute_n, 0);
    plan_free(p);
}

static void an_alert_goes_to_the_deepest_route_and_on_where_it_says_so(void **state)
{
    struct plan *p = good(TREE);
    assert_string_equal(told(p, KEY("team", "db", "severity", "critical")), "pager,db");
    assert_string_equal(told(p, KEY("team", "db", "severity", "warning")), "db");
    assert_string_equal(told(p, KEY("team", "db")), "db");
    assert_string_equal(told(p, KEY("team", "web")), "root");
    assert_string_equal(told(p, KEY("x", "y")), "root");
    plan_free(p);
}

static void keys_are_alertmanagers_and_ids_tell_equal_routes_apart(void **state)
{
    struct plan *p = good(TREE);
    const struct plan_route *r = p->root;
    assert_string_equal(r->key.p, "{}");
    assert_string_equal(r->routes[0].key.p, "{}/{team=\"db\"}");
    assert_string_equal(r->routes[0].routes[1].key.p,
                        "{}/{team=\"db\"}/{severity=~\"crit.*|warning\"}");
    assert_string_equal(r->routes[0].id.p, "{}/{team=\"db\"}");
    assert_string_equal(r->routes[1].id.p, "{}/{team=\"db\"}#1");
    plan_free(p);
}

/* ---- random trees, beside amtool */

enum { TREES = 25, LABEL_SETS = 4, DEPTH = 3 };

static const char *const NAMES[] = {"a", "b", "c"};
static const char *const VALUES[] = {"1", "2", "x"};

static uint64_t pick(struct rand *r, uint64_t n)
{
    return rand_below(r, n);
}

static void put_matcher(struct rand *r, struct buf *out)
{
    static const char *const OPS[] = {"=", "!=", "=~", "!~"};
    uint64_t op = pick(r, 4);
    const char *v = VALUES[pick(r, 3)];
    buf_printf(out, "'%s%s\"%s%s\"'", NAMES[pick(r, 3)], OPS[op], v, op >= 2 ? "|[0-9]" : "");
}

static void put_children(struct rand *r, size_t depth, size_t *receivers, struct buf *out)
{
    uint64_t n = depth == 0 ? 0 : pick(r, 4);
    buf_put_str(out, STR(", routes: ["));
    for (uint64_t i = 0; i < n; i++) {
        buf_printf(out, "%s{receiver: r%zu, matchers: [", i == 0 ? "" : ", ", (*receivers)++);
        put_matcher(r, out);
        if (pick(r, 3) == 0) {
            buf_put_str(out, STR(", "));
            put_matcher(r, out);
        }
        buf_printf(out, "], continue: %s", pick(r, 2) == 0 ? "true" : "false");
        put_children(r, depth - 1, receivers, out);
        buf_put_c(out, '}');
    }
    buf_put_c(out, ']');
}

static void put_tree(struct rand *r, struct buf *out)
{
    size_t receivers = 1;
    buf_put_str(out, STR("route: {receiver: r0"));
    put_children(r, DEPTH, &receivers, out);
    buf_put_str(out, STR("}\nreceivers:\n"));
    for (size_t i = 0; i < receivers; i++)
        buf_printf(out, "- name: r%zu\n", i);
    buf_put_c(out, '\0');
}

static void compare_one(struct rand *r, const struct plan *p, const char *path, const char *yaml)
{
    char labels[3][8], config[96];
    const char *pairs[7] = {0};
    snprintf(config, sizeof config, "--config.file=%s", path);
    char *argv[9] = {(char[]){"amtool"}, (char[]){"config"}, (char[]){"routes"}, (char[]){"test"},
                     config};
    size_t n = 0;
    for (size_t i = 0; i < COUNTOF(NAMES); i++) {
        if (i > 0 && pick(r, 4) == 0)
            continue;
        pairs[2 * n] = NAMES[i];
        pairs[2 * n + 1] = VALUES[pick(r, 3)];
        snprintf(labels[n], sizeof labels[n], "%s=%s", NAMES[i], pairs[2 * n + 1]);
        argv[5 + n] = labels[n];
        n++;
    }
    struct buf said;
    buf_init(&said, 65536);
    assert_int_equal(amtool_run(argv, &said), 0);
    struct str theirs = str_trim(buf_str(&said)); /* behind warnings */
    for (size_t end; (end = str_find(theirs, '\n')) < theirs.n;)
        theirs = str_sub(theirs, end + 1, theirs.n);
    const char *ours = told(p, key_of(pairs));
    if (!str_eq(theirs, str_c(ours)))
        fail_msg("amtool: " STR_FMT ", here: %s, %s %s %s\n%s", STR_ARG(theirs), ours, labels[0],
                 n > 1 ? labels[1] : "", n > 2 ? labels[2] : "", yaml);
    buf_done(&said);
}

static void amtool_sends_alerts_to_the_same_receivers_on_random_trees(void **state)
{
    struct rand r;
    amtool_or_skip();
    rand_init(&r, 20261122);
    for (int i = 0; i < TREES; i++) {
        struct buf yaml;
        char path[64];
        buf_init(&yaml, 1 << 20);
        put_tree(&r, &yaml);
        amtool_file(yaml.p, path);
        struct plan *p = good(yaml.p);
        for (int k = 0; k < LABEL_SETS; k++)
            compare_one(&r, p, path, yaml.p);
        plan_free(p);
        unlink(path);
        buf_done(&yaml);
    }
}

/* ---- the rest of a file */

static void inhibition_and_receivers_are_there_with_both_old_and_new_words(void **state)
{
    struct plan *p =
        good("route: {receiver: b}\n"
             "receivers: [{name: b, webhook_configs: [{url: 'http://x/1'}, {url: 'http://x/2', "
             "send_resolved: false}]}, {name: a}]\n"
             "inhibit_rules: [{source_match: {s: c}, source_matchers: [t=u], target_match_re: {s: "
             "'w|i'}, equal: [x, y]}]\n");
    assert_int_equal(p->inhibits_n, 1);
    assert_int_equal(p->inhibits[0].source.n, 2);
    assert_int_equal(p->inhibits[0].target.n, 1);
    assert_int_equal(p->inhibits[0].equal_n, 2);
    assert_memory_equal(p->receivers[0].name.p, "a", 1);
    const struct plan_receiver *b = plan_receiver(p, STR("b"));
    assert_int_equal(b->n, 2);
    assert_true(b->integrations[0].send_resolved);
    assert_false(b->integrations[1].send_resolved);
    assert_null(plan_receiver(p, STR("c")));
    assert_int_equal(p->ignored_n, 0);
    assert_string_equal(p->external_url.p, "http://127.0.0.1:7663");
    plan_free(p);
}

static void kinds_that_are_not_here_are_names_and_are_told(void **state)
{
    struct plan *p = good("route: {receiver: a}\nreceivers: [{name: a, sns_configs: [{topic_arn: "
                          "x}, {}], wechat_configs: []}]\n");
    assert_int_equal(p->receivers[0].n, 0);
    assert_int_equal(p->ignored_n, 1);
    assert_string_equal(p->ignored[0].p, "receiver \"a\": sns_configs are not sent from here");
    plan_free(p);
}

static void the_text_that_is_shown_has_no_secrets(void **state)
{
    struct plan *p = good(
        "global: {slack_api_url: 'http://hooks/hush', smtp_auth_password: hush, opsgenie_api_url: "
        "'https://ops/'}\n"
        "route: {receiver: a, routes: [{matchers: ['password=\"x\"'], match: {key: shown}}]}\n"
        "receivers: [{name: a, webhook_configs: [{url: 'https://me:hush@host:1/hush?hush', "
        "http_config: {authorization: {credentials: hush}, proxy_url: 'http://u:hush@p:1'}}]}]\n");
    assert_null(strstr(p->text.p, "hush"));
    assert_non_null(strstr(p->text.p, "slack_api_url: <secret>"));
    assert_non_null(strstr(p->text.p, "https://host:1/%3Csecret%3E"));
    assert_non_null(strstr(p->text.p, "key: shown"));
    assert_non_null(strstr(p->text.p, "opsgenie_api_url: https://ops/"));
    struct plan *again = good(p->text.p);
    assert_string_equal(again->text.p, p->text.p);
    plan_free(again);
    plan_free(p);
}

static void templates_are_read_and_their_faults_are_told(void **state)
{
    char path[64], yaml[300];
    struct plan *p;
    struct why why = {0};
    amtool_file("{{ define \"my.title\" }}hello{{ end }}", path);
    snprintf(yaml, sizeof yaml, R "templates: ['%s']\n", path);
    p = good(yaml);
    assert_true(template_defined(p->templates, STR("my.title")));
    assert_true(template_defined(p->templates, STR("slack.default.title")));
    plan_free(p);
    FILE *f = fopen(path, "w");
    fputs("{{ define \"x\" }}{{ .Foo ", f);
    fclose(f);
    assert_int_equal(read_plan(yaml, NULL, NULL, &p, &why), -ERR_FORMAT);
    assert_non_null(strstr(why.text, "/nowhere/am.yml:3:13: template: amtool-"));
    unlink(path);
}

static void note_path(void *context, struct str path)
{
    struct buf *out = context;
    buf_put_str(out, path);
    buf_put_c(out, ' ');
}

static void files_that_are_read_are_named_for_the_confinement(void **state)
{
    struct plan *p = good("route: {receiver: a}\ntemplates: ['t/*.tmpl', '/abs/x']\n"
                          "receivers: [{name: a, webhook_configs: [{url: 'http://x', http_config: "
                          "{basic_auth: {username: u, password_file: pw}}}]}]\n");
    struct buf out;
    buf_init(&out, 4096);
    plan_files(p, note_path, &out);
    buf_put_c(&out, '\0');
    assert_string_equal(out.p, "/nowhere/t/*.tmpl /abs/x /nowhere/pw ");
    buf_done(&out);
    plan_free(p);
}

/* ---- rows of sonde.toml */

static const char *critical[] = {"severity=critical"};

static const struct notify_row ROWS[] = {
    {.name = "chat",
     .kind = "webhook",
     .url = "http://127.0.0.1:1/a",
     .from = "",
     .user = "",
     .secret = "",
     .secret_file = "",
     .template_text = "",
     .send_resolved = true},
    {.name = "",
     .kind = "webhook",
     .url = "http://127.0.0.1:1/b",
     .from = "",
     .user = "",
     .secret = "",
     .secret_file = "",
     .template_text = "",
     .match = {critical, 1}},
};

static void rows_alone_are_receivers_that_get_what_fits_them(void **state)
{
    struct option_rows rows = {(void *)(uintptr_t)ROWS, COUNTOF(ROWS)};
    struct plan *p = NULL;
    struct why why = {0};
    if (read_plan("", &rows, NULL, &p, &why) != 0)
        fail_msg("%s", why.text);
    assert_string_equal(told(p, KEY("severity", "critical")), "chat,webhook");
    assert_string_equal(told(p, KEY("severity", "info")), "chat");
    assert_int_equal(p->root->routes[0].group_by_n, 1);
    assert_false(plan_receiver(p, STR("webhook"))->integrations[0].send_resolved);
    assert_string_equal(p->root->routes[1].id.p, "{}/notify:webhook");
    struct plan *again = good(p->text.p); /* what it amounts to is a file too */
    assert_string_equal(told(again, KEY("severity", "critical")), "chat,webhook");
    plan_free(again);
    plan_free(p);
}

static void without_rows_and_file_nobody_is_told(void **state)
{
    struct plan *p = good("");
    assert_string_equal(told(p, KEY("a", "b")), "none");
    assert_int_equal(plan_receiver(p, STR("none"))->n, 0);
    plan_free(p);
}

static void rows_beside_a_file_change_nothing_of_what_it_says(void **state)
{
    struct option_rows rows = {(void *)(uintptr_t)ROWS, COUNTOF(ROWS)};
    struct plan *p = NULL;
    struct why why = {0};
    if (read_plan("route: {receiver: a, routes: [{receiver: chat, matchers: [x=y]}]}\n"
                  "receivers: [{name: a}]\n",
                  &rows, NULL, &p, &why) != 0)
        fail_msg("%s", why.text);
    assert_string_equal(told(p, KEY("severity", "critical")), "a,webhook");
    assert_string_equal(told(p, KEY("severity", "critical", "x", "y")), "chat,webhook");
    assert_string_equal(told(p, KEY("severity", "info")), "a");
    plan_free(p);
    assert_int_equal(
        read_plan("route: {receiver: chat}\nreceivers: [{name: chat}]\n", &rows, NULL, &p, &why),
        -ERR_FORMAT);
    assert_non_null(strstr(why.text, "notification config name \"chat\" is not unique"));
}

static int read_ladder(const char *step, const char *match, struct plan **ret, struct why *why)
{
    static struct plan_escalation_row row;
    const char *steps[] = {step, "5m chat"}, *matches[] = {match};
    struct option_rows rows = {(void *)(uintptr_t)ROWS, COUNTOF(ROWS)}, ladders = {&row, 1};
    row = (struct plan_escalation_row){"nights", {matches, 1}, {steps, 2}, 2};
    return read_plan("", &rows, &ladders, ret, why);
}

static void ladders_are_sorted_by_time_and_checked(void **state)
{
    struct plan *p = NULL;
    struct why why = {0};
    if (read_ladder("1h30m  webhook", "severity=critical", &p, &why) != 0)
        fail_msg("%s", why.text);
    assert_int_equal(p->escalations_n, 1);
    assert_int_equal(p->escalations[0].n, 2);
    assert_int_equal(p->escalations[0].steps[0].after_ms, 300000);
    assert_int_equal(p->escalations[0].steps[1].after_ms, 5400000);
    assert_memory_equal(p->escalations[0].steps[1].receiver.p, "webhook", 7);
    assert_int_equal(p->escalations[0].repeat, 2);
    plan_free(p);
    assert_int_equal(read_ladder("5m nobody", "a=b", &p, &why), -ERR_FORMAT);
    assert_string_equal(why.text, "[[alert.escalation]] nights: undefined receiver \"nobody\" used "
                                  "in step");
    assert_int_equal(read_ladder("5m", "a=b", &p, &why), -ERR_FORMAT);
    assert_non_null(strstr(why.text, "write how long it waits and who is told"));
    assert_int_equal(read_ladder("x chat", "a=b", &p, &why), -ERR_FORMAT);
    assert_int_equal(read_ladder("5m chat", "a", &p, &why), -ERR_FORMAT);
    assert_string_equal(why.text, "[[alert.escalation]] nights: bad matcher format: a");
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, arena_test_begin, arena_test_end)
    const struct CMUnitTest tests[] = {
        CASE(files_are_taken_or_refused_in_alertmanagers_words),
        CASE(amtool_takes_and_refuses_the_same_files),
        CASE(every_documented_key_of_every_receiver_loads),
        CASE(a_fault_names_the_file_and_the_place),
        CASE(children_take_over_what_they_do_not_say),
        CASE(an_alert_goes_to_the_deepest_route_and_on_where_it_says_so),
        CASE(keys_are_alertmanagers_and_ids_tell_equal_routes_apart),
        CASE(amtool_sends_alerts_to_the_same_receivers_on_random_trees),
        CASE(inhibition_and_receivers_are_there_with_both_old_and_new_words),
        CASE(kinds_that_are_not_here_are_names_and_are_told),
        CASE(the_text_that_is_shown_has_no_secrets),
        CASE(templates_are_read_and_their_faults_are_told),
        CASE(files_that_are_read_are_named_for_the_confinement),
        CASE(rows_alone_are_receivers_that_get_what_fits_them),
        CASE(without_rows_and_file_nobody_is_told),
        CASE(rows_beside_a_file_change_nothing_of_what_it_says),
        CASE(ladders_are_sorted_by_time_and_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
