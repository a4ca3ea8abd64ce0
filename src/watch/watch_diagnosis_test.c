#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "watch/watch_diagnosis.h"

static struct watch_diagnosis of(struct arena *a, struct program_end end, const char *output)
{
    struct watch_death d = {.end = end,
                            .pid = 1 << 30,
                            .name = "x",
                            .folder = "",
                            .output = str_c(output),
                            .kernel_log = -1};
    struct watch_diagnosis g;
    watch_diagnosis_of(&d, a, &g);
    return g;
}

static bool says(const struct watch_diagnosis *g, const char *text)
{
    return str_search(g->sentence, str_c(text)) < g->sentence.n;
}

static bool has_fact(const struct watch_diagnosis *g, const char *text)
{
    for (size_t i = 0; i < g->n; i++)
        if (str_search(g->facts[i], str_c(text)) < g->facts[i].n)
            return true;
    return false;
}

static const struct program_end status_1 = {.known = true, .code = 1};

static void an_end_is_called_by_its_number_and_name(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    struct watch_diagnosis g = of(&a, (struct program_end){.known = true, .code = 3}, "one\ntwo\n");
    assert_true(says(&g, "exit status 3"));
    assert_true(has_fact(&g, "one") && has_fact(&g, "two"));
    assert_int_equal(g.remedy, KEEPER_RESTART_MAY_HEAL);
    g = of(&a, (struct program_end){.known = true, .signaled = true, .code = 11}, "");
    assert_true(says(&g, "SIGSEGV (segmentation fault)"));
    g = of(&a, (struct program_end){.known = true, .code = 137}, "");
    assert_true(says(&g, "SIGKILL"));
    g = of(&a, (struct program_end){.known = false}, "");
    assert_int_equal(g.cause, WATCH_DIAGNOSIS_UNKNOWN);
    g = of(&a, (struct program_end){.known = true, .signaled = true, .code = 40}, "");
    assert_true(says(&g, "signal 40"));
    arena_done(&a);
}

static void what_no_restart_heals_is_said_so(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    struct watch_diagnosis g = of(&a, (struct program_end){.known = true, .code = 78}, "");
    assert_int_equal(g.remedy, KEEPER_CANNOT_HEAL);
    assert_int_equal(g.cause, WATCH_DIAGNOSIS_CONFIGURATION);
    g = of(&a, (struct program_end){.known = true, .code = 127}, "sh: 1: nope: not found\n");
    assert_int_equal(g.cause, WATCH_DIAGNOSIS_NOT_FOUND);
    watch_diagnosis_of_start(ENOENT, "/x/y", STR("why"), false, &a, &g);
    assert_true(says(&g, "executable not found: /x/y"));
    assert_int_equal(g.remedy, KEEPER_CANNOT_HEAL);
    watch_diagnosis_of_start(ENOENT, "/x/y", STR("why"), true, &a, &g);
    assert_int_equal(g.remedy, KEEPER_RESTART_MAY_HEAL); /* it is being replaced, perhaps */
    watch_diagnosis_of_start(EACCES, "/x/y", STR("why"), false, &a, &g);
    assert_true(says(&g, "permission denied"));
    arena_done(&a);
}

static void a_full_disk_and_too_many_files_are_read_from_its_output(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    struct watch_diagnosis g = of(&a, status_1, "write: No space left on device\n");
    assert_int_equal(g.cause, WATCH_DIAGNOSIS_DISK_FULL);
    assert_true(has_fact(&g, "exit status 1"));
    g = of(&a, status_1, "accept: EMFILE\n");
    assert_int_equal(g.cause, WATCH_DIAGNOSIS_FILES);
    g = of(&a, (struct program_end){.known = true}, "No space left on device\n");
    assert_int_equal(g.cause, WATCH_DIAGNOSIS_EXIT); /* it ended well */
    arena_done(&a);
}

/* Every line is what a real server prints; the port is free here, so that it says so. */
static void the_port_that_was_taken_is_found_in_its_output(void **state)
{
    (void)state;
    static const struct {
        const char *output, *port;
    } cases[] = {
        {"Error: listen EADDRINUSE: address already in use :::7\n", "port 7 "},
        {"bind: Address already in use (127.0.0.1:11)\n", "port 11 "},
        {"listen tcp 127.0.0.1:13: bind: address already in use\n", "port 13 "},
        {"nginx: [emerg] bind() to 0.0.0.0:17 failed (98: Address already in use)\n", "port 17 "},
        {"OSError: [Errno 98] error while attempting to bind on address ('127.0.0.1', 19): address "
         "already in use\n",
         "port 19 "},
        {"could not bind IPv4 address \"127.0.0.1\": Address already in use\n", "an address"},
    };
    for (size_t i = 0; i < COUNTOF(cases); i++) {
        struct arena a;
        arena_init(&a);
        struct watch_diagnosis g = of(&a, status_1, cases[i].output);
        assert_int_equal(g.cause, WATCH_DIAGNOSIS_PORT_TAKEN);
        if (!says(&g, cases[i].port))
            fail_msg("'%s' gives '" STR_FMT "'", cases[i].output, STR_ARG(g.sentence));
        arena_done(&a);
    }
}

static void the_kernels_kill_for_memory_is_told_from_ours(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    struct watch_death d = {.end = {.known = true, .signaled = true, .code = 9},
                            .pid = 1 << 30,
                            .name = "x",
                            .folder = "",
                            .oom_kills = 1,
                            .kernel_log = -1};
    struct watch_diagnosis g;
    watch_diagnosis_of(&d, &a, &g);
    assert_int_equal(g.cause, WATCH_DIAGNOSIS_OUT_OF_MEMORY);
    d.killed_by_us = true;
    watch_diagnosis_of(&d, &a, &g);
    assert_int_equal(g.cause, WATCH_DIAGNOSIS_SIGNAL);
    assert_true(says(&g, "sent by sonde-watch"));
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_end_is_called_by_its_number_and_name),
        cmocka_unit_test(what_no_restart_heals_is_said_so),
        cmocka_unit_test(a_full_disk_and_too_many_files_are_read_from_its_output),
        cmocka_unit_test(the_port_that_was_taken_is_found_in_its_output),
        cmocka_unit_test(the_kernels_kill_for_memory_is_told_from_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
