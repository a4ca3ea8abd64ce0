#include "serve/serve_testbed.h"

#include "model/labels.h"

/* ---- rules as they could stand */

static struct str key_of(struct arena *a, const char *name, const char *value)
{
    struct buf b;
    buf_init(&b, 1000);
    labels_put(&b, str_c(name), str_c(value));
    struct str key = arena_str(a, buf_str(&b));
    buf_done(&b);
    return key;
}

static void fill_alerts(struct arena *a, struct rule_view *rule)
{
    rule->alerts = arena_array(a, 2, sizeof *rule->alerts);
    rule->alerts_n = 2;
    rule->alerts[0] = (struct alert_view){.labels = key_of(a, "alertname", "Slow"),
                                          .annotations = key_of(a, "summary", "It is <slow>"),
                                          .state = ALERT_FIRING,
                                          .active_ms = 1700000000250,
                                          .keep_firing_since_ms = 1700000060000,
                                          .value = 1};
    rule->alerts[1] = (struct alert_view){.labels = key_of(a, "alertname", "Slow"),
                                          .state = ALERT_PENDING,
                                          .active_ms = 1700000000000,
                                          .value = 0.00025};
}

static void view_rules(struct rules *r, struct arena *a, struct rules_view *ret)
{
    (void)r;
    struct group_view *g = arena_array(a, 3, sizeof *g);
    struct rule_view *first = arena_array(a, 2, sizeof *first);
    first[0] = (struct rule_view){.alerting = true,
                                  .name = STR("Slow"),
                                  .query = STR("up > 0.5"),
                                  .labels = key_of(a, "severity", "page"),
                                  .annotations = key_of(a, "summary", "It is {{ $value }}"),
                                  .for_ms = 90000,
                                  .keep_firing_for_ms = 60500,
                                  .health = RULE_OK,
                                  .evaluation_ns = 1500000,
                                  .last_evaluation_ms = 1700000120000,
                                  .state = ALERT_FIRING};
    fill_alerts(a, &first[0]);
    first[1] = (struct rule_view){.name = STR("job:up:sum"),
                                  .query = STR("sum by (job) (up)"),
                                  .health = RULE_ERR,
                                  .last_error = STR("found duplicate series"),
                                  .evaluation_ns = 250000,
                                  .last_evaluation_ms = 1700000120000};
    struct rule_view *second = arena_array(a, 1, sizeof *second);
    second[0] = (struct rule_view){.alerting = true,
                                   .name = STR("Never"),
                                   .query = STR("vector(1)"),
                                   .labels = key_of(a, "severity", "info")};
    struct rule_view *third = arena_array(a, 1, sizeof *third);
    third[0] = (struct rule_view){.name = STR("other:sum"),
                                  .query = STR("1"),
                                  .labels = key_of(a, "team", "a"),
                                  .health = RULE_OK,
                                  .last_evaluation_ms = 1700000120000};
    g[0] = (struct group_view){STR("first"), STR("/r/a.yml"), 15000, 7,
                               2000000,      1700000120004,   first, 2};
    g[1] = (struct group_view){STR("second"), STR("/r/a.yml"), 60000, 0, 0, 0, second, 1};
    g[2] = (struct group_view){STR("first"), STR("/r/b.yml"), 60000, 0, 0, 1700000120000, third, 1};
    *ret = (struct rules_view){g, 3};
}

#define SUCCESS(data) "{\"status\":\"success\",\"data\":" data "}"
#define ALERTS                                                                                     \
    "[{\"labels\":{\"alertname\":\"Slow\"},\"annotations\":{\"summary\":\"It is "                  \
    "\\u003cslow\\u003e\"},\"state\":\"firing\",\"activeAt\":\"2023-11-14T22:13:20.25Z\","         \
    "\"keepFiringSince\":\"2023-11-14T22:14:20Z\",\"value\":\"1e+00\"},{\"labels\":{"              \
    "\"alertname\":\"Slow\"},\"annotations\":{},\"state\":\"pending\",\"activeAt\":"               \
    "\"2023-11-14T22:13:20Z\",\"value\":\"2.5e-04\"}]"
