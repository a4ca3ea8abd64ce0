/* Each case confines a process of its own. */
#include "os/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { UNSUPPORTED = 77 };

/* Runs f in a new process: its exit status, or minus the signal that ended it. */
static int in_process(int (*f)(void))
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(f());
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    int result = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    if (result == UNSUPPORTED)
        skip();
    return result;
}

static void confine_or_leave(int err)
{
    if (err == -ERR_UNSUPPORTED)
        _exit(UNSUPPORTED);
    if (err != 0)
        _exit(99);
}

static char folder[64];

static int paths_work(void)
{
    struct confine_path paths[] = {{folder, true}, {"/proc", false}, {"/no/such/path", false}};
    confine_or_leave(confine_paths(paths, 3, NULL));
    char inside[96], other[96], moved[96];
    snprintf(inside, sizeof inside, "%s/a", folder);
    snprintf(other, sizeof other, "%s/sub", folder);
    snprintf(moved, sizeof moved, "%s/sub/a", folder);
    int fd = open(inside, O_RDWR | O_CREAT, 0600);
    if (fd < 0 || write(fd, "x", 1) != 1 || ftruncate(fd, 0) != 0)
        return 1;
    if (mkdir(other, 0700) != 0 || rename(inside, moved) != 0 || unlink(moved) != 0 ||
        rmdir(other) != 0)
        return 2;
    if (open("/proc/stat", O_RDONLY) < 0)
        return 3;
    if (open("/proc/sys/kernel/hostname", O_WRONLY) >= 0)
        return 4;
    if (open("/etc/passwd", O_RDONLY) >= 0 || errno != EACCES)
        return 5;
    if (open("/tmp/confine_test_outside", O_WRONLY | O_CREAT, 0600) >= 0)
        return 6;
    struct statvfs space;
    return statvfs("/", &space) == 0 ? 0 : 7; /* the filesystem collector needs that */
}

static void only_named_paths_can_be_opened(void **state)
{
    snprintf(folder, sizeof folder, "/tmp/confine_test.XXXXXX");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(in_process(paths_work), 0);
    rmdir(folder);
}

static void *count(void *context)
{
    ++*(int *)context;
    return NULL;
}

static int daemon_work_goes_on(void)
{
    confine_or_leave(confine_calls(NULL));
    int n = 0;
    pthread_t thread;
    if (pthread_create(&thread, NULL, count, &n) != 0 || pthread_join(thread, NULL) != 0 || n != 1)
        return 1;
    if (mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
        MAP_FAILED)
        return 2;
    int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s < 0 || listen(s, 8) != 0 || accept4(s, NULL, NULL, 0) >= 0)
        return 3;
    return 0;
}

static int memory_cannot_be_executed(void)
{
    confine_or_leave(confine_calls(NULL));
    void *p =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED && errno == EACCES ? 0 : 1;
}

static int starts_a_program(void)
{
    confine_or_leave(confine_calls(NULL));
    execl("/bin/true", "true", (char *)NULL);
    return 0;
}

static int forks(void)
{
    confine_or_leave(confine_calls(NULL));
    pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (pid == 0)
        _exit(0);
    return 0;
}

static int asks_the_unknown(void)
{
    confine_or_leave(confine_calls(NULL));
    return syscall(SYS_io_uring_setup, 1, NULL) == -1 && errno == ENOSYS ? 0 : 1;
}

static int signals_another(void)
{
    pid_t parent = getppid();
    confine_or_leave(confine_calls(NULL));
    if (kill(parent, 0) == 0)
        return 1;
    raise(SIGUSR1); /* to itself it may */
    return 2;
}

static void threads_memory_and_sockets_go_on_working(void **state)
{
    assert_int_equal(in_process(daemon_work_goes_on), 0);
}

static void no_memory_becomes_executable(void **state)
{
    assert_int_equal(in_process(memory_cannot_be_executed), 0);
}

static void starting_a_program_kills_the_process(void **state)
{
    assert_int_equal(in_process(starts_a_program), -SIGSYS);
    assert_int_equal(in_process(forks), -SIGSYS);
}

static void an_unknown_call_is_not_there(void **state)
{
    assert_int_equal(in_process(asks_the_unknown), 0);
}

static void only_itself_can_be_signaled(void **state)
{
    assert_int_equal(in_process(signals_another), -SIGUSR1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_named_paths_can_be_opened),
        cmocka_unit_test(threads_memory_and_sockets_go_on_working),
        cmocka_unit_test(no_memory_becomes_executable),
        cmocka_unit_test(starting_a_program_kills_the_process),
        cmocka_unit_test(an_unknown_call_is_not_there),
        cmocka_unit_test(only_itself_can_be_signaled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
