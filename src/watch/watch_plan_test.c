#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "watch/watch_plan.h"

static struct watch_plan *read_ok(const char *text)
{
    struct watch_plan *p = NULL;
    struct why why = {0};
    int err = watch_plan_read(str_c(text), &p, &why);
    if (err)
        fail_msg("%s", why.text);
    return p;
}

/* Fails if it is read; otherwise the sentence must hold the word. */
static void refused(const char *text, const char *word)
{
    struct watch_plan *p = NULL;
    struct why why = {0};
    assert_true(watch_plan_read(str_c(text), &p, &why) < 0);
    assert_null(p);
    if (!strstr(why.text, word))
        fail_msg("'%s' does not say '%s'", why.text, word);
}

static void what_is_written_is_read_again_byte_for_byte(void **state)
{
    (void)state;
    const char *argv[] = {"./run me", "", "two\nlines \\ and ünïcode", NULL};
    const char *env[] = {"A=b c", "EMPTY=", NULL};
    const char *after[] = {"db", NULL};
    int64_t pauses[] = {0, 10, 86400000};
    struct watch_program programs[2];
    watch_plan_program_init(&programs[0]);
    watch_plan_program_init(&programs[1]);
    programs[0].name = "db";
    programs[0].argv = argv;
    programs[1].name = "web";
    programs[1].argv = argv;
    programs[1].environment = env;
    programs[1].after = after;
    programs[1].pauses_ms = pauses;
    programs[1].pauses_n = 3;
    programs[1].restart = WATCH_RESTART_NEVER;
    programs[1].give_up = WATCH_GIVE_UP_RETRY;
    programs[1].liveness.kind = WATCH_PROBE_HTTP;
    programs[1].liveness.target = "http://127.0.0.1:@PORT@/health";
    programs[1].readiness.kind = WATCH_PROBE_COMMAND;
    programs[1].readiness.argv = argv;
    programs[1].memory_max = INT64_MAX;
    programs[1].enabled = false;
    programs[1].rolling = true;
    struct watch_plan plan;
    watch_plan_init(&plan);
    plan.folder = "/var/lib/x";
    plan.programs = programs;
    plan.n = 2;

    struct buf first, second;
    buf_init(&first, 1 << 20);
    buf_init(&second, 1 << 20);
    watch_plan_write(&plan, &first);
    struct watch_plan *got = NULL;
    struct why why = {0};
    if (watch_plan_read(buf_str(&first), &got, &why))
        fail_msg("%s", why.text);
    watch_plan_write(got, &second);
    assert_int_equal(first.n, second.n);
    assert_memory_equal(first.p, second.p, first.n);
    const struct watch_program *web = watch_plan_program(got, STR("web"));
    assert_non_null(web);
    assert_string_equal(web->argv[2], argv[2]);
    assert_null(web->argv[3]);
    assert_string_equal(web->after[0], "db");
    assert_int_equal(web->pauses_n, 3);
    assert_int_equal(web->pauses_ms[2], 86400000);
    assert_int_equal(web->restart, WATCH_RESTART_NEVER);
    assert_int_equal(web->readiness.kind, WATCH_PROBE_COMMAND);
    assert_false(web->enabled);
    assert_true(web->rolling);
    assert_null(watch_plan_program(got, STR("we")));
    watch_plan_free(got);
    arena_done(&plan.arena);
    buf_done(&first);
    buf_done(&second);
}

static void what_no_line_says_has_its_usual_value(void **state)
{
    (void)state;
    struct watch_plan *p = read_ok("sonde-watch 1\n# a comment\n\nprogram a\nargv true\nend\n");
    assert_int_equal(p->n, 1);
    const struct watch_program *a = &p->programs[0];
    assert_int_equal(a->restarts_max, 5);
    assert_int_equal(a->window_ms, 600000);
    assert_int_equal(a->pauses_n, 5);
    assert_int_equal(a->pauses_ms[4], 8000);
    assert_int_equal(a->liveness.interval_ms, 15000);
    assert_int_equal(a->liveness.fail_ms, 45000);
    assert_int_equal(a->heartbeat_ms, 10000);
    assert_int_equal(a->stop_signal, 15);
    assert_true(a->enabled);
    assert_string_equal(a->user, "");
    assert_null(a->after[0]);
    watch_plan_free(p);
}

