#include "sonde/crash.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "client/core/setting.h"
#include "client/crash/gather.h"
#include "client/crash/handler.h"
#include "client/crash/record.h"
#include "client/crash/record_file.h"
#include "client/crash/report.h"
#include "client/crash/terminate.h"
#include "sonde/log.h"

static char folder[64];

static int start(const char *const *more)
{
    static char place[100];
    const char *settings[8] = {"socket=none", place, "session.auto=true"};
    snprintf(place, sizeof place, "spool.dir=%s", folder);
    for (size_t i = 3; more && *more && i < 7; i++) {
        settings[i] = *more++;
    }
    sonde_options o = SONDE_OPTIONS_INIT;
    o.service = "crash-test";
    o.release = "crash-test@1";
    o.settings = settings;
    return sonde_init(&o);
}

/* The record that a child has left, or NULL; freed by the caller. */
static void *left_behind(size_t *ret_n)
{
    char path[400], name[300] = "";
    snprintf(path, sizeof path, "%s/crash-test", folder);
    DIR *d = opendir(path);
    const struct dirent *e;
    while (d && (e = readdir(d))) {
        if (strstr(e->d_name, ".record")) {
            snprintf(name, sizeof name, "%s", e->d_name);
        }
    }
    closedir(d);
    snprintf(path + strlen(path), sizeof path - strlen(path), "/%.290s", name);
    int fd = *name ? open(path, O_RDONLY) : -1;
    if (fd < 0) {
        return NULL;
    }
    void *bytes = malloc(CRASH_RECORD_MAX);
    *ret_n = (size_t)read(fd, bytes, CRASH_RECORD_MAX);
    close(fd);
    unlink(path);
    return bytes;
}

static int child_of(void (*live)(void))
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        live();
        _exit(99);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    return status;
}

static void abort_with_a_broken_setting(void)
{
    if (start(NULL) != 0) {
        _exit(98);
    }
    gather_say("some::type", "said");
    setting.redact = (char *)8; /* what masks the message will fault */
    abort();
}

static void a_fault_within_the_handler_loses_one_part_alone(void **state)
{
    int status = child_of(abort_with_a_broken_setting);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    size_t n;
    struct crash_record *r = left_behind(&n);
    struct record_parts parts;
    char problem[RECORD_PROBLEM_MAX];
    assert_non_null(r);
    assert_true(record_check(r, n, &parts, problem));
    assert_int_equal(r->state, CRASH_WRITTEN);
    assert_int_equal(r->signal, SIGABRT);
    assert_true(r->flags & CRASH_FAULTED);
    assert_string_equal(r->message, "");
    assert_true(r->frames_n > 4);
    assert_true(r->threads_n >= 2);
    assert_true(r->modules_n > 3);
    assert_int_equal(r->session.open, 1);
    free(r);
}

static volatile char *guarded;
static void let_through(int number, siginfo_t *info, void *context)
{
    mprotect((void *)(uintptr_t)guarded, 4096, PROT_READ | PROT_WRITE);
}

/* A runtime that uses faults for its own purposes. */
static void live_with_faults(void)
{
    static const char *const settings[] = {"crash.chain_first=true", NULL};
    struct sigaction a = {.sa_flags = SA_SIGINFO};
    a.sa_sigaction = let_through;
    sigaction(SIGSEGV, &a, NULL);
    guarded = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start(settings) != 0) {
        _exit(98);
    }
    *guarded = 1;
    mprotect((void *)(uintptr_t)guarded, 4096, PROT_NONE);
    int again = *guarded;
    sonde_shutdown(2000);
    _exit(again == 1 ? 0 : 97);
}

static void faults_that_the_program_settles_are_no_crashes_where_it_is_asked_first(void **state)
{
    int status = child_of(live_with_faults);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    size_t n;
    assert_null(left_behind(&n));
}

static void ignore_and_go_on(void)
{
    struct sigaction before, now;
    signal(SIGTRAP, SIG_IGN);
    sigaction(SIGSEGV, NULL, &before);
    if (start(NULL) != 0) {
        _exit(98);
    }
    raise(SIGTRAP);
    sonde_shutdown(2000);
    sigaction(SIGSEGV, NULL, &now);
    _exit(now.sa_handler == before.sa_handler ? 0 : 97);
}

