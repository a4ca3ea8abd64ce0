#include "client/stack/unwind.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <ucontext.h>

#include "client/stack/module_list.h"

/* The unwinder's interface as the Itanium C++ ABI has it: by hand, since nothing but libc is
 * linked. */
struct unwind_position;
typedef int unwind_visit_f(struct unwind_position *position, void *context);
typedef int unwind_backtrace_f(unwind_visit_f *visit, void *context);
typedef uintptr_t unwind_ip_f(struct unwind_position *position);
enum { GO_ON = 0, STOP = 5, FRAME_BYTES_MAX = 16 << 20 };

static unwind_backtrace_f *_Atomic backtrace_call;
static unwind_ip_f *_Atomic ip_call;

struct gathering {
    uintptr_t *ret;
    size_t n, cap, skip;
    unwind_ip_f *ip;
    uintptr_t from; /* left out until this address; 0: from the start */
};

static int gather(struct unwind_position *position, void *context)
{
    struct gathering *g = context;
    uintptr_t ip = g->ip(position);
    if (g->from && ip != g->from) {
        return GO_ON;
    }
    g->from = 0;
    if (g->skip) {
        g->skip--;
        return GO_ON;
    }
    if (ip == 0 || g->n == g->cap) {
        return STOP;
    }
    g->ret[g->n++] = ip;
    return g->n == g->cap ? STOP : GO_ON;
}

static void *find(void *library, const char *name)
{
    void *f = dlsym(RTLD_DEFAULT, name);
    return f || !library ? f : dlsym(library, name);
}

void unwind_start(void)
{
    if (!atomic_load(&backtrace_call)) {
        void *library = dlopen("libgcc_s.so.1", RTLD_NOW | RTLD_LOCAL);
        void *ip = find(library, "_Unwind_GetIP"), *call = find(library, "_Unwind_Backtrace");
        if (ip && call) {
            unwind_ip_f *ip_found;
            unwind_backtrace_f *call_found;
            memcpy(&ip_found, &ip, sizeof ip);
            memcpy(&call_found, &call, sizeof call);
            atomic_store(&ip_call, ip_found);
            atomic_store(&backtrace_call, call_found);
        }
    }
    uintptr_t warm[UNWIND_FRAMES_MAX];
    (void)unwind_here(warm, UNWIND_FRAMES_MAX, 0);
}

/* Without libgcc: the walk of crashes, from here. */
__attribute__((noinline)) static size_t here_slowly(uintptr_t *ret, size_t cap, size_t skip)
{
    ucontext_t here;
    uintptr_t all[UNWIND_FRAMES_MAX];
    if (getcontext(&here) != 0) {
        return 0;
    }
    size_t n = unwind_context(&here, all, UNWIND_FRAMES_MAX), left = skip + 2;
    if (n <= left) {
        return 0;
    }
    n = n - left < cap ? n - left : cap;
    memcpy(ret, all + left, n * sizeof *ret);
    return n;
}

__attribute__((noinline)) size_t unwind_here(uintptr_t *ret, size_t cap, size_t skip)
{
    unwind_backtrace_f *call = atomic_load_explicit(&backtrace_call, memory_order_acquire);
    size_t n;
    if (call) {
        struct gathering g = {.ret = ret, .cap = cap, .skip = skip + 1};
        g.ip = atomic_load_explicit(&ip_call, memory_order_relaxed);
        call(gather, &g);
        n = g.n;
    } else {
        n = here_slowly(ret, cap, skip);
    }
    __asm__ volatile("" ::: "memory"); /* no tail call: our frame is one of those left out */
    return n;
}

#if defined(__x86_64__)
void unwind_registers(const void *context, struct cfi_registers *ret)
{
    static const uint8_t order[] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI,
                                    REG_RBP, REG_RSP, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                    REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP};
    const ucontext_t *u = context;
    for (size_t i = 0; i < CFI_REGISTERS; i++) {
        ret->value[i] = (uint64_t)u->uc_mcontext.gregs[order[i]];
    }
    ret->pc = ret->value[CFI_RETURN];
    ret->is_return = false;
}

