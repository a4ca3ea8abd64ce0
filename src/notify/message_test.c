#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "model/labels.h"
#include "notify/message.h"

static struct str key_of(struct arena *a, const char *const *pairs, size_t n)
{
    struct label labels[8];
    struct why why;
    struct buf key;
    assert_true(n / 2 <= COUNTOF(labels));
    for (size_t i = 0; i < n / 2; i++)
        labels[i] = (struct label){str_c(pairs[2 * i]), str_c(pairs[2 * i + 1])};
    buf_init(&key, LABELS_KEY_MAX);
    assert_int_equal(labels_encode_bare(labels, n / 2, &key, &why), 0);
    struct str ret = arena_str(a, buf_str(&key));
    buf_done(&key);
    return ret;
}

#define KEY(a, ...)                                                                                \
    key_of(a, (const char *[]){__VA_ARGS__}, COUNTOF(((const char *[]){__VA_ARGS__})))

static void assert_str(struct str got, struct str wanted)
{
    assert_int_equal(got.n, wanted.n);
    if (wanted.n)
        assert_memory_equal(got.p, wanted.p, wanted.n);
}

/* The figures come from a plain FNV-1a in another language. */
static void a_fingerprint_is_that_of_alertmanager(void **state)
{
    struct arena a;
    arena_init(&a);
    assert_int_equal(message_fingerprint(STR("")), 0xcbf29ce484222325);
    assert_int_equal(message_fingerprint(KEY(&a, "alertname", "x")), 0xd240efc3896bf266);
    assert_int_equal(message_fingerprint(KEY(&a, "severity", "page", "alertname", "Down")),
                     0xb8f0273cee3e6d28);
    arena_done(&a);
}

static struct message message_full(struct arena *a, struct message_alert *alerts)
{
    alerts[0] = (struct message_alert){
        .labels = KEY(a, "alertname", "Down", "instance", "db\"1\n<b>"),
        .annotations = KEY(a, "summary", "it is \xc3\xa4"),
        .starts_ms = 1700000000123,
        .generator_url = STR("http://x/graph?g0.expr=up"),
    };
    alerts[0].fingerprint = message_fingerprint(alerts[0].labels);
    alerts[1] = alerts[0];
    alerts[1].resolved = true;
    alerts[1].ends_ms = 1700000100000;
    return (struct message){
        .id = STR("m-1"),
        .receiver = STR("team X"),
        .kind = STR("slack"),
        .index = 3,
        .group_key = STR("{}/{team=\"x\"}:{alertname=\"Down\"}"),
        .group_labels = KEY(a, "alertname", "Down"),
        .route_labels = KEY(a, "team", "x"),
        .reason = MESSAGE_NEW_RESOLVED,
        .alerts = alerts,
        .n = 2,
        .truncated = 7,
        .time_ms = 1700000200001,
        .external_url = STR("http://sonde.example:7663"),
        .context = STR("deployed api 1.2\nrestarted web"),
    };
}

static void a_message_comes_back_from_its_json_as_it_was(void **state)
{
    struct arena a;
    struct message_alert alerts[2];
    struct message back;
    struct why why;
    struct buf json;
    arena_init(&a);
    buf_init(&json, 1 << 20);
    struct message m = message_full(&a, alerts);
    message_encode(&m, &json);
    assert_int_equal(message_decode(buf_str(&json), &a, &back, &why), 0);
    assert_str(back.id, m.id);
    assert_str(back.receiver, m.receiver);
    assert_str(back.kind, m.kind);
    assert_int_equal(back.index, 3);
    assert_str(back.group_key, m.group_key);
    assert_str(back.group_labels, m.group_labels);
    assert_str(back.route_labels, m.route_labels);
    assert_int_equal(back.reason, MESSAGE_NEW_RESOLVED);
    assert_int_equal(back.truncated, 7);
    assert_int_equal(back.time_ms, m.time_ms);
    assert_str(back.external_url, m.external_url);
    assert_str(back.context, m.context);
    assert_int_equal(back.n, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_str(back.alerts[i].labels, alerts[i].labels);
        assert_str(back.alerts[i].annotations, alerts[i].annotations);
        assert_int_equal(back.alerts[i].starts_ms, alerts[i].starts_ms);
        assert_int_equal(back.alerts[i].ends_ms, alerts[i].ends_ms);
        assert_int_equal(back.alerts[i].resolved, alerts[i].resolved);
        assert_str(back.alerts[i].generator_url, alerts[i].generator_url);
        assert_int_equal(back.alerts[i].fingerprint, alerts[i].fingerprint);
    }
    assert_true(message_firing(&back));
    back.alerts++;
    back.n = 1;
    assert_false(message_firing(&back));
    buf_done(&json);
    arena_done(&a);
}

static void what_is_no_message_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "[]",
        "{}",
        "{\"id\":\"a b\",\"kind\":\"slack\",\"reason\":\"test\"}",
        "{\"id\":\"a\",\"kind\":\"slack\",\"reason\":\"whim\"}",
        "{\"id\":\"a\",\"reason\":\"test\"}",
        "{\"id\":\"a\",\"kind\":\"slack\",\"index\":-1,\"reason\":\"test\"}",
        "{\"id\":\"a\",\"kind\":\"slack\",\"reason\":\"test\",\"alerts\":[{\"labels\":{\"\":1}}]}",
    };
    struct arena a;
    struct message m;
    struct why why;
    arena_init(&a);
    for (size_t i = 0; i < COUNTOF(texts); i++)
        assert_int_equal(message_decode(str_c(texts[i]), &a, &m, &why), -ERR_FORMAT);
    struct str least = STR("{\"id\":\"a\",\"kind\":\"slack\",\"reason\":\"test\"}");
    assert_int_equal(message_decode(least, &a, &m, &why), 0);
    arena_done(&a);
}

static void reasons_are_worded_as_alertmanager_words_them(void **state)
{
    assert_string_equal(message_reason_text(MESSAGE_FIRST), "first notification");
    assert_string_equal(message_reason_text(MESSAGE_ALL_RESOLVED), "all alerts resolved");
    assert_string_equal(message_reason_text(MESSAGE_TEST), "test");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fingerprint_is_that_of_alertmanager),
        cmocka_unit_test(a_message_comes_back_from_its_json_as_it_was),
        cmocka_unit_test(what_is_no_message_is_refused),
        cmocka_unit_test(reasons_are_worded_as_alertmanager_words_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