#define SLOW(alerts)                                                                               \
    "{\"state\":\"firing\",\"name\":\"Slow\",\"query\":\"up \\u003e "                              \
    "0.5\",\"duration\":90,\"keepFiringFor\":60.5,\"labels\":{\"severity\":\"page\"},"             \
    "\"annotations\":{\"summary\":\"It is {{ $value }}\"},\"alerts\":" alerts                      \
    ",\"health\":\"ok\",\"evaluationTime\":0.0015,\"lastEvaluation\":"                             \
    "\"2023-11-14T22:15:20Z\",\"type\":\"alerting\"}"
#define SUM                                                                                        \
    "{\"name\":\"job:up:sum\",\"query\":\"sum by (job) (up)\",\"health\":\"err\",\"lastError\":"   \
    "\"found duplicate series\",\"evaluationTime\":0.00025,\"lastEvaluation\":"                    \
    "\"2023-11-14T22:15:20Z\",\"type\":\"recording\"}"
#define NEVER                                                                                      \
    "{\"state\":\"unknown\",\"name\":\"Never\",\"query\":\"vector(1)\",\"duration\":0,"            \
    "\"keepFiringFor\":0,\"labels\":{\"severity\":\"info\"},\"annotations\":{},\"alerts\":[],"     \
    "\"health\":\"unknown\",\"evaluationTime\":0,\"lastEvaluation\":\"0001-01-01T00:00:00Z\","     \
    "\"type\":\"alerting\"}"
#define OTHER                                                                                      \
    "{\"name\":\"other:sum\",\"query\":\"1\",\"labels\":{\"team\":\"a\"},\"health\":\"ok\","       \
    "\"evaluationTime\":0,\"lastEvaluation\":\"2023-11-14T22:15:20Z\",\"type\":\"recording\"}"
#define FIRST(rules)                                                                               \
    "{\"name\":\"first\",\"file\":\"/r/a.yml\",\"rules\":[" rules                                  \
    "],\"interval\":15,\"limit\":7,\"evaluationTime\":0.002,\"lastEvaluation\":"                   \
    "\"2023-11-14T22:15:20.004Z\"}"
#define SECOND                                                                                     \
    "{\"name\":\"second\",\"file\":\"/r/a.yml\",\"rules\":[" NEVER                                 \
    "],\"interval\":60,\"limit\":0,\"evaluationTime\":0,\"lastEvaluation\":"                       \
    "\"0001-01-01T00:00:00Z\"}"
#define THIRD                                                                                      \
    "{\"name\":\"first\",\"file\":\"/r/b.yml\",\"rules\":[" OTHER                                  \
    "],\"interval\":60,\"limit\":0,\"evaluationTime\":0,\"lastEvaluation\":"                       \
    "\"2023-11-14T22:15:20Z\"}"
#define GROUPS(list) SUCCESS("{\"groups\":[" list "]}")

/* ---- tests */

static void rules_and_alerts_are_told_whole(void **state)
{
    (void)state;
    expect("GET /api/v1/rules", "", NULL, 200,
           GROUPS(FIRST(SLOW(ALERTS) "," SUM) "," SECOND "," THIRD));
    expect("GET /api/v1/alerts", "", NULL, 200, SUCCESS("{\"alerts\":" ALERTS "}"));
}

static void every_parameter_chooses_among_the_rules(void **state)
{
    (void)state;
    expect("GET /api/v1/rules?type=record", "", NULL, 200, GROUPS(FIRST(SUM) "," THIRD));
    expect("GET /api/v1/rules?type=ALERT&exclude_alerts=true", "", NULL, 200,
           GROUPS(FIRST(SLOW("[]")) "," SECOND));
    expect("GET /api/v1/rules?rule_name[]=Never&rule_name[]=other:sum", "", NULL, 200,
           GROUPS(SECOND "," THIRD));
    expect("GET /api/v1/rules?rule_group[]=first&file[]=/r/b.yml", "", NULL, 200, GROUPS(THIRD));
    expect("GET /api/v1/rules?match[]=%7Bseverity=~%22i.*%22%7D&match[]=%7Bteam=%22a%22%7D", "",
           NULL, 200, GROUPS(SECOND "," THIRD));
    expect("GET /api/v1/rules?match[]=%7Bseverity=~%22.%2B%22,severity!=%22page%22%7D", "", NULL,
           200, GROUPS(SECOND));
    expect("GET /api/v1/rules?file[]=/r/c.yml", "", NULL, 200, GROUPS(""));
}

