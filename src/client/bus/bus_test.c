#include "client/bus/bus.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int start(void **state)
{
    static char spool[] = "/tmp/sonde-bus-test-XXXXXX";
    static bool made;
    if (!made) {
        made = mkdtemp(spool) != NULL;
        setenv("SONDE_SOCKET", "", 1);
        setenv("SONDE_SPOOL_DIR", spool, 1);
    }
    return sonde_init(NULL);
}

static int end(void **state)
{
    return sonde_shutdown(1000);
}

static bool exported(const char *line)
{
    char *t = sonde_metrics_new_text(SONDE_METRICS_TEXT);
    assert_non_null(t);
    bool found = strstr(t, line) != NULL;
    free(t);
    return found;
}

static void assert_exported(const char *line)
{
    if (!exported(line)) {
        char *t = sonde_metrics_new_text(SONDE_METRICS_TEXT);
        print_error("missing %s in\n%s", line, t);
        free(t);
        fail();
    }
}

static void patterns_match_words_between_dots(void **state)
{
    static const struct {
        const char *pattern, *type;
        bool matches;
    } cases[] = {
        {"internal.*", "internal.state_changed", true},
        {"internal.*", "internal", false},
        {"internal.*", "internal.a.b", false},
        {"internal.**", "internal.a.b", true},
        {"internal.**", "internal", true},
        {"**", "", true},
        {"**", "a.b.c", true},
        {"device.+.state", "device.lamp.state", true},
        {"device.+.state", "device.state", false},
        {"device.+.state", "device.a.b.state", false},
        {"**.state", "device.a.b.state", true},
        {"**.state", "state", true},
        {"**.state", "device.a.state.b", false},
        {"a.**.b.**.c", "a.b.x.b.c", true},
        {"a.**.b.**.c", "a.x.c", false},
        {"timer_*", "timer_started", true},
        {"timer_*", "timer_started.x", false},
        {"*_ed.t*t", "start_ed.test", true},
        {"*a*b", "aaabab", true},
        {"*a*b", "aaaba", false},
        {"+", "a", true},
        {"+", "a.b", false},
        {"a", "a", true},
        {"a", "ab", false},
        {"a.", "a.", true},
        {"", "", true},
        {"", "a", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (sonde_bus_matches(cases[i].pattern, cases[i].type) != cases[i].matches) {
            fail_msg("%s and %s", cases[i].pattern, cases[i].type);
        }
    }
    assert_false(sonde_bus_matches(NULL, "a"));
    assert_false(sonde_bus_matches("a", NULL));
}

/* Words against words as the pattern's definition says it, by trying everything. */
static bool plain_matches(char **pattern, size_t p, char **type, size_t t)
{
    if (p == 0) {
        return t == 0;
    }
    if (strcmp(*pattern, "**") == 0) {
        for (size_t skip = 0; skip <= t; skip++) {
            if (plain_matches(pattern + 1, p - 1, type + skip, t - skip)) {
                return true;
            }
        }
        return false;
    }
    return t && (strcmp(*pattern, "+") == 0 || strcmp(*pattern, *type) == 0) &&
           plain_matches(pattern + 1, p - 1, type + 1, t - 1);
}

static size_t random_words(char **ret, const char *const *words, unsigned n, char *joined)
{
    size_t count = 1 + (size_t)(drand48() * 6);
    *joined = 0;
    for (size_t i = 0; i < count; i++) {
        ret[i] = (char *)(uintptr_t)words[(unsigned)(drand48() * n)];
        strncat(joined, i ? "." : "", 2);
        strncat(joined, ret[i], 8);
    }
    return count;
}

static void random_patterns_match_as_trying_everything_does(void **state)
{
    static const char *const parts[] = {"a", "b", "+", "**", "**"}, *const words[] = {"a", "b"};
    unsigned matched = 0;
    srand48(9);
    for (int i = 0; i < 20000; i++) {
        char *p[8], *t[8], pattern[80], type[80];
        size_t pn = random_words(p, parts, 5, pattern), tn = random_words(t, words, 2, type);
        bool plain = plain_matches(p, pn, t, tn);
        if (sonde_bus_matches(pattern, type) != plain) {
            fail_msg("%s and %s", pattern, type);
        }
        matched += plain;
    }
    assert_true(matched > 1000);
}

static void events_are_counted_by_type_where_they_match(void **state)
{
    sonde_bus_options o = SONDE_BUS_OPTIONS_INIT;
    o.name = "events";
    o.prefix = "ev_";
    sonde_bus *b = sonde_bus_new(&o);
    assert_non_null(b);
    assert_ptr_equal(b, sonde_bus_new(&o));
    assert_true(sonde_bus_subscribe(b, "internal.*", NULL) >= 0);
    for (int i = 0; i < 3; i++) {
        sonde_bus_event(b, "internal.state_changed", NULL, 0);
    }
    sonde_bus_event(b, "internal.started", NULL, 0);
    sonde_bus_event(b, "external.started", NULL, 0);
    assert_exported("# TYPE ev_events_total counter\n");
    assert_exported("ev_events_total{event_type=\"internal.state_changed\"} 3\n");
    assert_exported("ev_events_total{event_type=\"internal.started\"} 1\n");
    assert_false(exported("external.started"));
}

static unsigned handled;

static void handle(const char *type, const sonde_attr *attributes, size_t n, void *user)
{
    assert_ptr_equal(user, &handled);
    handled += (unsigned)n;
}

static void attributes_become_labels_and_handlers_are_called(void **state)
{
    sonde_bus_options o = SONDE_BUS_OPTIONS_INIT;
    o.name = "attributes";
    o.prefix = "at_";
    sonde_bus *b = sonde_bus_new(&o);
    const char *keys[] = {"room", "on", NULL};
    sonde_bus_subscription how = SONDE_BUS_SUBSCRIPTION_INIT;
    how.metric = "switched_total";
    how.type_label = "";
    how.attributes = keys;
    how.handler = handle;
    how.user = &handled;
    int number = sonde_bus_subscribe(b, "device.+.switch", &how);
    assert_true(number >= 0);
    const sonde_attr attributes[] = {sonde_attr_string_n("room", "kitchenette", 7),
                                     sonde_attr_bool("on", true), sonde_attr_int("x", 4)};
    sonde_bus_event(b, "device.lamp.switch", attributes, 3);
    sonde_bus_event(b, "device.fan.switch", attributes, 3);
    sonde_bus_event(b, "device.fan.switch", NULL, 0);
    assert_int_equal(handled, 6);
    assert_exported("switched_total{room=\"kitchen\",on=\"true\"} 2\n");
    assert_exported("switched_total{room=\"\",on=\"\"} 1\n");
    assert_int_equal(sonde_bus_unsubscribe(b, number), 0);
    assert_int_equal(sonde_bus_unsubscribe(b, number), SONDE_ERROR_NOT_FOUND);
    assert_int_equal(sonde_bus_unsubscribe(b, 63), SONDE_ERROR_NOT_FOUND);
    sonde_bus_event(b, "device.lamp.switch", attributes, 3);
    assert_int_equal(handled, 6);
    assert_int_equal(sonde_bus_subscribe(b, "device.+.switch", &how), number); /* back again */
    sonde_bus_event(b, "device.lamp.switch", attributes, 3);
    assert_int_equal(handled, 9);
}

static void too_many_types_are_other_ones(void **state)
{
    sonde_bus_options o = SONDE_BUS_OPTIONS_INIT;
    o.name = "types";
    o.prefix = "ty_";
    sonde_bus *b = sonde_bus_new(&o);
    sonde_bus_subscription how = SONDE_BUS_SUBSCRIPTION_INIT;
    how.types_max = 5;
    assert_true(sonde_bus_subscribe(b, "**", &how) >= 0);
    for (int i = 0; i < 30; i++) {
        char type[16];
        snprintf(type, sizeof type, "t.%d", i);
        sonde_bus_event(b, type, NULL, 0);
    }
    assert_exported("ty_events_total{event_type=\"t.4\"} 1\n");
    assert_exported("ty_events_total{event_type=\"other\"} 25\n");
}

static void calls_and_operations_have_counts_and_durations(void **state)
{
    sonde_bus_options o = SONDE_BUS_OPTIONS_INIT;
    o.name = "calls";
    o.prefix = "ca_";
    o.backend_label = "engine";
    o.storage_duration = "";
    sonde_bus *b = sonde_bus_new(&o);
    sonde_bus_service_call(b, "light", "turn_on", "ok", 0.02);
    sonde_bus_service_call(b, "light", "turn_on", "ok", -1);
    sonde_bus_storage_operation(b, "save", "sqlite", "error", 0.5);
    assert_exported(
        "ca_service_calls_total{domain=\"light\",service=\"turn_on\",status=\"ok\"} 2\n");
    assert_exported("ca_service_call_duration_seconds_count{domain=\"light\",service=\"turn_on\","
                    "status=\"ok\"} 1\n");
    assert_exported("ca_storage_operations_total{operation=\"save\",engine=\"sqlite\","
                    "status=\"error\"} 1\n");
    assert_false(exported("ca_storage_operation_duration"));
}

static void a_plugin_is_in_one_state_of_one_version(void **state)
{
    sonde_bus_options o = SONDE_BUS_OPTIONS_INIT;
    o.name = "plugins";
    o.prefix = "pl_";
    sonde_bus *b = sonde_bus_new(&o);
    assert_int_equal(sonde_bus_plugin(b, "mqtt", "1.0", SONDE_BUS_PLUGIN_LOADED), 0);
    assert_int_equal(sonde_bus_plugin(b, "zigbee", NULL, SONDE_BUS_PLUGIN_FAILED), 0);
    assert_exported("pl_plugin_state{plugin=\"mqtt\",version=\"1.0\",state=\"loaded\"} 1\n");
    assert_exported("pl_plugin_state{plugin=\"mqtt\",version=\"1.0\",state=\"failed\"} 0\n");
    assert_exported("pl_plugins{state=\"failed\"} 1\n");
    assert_int_equal(sonde_bus_plugin(b, "mqtt", "1.1", SONDE_BUS_PLUGIN_DISABLED), 0);
    assert_false(exported("version=\"1.0\""));
    assert_exported("pl_plugin_state{plugin=\"mqtt\",version=\"1.1\",state=\"disabled\"} 1\n");
    assert_exported("pl_plugins{state=\"loaded\"} 0\n");
    char answer[8192];
    assert_int_equal(sonde_query("bus", answer, sizeof answer, NULL), 0);
    assert_non_null(
        strstr(answer, "{\"plugin\":\"mqtt\",\"version\":\"1.1\",\"state\":\"disabled\"}"));
    assert_int_equal(sonde_bus_plugin(b, "mqtt", NULL, SONDE_BUS_PLUGIN_GONE), 0);
    assert_int_equal(sonde_bus_plugin(b, "mqtt", NULL, SONDE_BUS_PLUGIN_GONE),
                     SONDE_ERROR_NOT_FOUND);
    assert_false(exported("plugin=\"mqtt\""));
    assert_int_equal(sonde_bus_plugin(b, "x", NULL, 9), SONDE_ERROR_ARGUMENT);
    for (int i = 0; i < 300; i++) {
        char name[16];
        snprintf(name, sizeof name, "p%d", i);
        assert_int_equal(sonde_bus_plugin(b, name, NULL, SONDE_BUS_PLUGIN_LOADED),
                         i < 255 ? 0 : SONDE_ERROR_LIMIT);
    }
}

static void what_is_wrong_is_refused_and_nothing_breaks(void **state)
{
    sonde_bus_options o = SONDE_BUS_OPTIONS_INIT;
    o.name = "wrong";
    o.prefix = "1-";
    assert_null(sonde_bus_new(&o));
    assert_true(strlen(sonde_last_problem()) > 0);
    o.prefix = "wr_";
    sonde_bus *b = sonde_bus_new(&o);
    assert_non_null(b);
    assert_int_equal(sonde_bus_subscribe(b, "", NULL), SONDE_ERROR_ARGUMENT);
    assert_int_equal(sonde_bus_subscribe(NULL, "a", NULL), SONDE_ERROR_ARGUMENT);
    sonde_bus_subscription how = SONDE_BUS_SUBSCRIPTION_INIT;
    how.type_label = "no label";
    assert_int_equal(sonde_bus_subscribe(b, "a", &how), SONDE_ERROR_ARGUMENT);
    how = (sonde_bus_subscription)SONDE_BUS_SUBSCRIPTION_INIT;
    how.metric = "";
    for (int i = 0; i < 64; i++) {
        how.user = &o; /* another one each time */
        how.user = (char *)how.user + i;
        assert_int_equal(sonde_bus_subscribe(b, "a", &how), i);
    }
    how.user = NULL;
    assert_int_equal(sonde_bus_subscribe(b, "a", &how), SONDE_ERROR_LIMIT);
    sonde_bus_event(NULL, "a", NULL, 0);
    sonde_bus_event(b, NULL, NULL, 0);
    sonde_bus_event(b, "a", NULL, 7);
    sonde_bus_service_call(NULL, "a", "b", "c", 1);
    sonde_bus_service_call(b, NULL, NULL, NULL, 1);
    sonde_shutdown(1000);
    sonde_bus_event(b, "a", NULL, 0);
    sonde_bus_service_call(b, "a", "b", "c", 1);
    assert_int_equal(sonde_bus_plugin(b, "x", NULL, 0), SONDE_ERROR_STATE);
    assert_null(sonde_bus_new(NULL));
    assert_int_equal(sonde_init(NULL), 0);
}

#define CASE(t) cmocka_unit_test_setup_teardown(t, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match_words_between_dots),
        cmocka_unit_test(random_patterns_match_as_trying_everything_does),
        CASE(events_are_counted_by_type_where_they_match),
        CASE(attributes_become_labels_and_handlers_are_called),
        CASE(too_many_types_are_other_ones),
        CASE(calls_and_operations_have_counts_and_durations),
        CASE(a_plugin_is_in_one_state_of_one_version),
        CASE(what_is_wrong_is_refused_and_nothing_breaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
