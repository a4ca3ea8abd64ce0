/* client/operation/start_test.h - for tests of operations: the library started without a daemon,
 * and asked.
 *
 * Threads: one.
 */
#ifndef CLIENT_OPERATION_START_TEST_H
#define CLIENT_OPERATION_START_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "client/core/setting.h"
#include "sonde/operation.h"

/* The forked child starts the library's thread, which the sanitizer forbids by default. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "die_after_fork=0";
}

static inline int start(void **state)
{
    static char folder[64];
    snprintf(folder, sizeof folder, "spool.dir=/tmp/sonde-operation-test-%d", (int)getpid());
    const struct setting_row *rows;
    size_t n = setting_rows(&rows), at = 0;
    const char *settings[4] = {NULL};
    for (size_t i = 0; i < n; i++) { /* those of modules that are not here are left out */
        if (strcmp(rows[i].key, "socket") == 0) {
            settings[at++] = "socket=none";
        } else if (strcmp(rows[i].key, "spool.dir") == 0) {
            settings[at++] = folder;
        }
    }
    sonde_options o = SONDE_OPTIONS_INIT;
    o.service = "operation-test";
    o.settings = settings;
    return sonde_init(&o);
}

static inline int stop(void **state)
{
    return sonde_shutdown(5000);
}

static inline json_t *ask(const char *line)
{
    static char answer[1 << 20];
    size_t n;
    sonde_query(line, answer, sizeof answer, &n);
    json_error_t error;
    json_t *j = json_loads(answer, 0, &error);
    assert_non_null(j);
    return j;
}

static inline sonde_operation_info read_of(sonde_operation *o)
{
    sonde_operation_info i = {.struct_size = sizeof i};
    assert_int_equal(sonde_operation_read(o, &i), 0);
    return i;
}

struct seen {
    size_t n;
    sonde_operation_call call[512];
};

static inline void see(const sonde_operation_call *call, void *user)
{
    struct seen *s = user;
    assert_int_equal(call->struct_size, sizeof *call);
    s->call[s->n++] = *call;
}

#endif
