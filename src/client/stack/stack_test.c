#include "client/stack/stack.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/core/setting.h"
#include "client/stack/module_list.h"
#include "client/stack/symbol.h"
#include "client/stack/thread_stack.h"
#include "client/stack/unwind.h"

static uintptr_t seen[UNWIND_FRAMES_MAX];
static size_t seen_n;

static bool names(const char *wanted, bool first_is_return)
{
    for (size_t i = 0; i < seen_n; i++) {
        struct symbol s;
        if (symbol_of(seen[i], i > 0 || first_is_return, &s) && strstr(s.name, wanted)) {
            return true;
        }
    }
    return false;
}

__attribute__((noinline)) static void here_inner(void)
{
    seen_n = unwind_here(seen, UNWIND_FRAMES_MAX, 0);
    __asm__ volatile("");
}

__attribute__((noinline)) static void here_outer(void)
{
    here_inner();
    __asm__ volatile("");
}

static void a_stack_from_here_names_its_callers(void **state)
{
    here_outer();
    assert_true(seen_n > 3);
    struct symbol s;
    assert_true(symbol_of(seen[0], true, &s));
    assert_string_equal(s.name, "here_inner");
    assert_true(symbol_of(seen[1], true, &s));
    assert_string_equal(s.name, "here_outer");
    assert_true(names("main", true));
}

static sigjmp_buf back;
static int how; /* which unwinder */
static void on_fault(int number, siginfo_t *info, void *context)
{
    seen_n = how == 0 ? unwind_context(context, seen, UNWIND_FRAMES_MAX)
                      : unwind_sample(context, seen, UNWIND_FRAMES_MAX);
    siglongjmp(back, 1);
}

