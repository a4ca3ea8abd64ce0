#include "client/debug/threads.h"

#include <stdio.h>
#include <string.h>

#include "client/core/command.h"
#include "client/core/setting.h"
#include "client/stack/symbol.h"
#include "client/stack/thread_stack.h"
#include "sonde/core.h"

enum { THREADS_WAIT_MS = 500 };

static void put_frame(struct jot *j, uintptr_t address, bool innermost)
{
    struct symbol s = {0};
    symbol_of(address, !innermost, &s);
    jot_object(j, NULL);
    jot_string(j, "function", *s.name ? s.name : NULL);
    jot_string(j, "module", s.module);
    jot_address(j, "address", address);
    jot_end(j);
}

static void put_thread(const struct thread_stack *t, void *context)
{
    struct jot *j = context;
    char state[2] = {t->state, 0};
    jot_object(j, NULL);
    jot_i64(j, "thread", t->tid);
    jot_string(j, "name", t->name);
    jot_string(j, "state", state);
    jot_bool(j, "answered", t->n > 0);
    jot_array(j, "frames");
    for (size_t i = 0; i < t->n; i++) {
        put_frame(j, t->frame[i], i == 0);
    }
    jot_end(j);
    jot_end(j);
}

static int threads(const struct command_call *call, struct jot *j, char *problem)
{
    jot_array(j, "threads");
    int err = thread_stack_each(THREADS_WAIT_MS, put_thread, j);
    jot_end(j);
    if (err == SONDE_ERROR_STATE) {
        snprintf(
            problem, SETTING_PROBLEM_MAX,
            "the program has a handler of its own for the signal of the setting stack.signal, or "
            "somebody else is asking");
    }
    return err;
}

void threads_commands(void)
{
    static struct command command = {
        "threads",        "",      "Where each thread is: its stack, by a signal to each.",
        COMMAND_OPERATOR, threads, NULL};
    command_add(&command);
}