static void long_lists_keep_their_order(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_put_str(&b, STR("sonde-watch 1\nprogram a\n"));
    for (int i = 0; i < 100; i++)
        buf_printf(&b, "argv %d\n", i);
    buf_put_str(&b, STR("end\n"));
    struct watch_plan *p = NULL;
    assert_int_equal(watch_plan_read(buf_str(&b), &p, NULL), 0);
    for (int i = 0; i < 100; i++) {
        char word[12];
        snprintf(word, sizeof word, "%d", i);
        assert_string_equal(p->programs[0].argv[i], word);
    }
    assert_null(p->programs[0].argv[100]);
    watch_plan_free(p);
    buf_done(&b);
}

static void what_is_wrong_is_refused_with_its_line(void **state)
{
    (void)state;
    refused("", "line 1");
    refused("sonde-watch 2\nend\n", "not a table");
    refused("sonde-watch 1\nprogram a\nargv x\n", "cut off");
    refused("sonde-watch 1\nnothing 1\nend\n", "line 2");
    refused("sonde-watch 1\nprogram a b\nargv x\nend\n", "name");
    refused("sonde-watch 1\nprogram all\nargv x\nend\n", "name");
    refused("sonde-watch 1\nprogram ..\nargv x\nend\n", "name");
    refused("sonde-watch 1\nprogram a\nend\n", "no command");
    refused("sonde-watch 1\nprogram a\nargv x\nport -1\nend\n", "port is -1");
    refused("sonde-watch 1\nprogram a\nargv x\nport one\nend\n", "not a number");
    refused("sonde-watch 1\nprogram a\nargv x\nport 65530\ninstances 10\nend\n", "no port");
    refused("sonde-watch 1\nprogram a\nargv x\nenabled yes\nend\n", "true nor false");
    refused("sonde-watch 1\nprogram a\nargv x\nrestart maybe\nend\n", "line 4");
    refused("sonde-watch 1\nprogram a\nargv x\\y\nend\n", "backslash");
    refused("sonde-watch 1\nprogram a\nargv x\npauses_ms\nend\n", "no pause");
    refused("sonde-watch 1\nprogram a\nargv x\nenvironment X\nend\n", "NAME=value");
    refused("sonde-watch 1\nprogram a\nargv x\nliveness_kind http\nend\n", "no target");
    refused(
        "sonde-watch 1\nprogram a\nargv x\nliveness_kind http\nliveness_target https://x\nend\n",
        "http://");
    refused("sonde-watch 1\nprogram a\nargv x\nprogram a\nargv y\nend\n", "two programs");
}

static void circles_and_missing_programs_of_after_are_refused(void **state)
{
    (void)state;
    refused("sonde-watch 1\nprogram a\nargv x\nafter b\nend\n", "not there");
    refused("sonde-watch 1\nprogram a\nargv x\nafter a\nend\n", "before itself");
    refused("sonde-watch 1\nprogram a\nargv x\nafter b\nprogram b\nargv x\nafter a\nend\n",
            "before itself");
    watch_plan_free(read_ok("sonde-watch 1\nprogram a\nargv x\nafter b\nafter c\n"
                            "program b\nargv x\nafter c\nprogram c\nargv x\nend\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_again_byte_for_byte),
        cmocka_unit_test(what_no_line_says_has_its_usual_value),
        cmocka_unit_test(long_lists_keep_their_order),
        cmocka_unit_test(what_is_wrong_is_refused_with_its_line),
        cmocka_unit_test(circles_and_missing_programs_of_after_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
