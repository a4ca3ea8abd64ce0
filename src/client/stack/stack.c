#include "client/stack/stack.h"

#include <stddef.h>
#include <stdint.h>

#include "client/core/worker.h"
#include "client/stack/module_list.h"
#include "client/stack/symbol.h"
#include "client/stack/thread_stack.h"
#include "client/stack/unwind.h"

enum { REFRESH_MS = 1000, FORGET_AFTER_S = 60 };

static void keep(void *unused)
{
    module_list_refresh();
    symbol_forget_unused((uint64_t)FORGET_AFTER_S * 1000000000u);
}

static struct worker_task task = {
    .name = "stack", .run = keep, .period_ns = (uint64_t)REFRESH_MS * 1000000};

static int start(char *problem)
{
    module_list_refresh();
    unwind_start();
    worker_task_add(&task);
    return 0;
}

static void stop(void)
{
    worker_task_remove(&task);
    symbol_forget();
}

static void fork_child(void)
{
    symbol_fork_child();
    thread_stack_fork_child();
}

const struct module stack_module = {
    .name = "stack", .start = start, .stop = stop, .fork_child = fork_child};
