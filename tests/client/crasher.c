/* A program that crashes in the way it is told, for tests/e2e/crash_matrix.py.
 * usage: host-crasher WHERE HOW; WHERE: main, thread, child (after fork()), twice (two threads at
 * once), chained (with a handler of its own), callback (on the library's thread). The library's
 * settings come from the environment. */
#include <assert.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sonde/sonde.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *how;
static volatile int zero, sink;
static int *volatile nowhere;
static pthread_barrier_t together;

static __attribute__((noinline)) void crash_by_reading(void)
{
    sink = *nowhere;
}

static __attribute__((noinline)) void crash_by_abort(void)
{
    abort();
}

static __attribute__((noinline)) void crash_by_division(void)
{
    sink = 7 / zero;
}

static __attribute__((noinline)) void crash_by_bus(void)
{
    FILE *f = tmpfile(); /* mapped, and cut afterwards */
    if (!f || ftruncate(fileno(f), 8192) != 0) {
        return;
    }
    volatile char *p = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fileno(f), 0);
    if (ftruncate(fileno(f), 0) == 0) {
        sink = p[4096];
    }
}

static __attribute__((noinline)) void crash_by_instruction(void)
{
    __asm__ volatile("ud2");
}

static __attribute__((noinline)) void crash_by_trap(void)
{
    __asm__ volatile("int3");
}

static __attribute__((noinline)) void crash_by_system_call(void)
{
    raise(SIGSYS);
}

static __attribute__((noinline)) int crash_by_recursion(int depth)
{
    volatile char room[4096];
    for (size_t i = 0; i < sizeof room; i += 512) {
        room[i] = (char)depth;
    }
    return depth == -1 ? 0 : crash_by_recursion(depth + 1) + room[1];
}

/* What lies behind the last piece is damaged: malloc() aborts while it holds its lock. */
static __attribute__((noinline)) void crash_by_heap(void)
{
    char *volatile p = malloc(100000);
    memset(p + malloc_usable_size(p), 0x41, 8);
    for (int i = 0; i < 100; i++) {
        sink += malloc(110000) != NULL;
    }
}

static __attribute__((noinline)) void crash_by_assert(void)
{
    assert(zero == 1 && "numbers are as they were");
}

static __attribute__((noinline)) void crash_by_call(void)
{
    void (*volatile function)(void) = (void (*)(void))nowhere;
    function();
}

static void crash(void)
{
    static const struct {
        const char *name;
        void (*call)(void);
    } ways[] = {{"segv", crash_by_reading},    {"abrt", crash_by_abort},
                {"fpe", crash_by_division},    {"bus", crash_by_bus},
                {"ill", crash_by_instruction}, {"trap", crash_by_trap},
                {"sys", crash_by_system_call}, {"heap", crash_by_heap},
                {"assert", crash_by_assert},   {"call", crash_by_call}};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        if (strcmp(ways[i].name, how) == 0) {
            ways[i].call();
        }
    }
    if (strcmp(how, "overflow") == 0) {
        sink = crash_by_recursion(0);
    } else if (strcmp(how, "kill") == 0) {
        kill(getpid(), SIGKILL);
    } else if (strcmp(how, "demand") == 0) {
        printf("demand %d\n", sonde_crash_record_now("the operator wanted to know"));
    } else if (strcmp(how, "core") == 0) {
        printf("core %d\n", sonde_crash_core(20000));
    }
}

static void *crash_in_thread(void *unused)
{
    pthread_setname_np(pthread_self(), "unlucky");
    sonde_crash_thread();
    crash();
    return unused;
}

static void *crash_together(void *unused)
{
    sonde_crash_thread();
    pthread_barrier_wait(&together);
    crash();
    return unused;
}

static void crash_in_callback(const sonde_alarm_event *event, void *unused)
{
    crash();
    sink++; /* no tail call: the function is to be seen in the stack */
}

static void own_handler(int number)
{
    static const char said[] = "own handler\n";
    ssize_t n = write(STDOUT_FILENO, said, sizeof said - 1);
    (void)n;
    signal(number, SIG_DFL);
    raise(number);
}

static int crash_in_child(void)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        crash();
        exit(3);
    }
    waitpid(pid, &status, 0);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : 3;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: host-crasher WHERE HOW\n");
        return 2;
    }
    how = argv[2];
    if (strcmp(argv[1], "chained") == 0) {
        signal(SIGSEGV, own_handler);
        signal(SIGABRT, own_handler);
    }
    sonde_options options = SONDE_OPTIONS_INIT;
    options.service = "crasher";
    options.release = "crasher@1.0";
    if (sonde_init(&options) != 0) {
        fprintf(stderr, "%s\n", sonde_last_problem());
        return 2;
    }
    printf("last %d\n", sonde_crash_last_run());
    fflush(stdout);
    sonde_breadcrumb(SONDE_LEVEL_WARNING, "shop", "write to jane@example.org", NULL, 0);
    sonde_tracker sale = sonde_operation_begin(sonde_operation_get("shop", "sell"));
    pthread_t threads[2];
    if (strcmp(argv[1], "thread") == 0) {
        pthread_create(&threads[0], NULL, crash_in_thread, NULL);
        pthread_join(threads[0], NULL);
    } else if (strcmp(argv[1], "twice") == 0) {
        pthread_barrier_init(&together, NULL, 2);
        pthread_create(&threads[0], NULL, crash_together, NULL);
        pthread_create(&threads[1], NULL, crash_together, NULL);
        pthread_join(threads[0], NULL);
        pthread_join(threads[1], NULL);
    } else if (strcmp(argv[1], "callback") == 0) { /* on the library's own thread */
        sonde_alarm_on_change(crash_in_callback, NULL);
        sonde_alarm *alarm = sonde_alarm_above("depth", "queue", 1, "items", 0);
        for (int i = 0; i < 200; i++) {
            sonde_alarm_feed(alarm, 2);
            usleep(50000);
        }
    } else if (strcmp(argv[1], "child") == 0) {
        int status = crash_in_child();
        sonde_shutdown(2000);
        return status;
    } else {
        crash();
    }
    sonde_operation_complete(&sale);
    sonde_shutdown(2000);
    return 0;
}