static void catch (int number)
{
    struct sigaction a = {.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    a.sa_sigaction = on_fault;
    sigaction(number, &a, NULL);
}

static void *volatile nowhere;

__attribute__((noinline, no_sanitize("undefined"))) static void fault_inner(void)
{
    *(volatile int *)nowhere = 1;
}

__attribute__((noinline)) static void fault_outer(void)
{
    fault_inner();
    __asm__ volatile("");
}

static void a_stack_of_a_fault_names_its_callers(void **state)
{
    catch (SIGSEGV);
    for (how = 0; how < 2; how++) {
        memset(seen, 0, sizeof seen);
        if (sigsetjmp(back, 1) == 0) {
            fault_outer();
        }
        assert_true(seen_n > 3);
        struct symbol s;
        assert_true(symbol_of(seen[0], false, &s));
        assert_string_equal(s.name, "fault_inner");
        assert_true(names("fault_outer", false));
        assert_true(names("main", false));
    }
    how = 0;
    signal(SIGSEGV, SIG_DFL);
}

/* In a library without frame pointers, through its tables alone. */
__attribute__((no_sanitize("undefined"))) static int compare(const void *a, const void *b)
{
    *(volatile int *)nowhere = 1;
    return 0;
}

static void a_stack_leads_through_a_library_without_frame_pointers(void **state)
{
    catch (SIGSEGV);
    int pair[] = {2, 1, 3, 5, 4, 8, 7, 9};
    if (sigsetjmp(back, 1) == 0) {
        qsort(pair, 8, sizeof *pair, compare);
    }
    assert_true(names("compare", false));
    assert_true(names("qsort", false));
    assert_true(names("main", false));
    signal(SIGSEGV, SIG_DFL);
}

static void a_jump_into_nowhere_still_has_its_caller(void **state)
{
    catch (SIGSEGV);
    void (*volatile call)(void) = NULL;
    if (sigsetjmp(back, 1) == 0) {
        call();
    }
    assert_true(seen_n > 2);
    assert_int_equal(seen[0], 0);
    assert_true(names("a_jump_into_nowhere", false));
    signal(SIGSEGV, SIG_DFL);
}

static void garbage_in_the_registers_ends_the_walk(void **state)
{
    ucontext_t u;
    getcontext(&u);
    struct cfi_registers r;
    unwind_registers(&u, &r);
    uint64_t pc = r.pc;
    uint64_t seed = 1;
    for (int i = 0; i < 20000; i++) {
        ucontext_t v = u;
        uint8_t *bytes = (uint8_t *)&v.uc_mcontext;
        for (int k = 0; k < 12; k++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            size_t at = (size_t)(seed >> 33) % sizeof v.uc_mcontext;
            bytes[at] = (uint8_t)(seed >> 20);
        }
#if defined(__x86_64__)
        if (i % 2) {
            v.uc_mcontext.gregs[REG_RIP] = (long long)pc + (long long)(seed >> 50);
        }
#endif
        seen_n = unwind_context(&v, seen, UNWIND_FRAMES_MAX);
        assert_in_range(seen_n, 1, UNWIND_FRAMES_MAX);
    }
}

static void memory_that_is_not_there_is_not_read(void **state)
{
    long page = sysconf(_SC_PAGESIZE);
    uint8_t *two =
        mmap(NULL, (size_t)page * 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(two, 7, (size_t)page * 2);
    munmap(two + page, (size_t)page);
    uint64_t end = (uint64_t)(uintptr_t)(two + page), v;
    static struct peek p;
    peek_init(&p);
    assert_true(peek_read(&p, end - 8, &v, 8));
    assert_int_equal(v, 0x0707070707070707);
    assert_false(peek_read(&p, end - 7, &v, 8));
    assert_false(peek_read(&p, UINT64_MAX - 3, &v, 8));
    assert_false(peek_read(&p, 8, &v, 8));
    assert_true(peek_once(end - 8, &v, 8));
    assert_false(peek_once(end - 7, &v, 8));
    munmap(two, (size_t)page);
}

static void modules_are_listed_with_build_ids(void **state)
{
    module_list_refresh();
    const struct module_list *l = module_list_get();
    assert_true(l->n >= 3);
    const struct loaded_module *m =
        module_list_find(l, (uint64_t)(uintptr_t)&modules_are_listed_with_build_ids);
    assert_non_null(m);
    assert_non_null(strstr(m->path, "test.client.stack.stack"));
    m = module_list_find(l, (uint64_t)(uintptr_t)&getpagesize);
    assert_non_null(m);
    assert_non_null(strstr(m->path, "libc.so"));
    assert_int_equal(m->build_id_n, 20);
    assert_null(module_list_find(l, 16));
    assert_null(module_list_find(l, UINT64_MAX));
    for (size_t i = 1; i < l->n; i++) {
        assert_true(l->module[i - 1].end <= l->module[i].start);
    }
    assert_ptr_equal(l, module_list_get());
    module_list_refresh(); /* nothing was loaded since */
    assert_ptr_equal(l, module_list_get());
}

static void a_debug_id_turns_its_first_three_fields(void **state)
{
    struct loaded_module m = {
        .build_id = {0x00, 0xfa, 0x06, 0xad, 0xaa, 0x0c, 0xf2, 0x9f, 1, 2, 3, 4, 5, 6, 7, 8, 9},
        .build_id_n = 17};
    char id[40], code[41];
    module_list_debug_id(&m, id);
    assert_string_equal(id, "ad06fa00-0caa-9ff2-0102-030405060708");
    module_list_code_id(&m, code);
    assert_string_equal(code, "00fa06adaa0cf29f010203040506070809");
    m.build_id_n = 0;
    module_list_debug_id(&m, id);
    assert_string_equal(id, "");
}

static _Atomic bool let_go;
static _Atomic int standing;

__attribute__((noinline)) static void stand_and_wait(void)
{
    atomic_fetch_add(&standing, 1);
    while (!atomic_load(&let_go)) {
        usleep(1000);
    }
}

static void *waiter(void *blocked)
{
    sigset_t set;
    sigfillset(&set);
    if (blocked) {
        pthread_sigmask(SIG_BLOCK, &set, NULL);
    }
    pthread_setname_np(pthread_self(), blocked ? "deaf" : "listening");
    stand_and_wait();
    return NULL;
}

struct found {
    int listening, deaf, mine;
};

static void visit(const struct thread_stack *t, void *context)
{
    struct found *f = context;
    seen_n = t->n;
    memcpy(seen, t->frame, t->n * sizeof *seen);
    if (strcmp(t->name, "listening") == 0) {
        f->listening += names("stand_and_wait", false);
    } else if (strcmp(t->name, "deaf") == 0) {
        f->deaf += t->n == 0;
    } else {
        f->mine += names("thread_stack_each", true);
    }
}

static void each_thread_gives_its_stack(void **state)
{
    setting.stack_signal = (uint64_t)(SIGRTMAX - 3);
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) {
        pthread_create(&threads[i], NULL, waiter, i == 3 ? threads : NULL);
    }
    while (atomic_load(&standing) < 4) {
        usleep(1000);
    }
    for (int i = 0; i < 20; i++) {
        struct found f = {0};
        assert_int_equal(thread_stack_each(5000, visit, &f), 0);
        assert_int_equal(f.listening, 3);
        assert_int_equal(f.deaf, 1);
        assert_int_equal(f.mine, 1);
    }
    atomic_store(&let_go, true);
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    signal(SIGRTMAX - 4, SIG_IGN);
    setting.stack_signal = (uint64_t)(SIGRTMAX - 4);
    struct found f = {0};
    assert_true(thread_stack_each(100, visit, &f) < 0); /* the program's own */
    setting.stack_signal = 0;
    assert_true(thread_stack_each(100, visit, &f) < 0);
}

static int start(void **state)
{
    module_list_refresh();
    unwind_start();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stack_from_here_names_its_callers),
        cmocka_unit_test(a_stack_of_a_fault_names_its_callers),
        cmocka_unit_test(a_stack_leads_through_a_library_without_frame_pointers),
        cmocka_unit_test(a_jump_into_nowhere_still_has_its_caller),
        cmocka_unit_test(garbage_in_the_registers_ends_the_walk),
        cmocka_unit_test(memory_that_is_not_there_is_not_read),
        cmocka_unit_test(modules_are_listed_with_build_ids),
        cmocka_unit_test(a_debug_id_turns_its_first_three_fields),
        cmocka_unit_test(each_thread_gives_its_stack),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