/* The token of an answer, for a request. */
static void next_of(struct str answer, char *ret, size_t n)
{
    struct str mark = STR("\"groupNextToken\":\"");
    size_t at = str_search(answer, mark);
    assert_true(at < answer.n);
    struct str token = str_sub(answer, at + mark.n, answer.n);
    snprintf(ret, n, "%.*s", (int)str_find(token, '"'), token.p);
}

static void groups_come_in_pages(void **state)
{
    char line[200], token[100];
    (void)state;
    next_of(ask("GET /api/v1/rules?group_limit=2&exclude_alerts=1", "", NULL), token, sizeof token);
    snprintf(line, sizeof line, "GET /api/v1/rules?group_limit=2&group_next_token=%s", token);
    expect(line, "", NULL, 200, GROUPS(THIRD));
    /* Groups that are filtered out fill no page. */
    next_of(ask("GET /api/v1/rules?group_limit=1&type=record", "", NULL), token, sizeof token);
    snprintf(line, sizeof line, "GET /api/v1/rules?group_limit=1&type=record&group_next_token=%s",
             token);
    expect(line, "", NULL, 200, GROUPS(THIRD));
    assert_false(has(ask("GET /api/v1/rules?group_limit=3", "", NULL), "groupNextToken"));
}

static void wrong_parameters_are_told_in_prometheus_words(void **state)
{
    static const struct {
        const char *query, *fault;
    } CASES[] = {
        {"type=foo", "invalid parameter \\\"type\\\": not supported value \\\"foo\\\""},
        {"exclude_alerts=x",
         "invalid parameter \\\"exclude_alerts\\\": error converting "
         "exclude_alerts: strconv.ParseBool: parsing \\\"x\\\": invalid syntax"},
        {"match[]=up%7B", "1:4: parse error: unexpected end of input inside braces"},
        {"group_next_token=a",
         "invalid parameter \\\"group_next_token\\\": group_limit needs to be "
         "present in order to paginate over the groups"},
        {"group_limit=x", "invalid parameter \\\"group_limit\\\": group_limit needs to be a valid "
                          "number: strconv.ParseInt: parsing \\\"x\\\": invalid syntax"},
        {"group_limit=0",
         "invalid parameter \\\"group_limit\\\": group_limit needs to be greater than 0"},
        {"group_limit=1&group_next_token=a",
         "invalid parameter \\\"group_next_token\\\": invalid group_next_token 'a'. were rule "
         "groups changed?"},
    };
    (void)state;
    for (size_t i = 0; i < COUNTOF(CASES); i++) {
        char line[200], wanted[400];
        snprintf(line, sizeof line, "GET /api/v1/rules?%s", CASES[i].query);
        snprintf(wanted, sizeof wanted,
                 "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"%s\"}",
                 CASES[i].fault);
        expect(line, "", NULL, 400, wanted);
    }
}

static void another_tenant_sees_none_of_the_rules(void **state)
{
    (void)state;
    expect("GET /api/v1/rules", "X-Scope-OrgID: other\r\n", NULL, 200, GROUPS(""));
    expect("GET /api/v1/alerts", "X-Scope-OrgID: other\r\n", NULL, 200, SUCCESS("{\"alerts\":[]}"));
}

static int start_with_rules(void **state)
{
    site.rules = view_rules;
    return start(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_and_alerts_are_told_whole),
        cmocka_unit_test(every_parameter_chooses_among_the_rules),
        cmocka_unit_test(groups_come_in_pages),
        cmocka_unit_test(wrong_parameters_are_told_in_prometheus_words),
        cmocka_unit_test(another_tenant_sees_none_of_the_rules),
    };
    return cmocka_run_group_tests(tests, start_with_rules, stop);
}