static void a_signal_that_the_program_ignores_stays_ignored(void **state)
{
    int status = child_of(ignore_and_go_on);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    size_t n;
    assert_null(left_behind(&n));
}

static void bad_names_of_signals_are_refused(void **state)
{
    static const char *const settings[] = {"crash.signals=SEGV,KILL", NULL};
    assert_int_equal(start(settings), SONDE_ERROR_ARGUMENT);
    assert_non_null(strstr(sonde_last_problem(), "KILL"));
}

static void before_the_start_nothing_happens(void **state)
{
    assert_int_equal(sonde_crash_thread(), SONDE_ERROR_STATE);
    assert_int_equal(sonde_crash_record_now("x"), SONDE_ERROR_STATE);
    assert_int_equal(sonde_crash_core(10), SONDE_ERROR_STATE);
}

static struct crash_record *a_record(void)
{
    struct crash_record *r = calloc(1, CRASH_RECORD_MAX);
    ucontext_t here;
    getcontext(&here);
    record_init(r);
    gather_facts(r);
    gather_say("", "password=hunter2 of jane@example.org");
    gather_crash(r, NULL, &here);
    return r;
}

static void damaged_records_are_refused_with_a_reason(void **state)
{
    struct crash_record *r = a_record();
    struct record_parts parts;
    char problem[RECORD_PROBLEM_MAX];
    size_t size = r->size, refused = 0;
    assert_true(record_check(r, CRASH_RECORD_MAX, &parts, problem));
    assert_true(record_check(r, size, &parts, problem));
    for (size_t n = 0; n < size; n += 7) {
        assert_false(record_check(r, n, &parts, problem));
        assert_true(strlen(problem) > 10);
    }
    uint8_t *bytes = (uint8_t *)r;
    for (size_t i = CRASH_CHECKED_FROM; i < size; i += 13) {
        bytes[i] ^= 0x40;
        refused += !record_check(r, size, &parts, problem);
        bytes[i] ^= 0x40;
    }
    assert_int_equal(refused, (size - CRASH_CHECKED_FROM + 12) / 13);
    r->state = CRASH_WRITING; /* no checksum yet: counts alone are held */
    r->modules_n = 4000000000u;
    assert_false(record_check(r, size, &parts, problem));
    free(r);
}

static void an_envelope_of_a_record_is_whole_json_without_secrets(void **state)
{
    struct crash_record *r = a_record();
    struct record_parts parts;
    char problem[RECORD_PROBLEM_MAX];
    assert_true(record_check(r, r->size, &parts, problem));
    struct text t;
    text_init(&t, REPORT_BYTES_MAX);
    assert_true(report_write(r, &parts, NULL, &t));
    assert_null(memmem(t.bytes, t.len, "jane@", 5));
    assert_null(memmem(t.bytes, t.len, "hunter2", 7));
    size_t lines = 0;
    for (char *at = t.bytes, *end; (end = memchr(at, '\n', (size_t)(t.bytes + t.len - at)));
         at = end + 1) {
        json_error_t error;
        json_t *j = json_loadb(at, (size_t)(end - at), 0, &error);
        assert_non_null(j);
        json_decref(j);
        lines++;
    }
    assert_int_equal(lines, 3);
    text_done(&t);
    free(r);
}

static bool count_found(const void *bytes, size_t n, void *context)
{
    (*(int *)context)++;
    return true;
}

static void abort_with_secrets_in_breadcrumbs(void)
{
    static const char *const settings[] = {"redact.keys=loyalty", NULL};
    char long_text[170];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = 0;
    const sonde_attr attrs[] = {sonde_attr_string("password", "hunter2"),
                                sonde_attr_string("from", "jane@example.org, \"so\""),
                                sonde_attr_string("my_loyalty_number", "4711-a"),
                                sonde_attr_int("rows", 3)};
    const sonde_attr growing[] = {
        sonde_attr_string("long", long_text), sonde_attr_string("pin", "1"),
        sonde_attr_string("otp", "2"),        sonde_attr_string("cvc", "3"),
        sonde_attr_string("jwt", "4"),        sonde_attr_string("ssn", "5")};
    if (start(settings) != 0) {
        _exit(98);
    }
    sonde_breadcrumb(SONDE_LEVEL_INFO, "of jo@example.org", "to jane@example.org", attrs, 4);
    sonde_breadcrumb(SONDE_LEVEL_INFO, "grows", "when masked", growing, 6);
    abort();
}