/* A jump into nowhere: the caller's address is what the call has pushed. */
static bool step_from_nowhere(struct peek *p, struct cfi_registers *r)
{
    uint64_t pc;
    if (!peek_read(p, r->value[CFI_SP], &pc, sizeof pc)) {
        return false;
    }
    r->value[CFI_SP] += 8;
    r->pc = pc;
    r->is_return = true;
    return true;
}
#elif defined(__aarch64__)
void unwind_registers(const void *context, struct cfi_registers *ret)
{
    const ucontext_t *u = context;
    for (size_t i = 0; i < 31; i++) {
        ret->value[i] = u->uc_mcontext.regs[i];
    }
    ret->value[CFI_SP] = u->uc_mcontext.sp;
    ret->pc = u->uc_mcontext.pc;
    ret->is_return = false;
}

static bool step_from_nowhere(struct peek *p, struct cfi_registers *r)
{
    r->pc = r->value[CFI_RETURN] & 0x0000ffffffffffffu;
    r->is_return = true;
    return r->pc != 0;
}
#else
#error "write unwind_registers() for this processor"
#endif

/* By the frame pointer: [fp] is the caller's, [fp + 8] the return address. */
static bool step_by_frame_pointer(struct peek *p, struct cfi_registers *r)
{
    uint64_t fp = r->value[CFI_FP], pair[2];
    if (fp % 8 != 0 || fp < r->value[CFI_SP] || fp - r->value[CFI_SP] > FRAME_BYTES_MAX ||
        !peek_read(p, fp, pair, sizeof pair) || pair[1] < PEEK_PAGE) {
        return false;
    }
    r->value[CFI_FP] = pair[0];
    r->value[CFI_SP] = fp + sizeof pair;
    r->pc = pair[1];
#if defined(__aarch64__)
    r->pc &= 0x0000ffffffffffffu;
#endif
    r->is_return = true;
    return true;
}

static bool step(struct peek *p, const struct module_list *l, struct cfi_registers *r, bool first)
{
    const struct loaded_module *m = module_list_find(l, r->pc - (r->is_return ? 1 : 0));
    bool end = false;
    if (m && cfi_step(p, m->tables, r, &end)) {
        return true;
    }
    uint8_t byte;
    if (!m && first && !peek_read(p, r->pc, &byte, 1)) {
        return step_from_nowhere(p, r);
    }
    return !end && step_by_frame_pointer(p, r);
}

size_t unwind_walk(struct peek *memory, const void *context, uintptr_t *ret, size_t cap)
{
    struct cfi_registers r;
    unwind_registers(context, &r);
    const struct module_list *l = module_list_get();
    peek_init(memory);
    size_t n = 0;
    while (n < cap) {
        ret[n++] = (uintptr_t)r.pc;
        uint64_t sp = r.value[CFI_SP], pc = r.pc;
        if (!step(memory, l, &r, n == 1) || r.pc == 0 || (r.value[CFI_SP] == sp && r.pc == pc)) {
            break;
        }
    }
    return n;
}

size_t unwind_context(const void *context, uintptr_t *ret, size_t cap)
{
    struct peek memory;
    return unwind_walk(&memory, context, ret, cap);
}

size_t unwind_sample(const void *context, uintptr_t *ret, size_t cap)
{
    struct cfi_registers r;
    unwind_registers(context, &r);
    unwind_backtrace_f *call = atomic_load_explicit(&backtrace_call, memory_order_acquire);
    if (call) {
        struct gathering g = {.ret = ret, .cap = cap, .from = (uintptr_t)r.pc};
        g.ip = atomic_load_explicit(&ip_call, memory_order_relaxed);
        call(gather, &g);
        if (g.n) {
            return g.n;
        }
    }
    return unwind_context(context, ret, cap);
}
