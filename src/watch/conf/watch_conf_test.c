#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "conf/conf.h"
#include "watch/conf/watch_conf.h"
#include "watch/conf/watch_conf_words.h"

static const struct option_table *const V[] = {&watch_conf_options, &watch_conf_program_options};
static const struct conf_tables TABLES = {V, COUNTOF(V)};

enum { TEXT_MAX = 1 << 16 };

struct read {
    struct conf *conf;
    struct watch_conf watch;
};

/* 0, or what watch_conf_check() says of a document that is well-formed as such. */
static int read_text(const char *text, struct read *ret, struct why *why)
{
    struct buf problems;
    buf_init(&problems, TEXT_MAX);
    int err = conf_read(str_c(text), "test", &TABLES, NULL, 0, &ret->conf, &problems);
    if (err != 0)
        fail_msg(STR_FMT, STR_ARG(buf_str(&problems)));
    buf_done(&problems);
    ret->watch.own = *(const struct watch_conf_own *)conf_get(ret->conf, &watch_conf_options);
    ret->watch.programs = *conf_rows(ret->conf, &watch_conf_program_options);
    return watch_conf_check(&ret->watch, why);
}

static void refused(const char *text, const char *says)
{
    struct read r;
    struct why why = {0};
    assert_int_not_equal(read_text(text, &r, &why), 0);
    if (strstr(why.text, says) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", why.text, says);
    conf_free(r.conf);
}

#define ROW(name, more)                                                                            \
    "[[watch.program]]\nname = \"" name "\"\ncommand = [\"/bin/true\"]\n" more "\n"

static void rows_that_cannot_work_are_refused_with_their_reason(void **state)
{
    (void)state;
    refused(ROW("", ""), "a name has letters");
    refused(ROW("all", ""), "is not \"all\"");
    refused(ROW("a b", ""), "a name has letters");
    refused(ROW("a", "") ROW("a", ""), "another one before it");
    refused(ROW("a", "group = \"b\"") ROW("b", ""), "a group has that name too");
    refused("[[watch.program]]\nname = \"a\"\n", "command names no program");
    refused(ROW("a", "after = [\"b\"]"), "start after b");
    refused(ROW("a", "after = [\"a\"]"), "before itself");
    refused(ROW("a", "after = [\"b\"]") ROW("b", "after = [\"c\"]") ROW("c", "after = [\"a\"]"),
            "before itself");
    refused(ROW("a", "health = \"https://x/\""), "no TLS");
    refused(ROW("a", "health = \"x\""), "expected http://HOST:PORT/PATH");
    refused(ROW("a", "health = \"tcp://x:70000\""), "expected http://HOST:PORT/PATH");
    refused(ROW("a", "health = \"tcp://x:1\"\nhealth_command = [\"x\"]"), "exclude each other");
    refused(ROW("a", "ready_status_min = 500"), "above ready_status_max");
    refused(ROW("a", "pauses = [\"5\"]"), "no duration");
    refused(ROW("a", "stop_signal = \"none\""), "no signal");
    refused(ROW("a", "reload_signal = \"WHAT\""), "no signal");
    refused(ROW("a", "environment = [\"X\"]"), "NAME=value");
    refused(ROW("a", "port = 65530\ninstances = 10"), "beyond 65535");
    refused(ROW("a", "haproxy_socket = \"/s\""), "belong together");
    refused(ROW("a", "proxy_listen = \"127.0.0.1:80\""), "needs port");
}

static void the_defaults_are_those_of_the_manual(void **state)
{
    (void)state;
    struct read r;
    struct watch_plan *plan;
    assert_int_equal(read_text(ROW("a", "health = \"http://127.0.0.1:@PORT@/health\""), &r, NULL),
                     0);
    const struct watch_conf_place place = {.data = "./data", .here = "/here"};
    assert_int_equal(watch_conf_plan(&r.watch, &place, &plan, NULL), 0);
    const struct watch_program *p = &plan->programs[0];
    static const int64_t PAUSES[] = {0, 1000, 2000, 4000, 8000};
    assert_int_equal(p->pauses_n, COUNTOF(PAUSES));
    assert_memory_equal(p->pauses_ms, PAUSES, sizeof PAUSES);
    assert_int_equal(p->restarts_max, 5);
    assert_int_equal(p->window_ms, 600000);
    assert_int_equal(p->liveness.kind, WATCH_PROBE_HTTP);
    assert_int_equal(p->liveness.interval_ms, 15000);
    assert_int_equal(p->liveness.fail_ms, 45000);
    assert_int_equal(p->readiness.kind, WATCH_PROBE_NONE);
    assert_int_equal(p->heartbeat_ms, 10000);
    assert_int_equal(p->stop_signal, 15);
    assert_int_equal(p->reload_signal, 1);
    assert_int_equal(p->give_up, WATCH_GIVE_UP_STOP);
    assert_true(p->enabled);
    assert_string_equal(plan->folder, "/here/./data/watch");
    assert_string_equal(plan->socket, "/here/./data/watch/control.socket");
    assert_string_equal(plan->status_file, "/here/./data/watch/status.json");
    watch_plan_free(plan);
    conf_free(r.conf);
}

static void names_start_what_they_name_and_what_that_waits_for(void **state)
{
    (void)state;
    struct read r;
    struct why why = {0};
    struct watch_plan *plan;
    assert_int_equal(read_text(ROW("db", "") ROW("web", "group = \"back\"\nafter = [\"db\"]")
                                   ROW("job", "group = \"back\"") ROW("other", ""),
                               &r, NULL),
                     0);
    const char *const web[] = {"web"}, *const group[] = {"back"}, *const none[] = {"nobody"};
    struct watch_conf_place place = {"/d", "/", web, 1};
    assert_int_equal(watch_conf_plan(&r.watch, &place, &plan, NULL), 0);
    const struct watch_program *v = plan->programs;
    assert_true(v[0].enabled && v[1].enabled && !v[2].enabled && !v[3].enabled);
    watch_plan_free(plan);
    place.names = group;
    assert_int_equal(watch_conf_plan(&r.watch, &place, &plan, NULL), 0);
    v = plan->programs;
    assert_true(v[0].enabled && v[1].enabled && v[2].enabled && !v[3].enabled);
    watch_plan_free(plan);
    place.names = none;
    assert_int_equal(watch_conf_plan(&r.watch, &place, &plan, &why), -ERR_NOENT);
    assert_non_null(strstr(why.text, "nobody"));
    conf_free(r.conf);
}

static int words(char *const *v, size_t n, struct arena *a, struct watch_conf_program *p,
                 size_t *used, struct why *why)
{
    watch_conf_words_defaults(a, p);
    return watch_conf_words(v, n, a, p, used, why);
}

static void a_command_line_says_what_rows_say(void **state)
{
    (void)state;
    struct arena a;
    struct watch_conf_program p;
    size_t used;
    arena_init(&a);
    char *line[] = {(char *)"--health",
                    (char *)"http://127.0.0.1:80/",
                    (char *)"--restarts=3",
                    (char *)"--stop-timeout",
                    (char *)"1m30s",
                    (char *)"--memory",
                    (char *)"512MiB",
                    (char *)"--env",
                    (char *)"A=1,2",
                    (char *)"--env",
                    (char *)"B=",
                    (char *)"--pauses",
                    (char *)"0s,5s",
                    (char *)"--abort-on-hang",
                    (char *)"--health-interval-ms",
                    (char *)"20",
                    (char *)"--before-start",
                    (char *)"test -f x",
                    (char *)"--",
                    (char *)"./b",
                    (char *)"--port"};
    assert_int_equal(words(line, COUNTOF(line), &a, &p, &used, NULL), 0);
    assert_int_equal(used, COUNTOF(line) - 2);
    assert_string_equal(p.health.target, "http://127.0.0.1:80/");
    assert_int_equal(p.restarts_max, 3);
    assert_int_equal(p.stop_timeout_ms, 90000);
    assert_int_equal(p.memory_bytes_max, 512 << 20);
    assert_int_equal(p.environment.n, 2);
    assert_string_equal(p.environment.v[0], "A=1,2");
    assert_int_equal(p.pauses.n, 2);
    assert_string_equal(p.pauses.v[1], "5s");
    assert_true(p.abort_on_hang);
    assert_int_equal(p.health.interval_ms, 20);
    assert_int_equal(p.before_start.n, 3);
    assert_string_equal(p.before_start.v[2], "test -f x");
    arena_done(&a);
}

static void a_switch_that_is_none_or_lacks_its_value_is_named(void **state)
{
    (void)state;
    static const char *const WRONG[][2] = {{"--nonsense", "1"},        {"--command", "x"},
                                           {"--stop-timeout", "5"},    {"--restarts", "many"},
                                           {"--restart", "sometimes"}, {"--memory", "5"}};
    for (size_t i = 0; i < COUNTOF(WRONG); i++) {
        struct arena a;
        struct watch_conf_program p;
        struct why why = {0};
        size_t used;
        arena_init(&a);
        char *line[] = {(char *)(uintptr_t)WRONG[i][0], (char *)(uintptr_t)WRONG[i][1]};
        assert_int_not_equal(words(line, 2, &a, &p, &used, &why), 0);
        assert_non_null(strstr(why.text, WRONG[i][0]));
        assert_int_not_equal(words(line, 1, &a, &p, &used, &why), 0);
        arena_done(&a);
    }
}

static bool only_true(const char *path)
{
    return strcmp(path, "/bin/true") == 0;
}

static bool never(const char *path)
{
    (void)path;
    return false;
}

static void what_will_hardly_work_is_said(void **state)
{
    (void)state;
    struct read r;
    struct buf out;
    buf_init(&out, TEXT_MAX);
    assert_int_equal(read_text(ROW("a", "") ROW("b", "folder = \"/none\"\nready_command = "
                                                     "[\"/not/there\"]"),
                               &r, NULL),
                     0);
    const struct watch_conf_look look = {only_true, never};
    watch_conf_doubts(&r.watch, &look, &out);
    buf_put_c(&out, '\0');
    assert_null(strstr(out.p, "\"a\""));
    assert_non_null(strstr(out.p, "ready_command: /not/there"));
    assert_non_null(strstr(out.p, "folder /none is not there"));
    buf_done(&out);
    conf_free(r.conf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_that_cannot_work_are_refused_with_their_reason),
        cmocka_unit_test(the_defaults_are_those_of_the_manual),
        cmocka_unit_test(names_start_what_they_name_and_what_that_waits_for),
        cmocka_unit_test(a_command_line_says_what_rows_say),
        cmocka_unit_test(a_switch_that_is_none_or_lacks_its_value_is_named),
        cmocka_unit_test(what_will_hardly_work_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