/* The record itself goes to the daemon: it must not wait for the envelope to be cleaned. */
static void breadcrumbs_are_masked_in_the_record_already(void **state)
{
    int status = child_of(abort_with_secrets_in_breadcrumbs);
    assert_true(WIFSIGNALED(status));
    size_t n;
    struct crash_record *r = left_behind(&n);
    struct record_parts parts;
    char problem[RECORD_PROBLEM_MAX];
    assert_non_null(r);
    assert_true(record_check(r, n, &parts, problem));
    assert_int_equal(r->flags & CRASH_FAULTED, 0);
    assert_int_equal(r->breadcrumbs_n, 2);
    assert_string_equal(parts.breadcrumbs[0].category, "of [email]");
    assert_string_equal(parts.breadcrumbs[0].message, "to [email]");
    assert_string_equal(parts.breadcrumbs[0].data,
                        "\"password\":\"[filtered]\",\"from\":\"[email], \\\"so\\\"\","
                        "\"my_loyalty_number\":\"[filtered]\",\"rows\":3");
    const char *grown = parts.breadcrumbs[1].data; /* too long when masked: whole members alone */
    assert_non_null(strstr(grown, "\"pin\":\"[filtered]\""));
    assert_null(strstr(grown, "ssn"));
    assert_int_equal(grown[strlen(grown) - 1], '"');
    assert_null(memmem(r, n, "hunter2", 7));
    assert_null(memmem(r, n, "4711-a", 6));
    assert_null(memmem(r, n, "@example.org", 12));
    free(r);
}

static void files_of_living_processes_are_left_alone(void **state)
{
    struct record_file own, other = {.fd = -1};
    int found = 0;
    assert_true(record_file_make(&own, folder));
    pid_t pid = fork();
    if (pid == 0) {
        pause();
        _exit(0);
    }
    record_file_sweep(folder, &own, count_found, &found);
    assert_int_equal(found, 0);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    pid = fork();
    if (pid == 0) {
        record_file_forget(&own);
        _exit(record_file_make(&other, folder) ? 0 : 1); /* and is gone */
    }
    waitpid(pid, NULL, 0);
    record_file_sweep(folder, &own, count_found, &found);
    record_file_sweep(folder, &own, count_found, &found);
    assert_int_equal(found, 1);
    assert_int_equal(access(own.path, F_OK), 0);
    record_file_remove(&own);
    assert_int_not_equal(access(own.path, F_OK), 0);
    assert_true(record_file_make(&own, "/proc/nowhere"));
    assert_int_equal(own.fd, -1);
    record_file_remove(&own);
}

static int make_folder(void **state)
{
    snprintf(folder, sizeof folder, "/tmp/sonde-crash-test-%d", (int)getpid());
    return mkdir(folder, 0700);
}

static int remove_folder(void **state)
{
    char command[100];
    snprintf(command, sizeof command, "%s", folder);
    pid_t pid = fork();
    if (pid == 0) {
        execlp("rm", "rm", "-rf", command, (char *)NULL);
        _exit(1);
    }
    waitpid(pid, NULL, 0);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(before_the_start_nothing_happens),
        cmocka_unit_test(bad_names_of_signals_are_refused),
        cmocka_unit_test(a_fault_within_the_handler_loses_one_part_alone),
        cmocka_unit_test(faults_that_the_program_settles_are_no_crashes_where_it_is_asked_first),
        cmocka_unit_test(a_signal_that_the_program_ignores_stays_ignored),
        cmocka_unit_test(damaged_records_are_refused_with_a_reason),
        cmocka_unit_test(an_envelope_of_a_record_is_whole_json_without_secrets),
        cmocka_unit_test(breadcrumbs_are_masked_in_the_record_already),
        cmocka_unit_test(files_of_living_processes_are_left_alone),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
