/* alert/config/amtool_test.h - asks Alertmanager's own tool. Included by tests only.
 *
 * Threads: one.
 */
#ifndef ALERT_CONFIG_AMTOOL_TEST_H
#define ALERT_CONFIG_AMTOOL_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"

extern char **environ;

/* Runs amtool with arguments (NULL at the end); what it says goes to out (NULL: nowhere). Its exit
 * status, or -1 where it is not installed. */
static inline int amtool_run(char *const argv[], struct buf *out)
{
    int ends[2], status = -1;
    pid_t pid;
    posix_spawn_file_actions_t actions;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
    int err = posix_spawnp(&pid, "amtool", &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    char part[4096];
    for (ssize_t n; (n = read(ends[0], part, sizeof part)) > 0;)
        if (out != NULL)
            buf_put(out, part, (size_t)n);
    close(ends[0]);
    if (err != 0)
        return -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

/* Skips the case where amtool is not installed. */
static inline void amtool_or_skip(void)
{
    char *argv[] = {(char[]){"amtool"}, (char[]){"--version"}, NULL};
    if (amtool_run(argv, NULL) == 0)
        return;
    print_message("amtool is not installed\n");
    skip();
}

/* Writes text to a file; ret [64] is its path, to be unlinked. */
static inline void amtool_file(const char *text, char *ret)
{
    snprintf(ret, 64, "/tmp/amtool-XXXXXX");
    int fd = mkstemp(ret);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);
}

/* Does `amtool check-config` take it? What it says otherwise is in out. */
static inline bool amtool_accepts(const char *yaml, struct buf *out)
{
    char path[64];
    amtool_file(yaml, path);
    char *argv[] = {(char[]){"amtool"}, (char[]){"check-config"}, path, NULL};
    int status = amtool_run(argv, out);
    unlink(path);
    return status == 0;
}

#endif
