/* Everybody at once: rules send, somebody posts, looks, silences, acknowledges, reloads, while the
 * engine's thread decides. For the thread sanitizer, and for what must hold afterwards. */
#include "alert/alert_testbed.h"
#include "os/thread.h"

enum { ROUNDS = 150, ALERTS_N = 20 };

static const struct plan_route *root_of(void)
{
    static struct plan_route root;
    root = bed_route("team", (const char *const[]){"alertname", NULL});
    root.group_wait_ms = 1;
    root.group_interval_ms = 2;
    return &root;
}

static void put_labels(int k, struct buf *key)
{
    char text[64];
    snprintf(text, sizeof text, "alertname=A%d,instance=%d", k % 5, k);
    buf_clear(key);
    bed_key(text, key);
}

static void send_alerts(void *context)
{
    struct alert_sink *sink = alert_engine_sink(context);
    struct buf key;
    buf_init(&key, 1000);
    for (int k = 0; k < ROUNDS * 4; k++) {
        put_labels(k % ALERTS_N, &key);
        int64_t now = clock_wall_ms(&clock_real);
        const struct alert v = {.labels = buf_str(&key),
                                .starts_ms = now,
                                .ends_ms = k % 3 ? now + 60000 : now,
                                .resolved = k % 3 == 0};
        sink->ops->send(sink, &v, 1);
    }
    buf_done(&key);
}

static void post_alerts(void *context)
{
    struct buf key;
    buf_init(&key, 1000);
    for (int k = 0; k < ROUNDS; k++) {
        struct why why;
        put_labels(k % ALERTS_N, &key);
        const struct alert_posted v = {.labels = buf_str(&key)};
        assert_int_equal(alert_post(context, &v, 1, &why), 0);
    }
    buf_done(&key);
}

static void look(void *context)
{
    struct alert_filter all = {0};
    for (int k = 0; k < ROUNDS; k++) {
        struct arena arena;
        struct alert_row *rows;
        struct alert_group_row *groups;
        struct alert_silence *silences;
        struct alert_history_row *history;
        struct alert_history_query q = {.limit = 20};
        size_t n;
        arena_init(&arena);
        assert_int_equal(alert_list(context, &all, &arena, &rows, &n, NULL), 0);
        if (n) { /* it may have been resolved meanwhile, or not be acknowledged */
            int err = alert_act(context, rows[0].fingerprint, (enum alert_action)(k % 4),
                                STR("anna"), STR("text"), NULL);
            assert_true(err == 0 || err == -ERR_STATE);
        }
        assert_int_equal(alert_groups(context, &all, &arena, &groups, &n, NULL), 0);
        assert_int_equal(alert_silence_list(context, &arena, &silences, &n, NULL), 0);
        assert_int_equal(alert_history(context, &q, &arena, &history, &n, NULL), 0);
        arena_done(&arena);
    }
}

static void silence(void *context)
{
    struct arena arena;
    arena_init(&arena);
    for (int k = 0; k < ROUNDS / 3; k++) {
        struct str id;
        struct why why;
        struct matcher_list m = {0};
        assert_int_equal(matcher_parse(STR("alertname=\"A1\""), &arena, &m, &why), 0);
        struct alert_silence s = {
            .matchers = m, .ends_ms = clock_wall_ms(&clock_real) + 600000, .until_resolved = k % 2};
        assert_int_equal(alert_silence_set(context, &s, &arena, &id, &why), 0);
        int err = alert_silence_expire(context, id, &why); /* its end may have come before */
        assert_true(err == 0 || err == -ERR_STATE);
        matcher_list_done(&m);
    }
    arena_done(&arena);
}

static void all_at_once_keep_the_log_of_what_was_told_and_lose_no_alert(void **state)
{
    static void (*const ALL[])(void *) = {send_alerts, post_alerts, look, silence};
    static const char *const TEAM[] = {"team"};
    (void)state;
    struct bed b = {0};
    struct thread threads[COUNTOF(ALL)] = {0};
    struct why why = {0};
    b.plan.root = root_of();
    b.plan.receivers = bed_receivers(&b, TEAM, 1);
    b.plan.receivers_n = 1;
    b.plan.resolve_timeout_ms = 600000;
    bed_open_at(&b);
    const struct alert_config config = {.state = b.state,
                                        .clock = &clock_real,
                                        .plan = &b.plan,
                                        .add = bed_add,
                                        .wake = bed_wake,
                                        .context = &b,
                                        .changed = bed_changed,
                                        .changed_context = &b};
    assert_int_equal(alert_new(&config, &b.alerting, &why), 0);
    alert_start(b.alerting);
    for (size_t k = 0; k < COUNTOF(ALL); k++)
        thread_start(&threads[k], "someone", ALL[k], b.alerting);
    for (int k = 0; k < 20; k++)
        alert_reload(b.alerting, &b.plan);
    for (size_t k = 0; k < COUNTOF(ALL); k++)
        thread_join(&threads[k]);
    post_alerts(b.alerting); /* all fire */
    alert_stop(b.alerting);
    (void)alert_run(b.alerting);
    struct arena arena;
    struct alert_filter all = {0};
    struct alert_row *rows;
    size_t n;
    arena_init(&arena);
    assert_int_equal(alert_list(b.alerting, &all, &arena, &rows, &n, NULL), 0);
    assert_int_equal(n, ALERTS_N);
    assert_true(b.n > 0);
    arena_done(&arena);
    bed_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_at_once_keep_the_log_of_what_was_told_and_lose_no_alert),
    };
    return cmocka_run_group_tests_name("alert on several threads", tests, NULL, NULL);
}
