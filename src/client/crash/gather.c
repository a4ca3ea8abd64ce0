#include "client/crash/gather.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "client/core/identity.h"
#include "client/core/redact.h"
#include "client/core/setting.h"
#include "client/core/slot.h"
#include "client/core/ticks.h"
#include "client/crash/record.h"
#include "client/error/session.h"
#include "client/log/breadcrumb.h"
#include "client/operation/active.h"
#include "client/stack/module_list.h"
#include "client/stack/unwind.h"
#include "client/trace/current.h"
#include "sonde/core.h"

enum {
    FILE_BYTES = 4096,
    NEAR_STACK_BYTES = 65536,
    CLAIM_STEP_NS = 2000000,
    CLAIM_STEPS = 100,
};

/* Of the stage that runs now. */
static sigjmp_buf next_stage;
static _Atomic pid_t staging; /* the thread that is in one; 0: none */

static struct peek memory;
static struct {
    _Atomic pid_t tid; /* 0: nothing was said */
    char type[GATHER_TYPE_MAX], message[GATHER_MESSAGE_MAX];
} said;

static pid_t tid_now(void)
{
    return (pid_t)syscall(SYS_gettid);
}

static void put(char *ret, size_t size, const char *s)
{
    size_t n = s ? strnlen(s, size - 1) : 0;
    memcpy(ret, s ? s : "", n);
    memset(ret + n, 0, size - n);
}
#define PUT(field, s) put(field, sizeof(field), s)

/* The beginning of a file of /proc; how many bytes. */
static size_t slurp(const char *path, char *ret, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, ret, size) : -1;
    if (fd >= 0) {
        close(fd);
    }
    return n > 0 ? (size_t)n : 0;
}

/* Masks what is secret; cut at the field's size. */
static void put_masked(char *ret, size_t size, const char *s, size_t n)
{
    char clean[2 * GATHER_MESSAGE_MAX];
    struct text t;
    text_over(&t, clean, sizeof clean - 1);
    redact_text(&t, s, n < GATHER_MESSAGE_MAX ? n : GATHER_MESSAGE_MAX);
    clean[t.len] = 0;
    put(ret, size, clean);
}

static void command_line(struct crash_record *r)
{
    char line[FILE_BYTES];
    size_t n = slurp("/proc/self/cmdline", line, sizeof line);
    for (size_t i = 0; i + 1 < n; i++) {
        line[i] = line[i] ? line[i] : ' ';
    }
    n = strnlen(line, n);
    put_masked(r->command_line, sizeof r->command_line, line, n);
}

static void distribution(struct crash_record *r)
{
    char text[FILE_BYTES];
    text[slurp("/etc/os-release", text, sizeof text - 1)] = 0;
    const char *at = strstr(text, "PRETTY_NAME=\"");
    if (at) {
        at += sizeof "PRETTY_NAME=\"" - 1;
        snprintf(r->distribution, sizeof r->distribution, "%.*s", (int)strcspn(at, "\"\n"), at);
    }
}

static void boot_id(struct crash_record *r)
{
    char text[64];
    size_t n = slurp("/proc/sys/kernel/random/boot_id", text, sizeof text), digits = 0;
    for (size_t i = 0; i < n && digits < 32; i++) {
        int c = text[i] >= 'a' ? text[i] - 'a' + 10 : text[i] - '0';
        if (c >= 0 && c < 16) {
            uint8_t *byte = &r->boot_id[digits / 2];
            *byte = (uint8_t)(digits % 2 ? *byte | c : c << 4);
            digits++;
        }
    }
}

void gather_facts(struct crash_record *r)
{
    struct utsname u;
    struct rlimit limit;
    PUT(r->service, identity.service);
    PUT(r->instance, identity.instance);
    PUT(r->release, setting.release);
    PUT(r->environment, setting.environment);
    PUT(r->host, identity.host);
    PUT(r->executable, identity.executable);
    PUT(r->library, sonde_version());
    r->pid = identity.pid;
    r->started_unix_ns = identity.started_unix_ns;
    if (uname(&u) == 0) {
        snprintf(r->os, sizeof r->os, "%.31s", u.sysname);
        snprintf(r->kernel, sizeof r->kernel, "%s", u.release);
        snprintf(r->build, sizeof r->build, "%s", u.version);
        snprintf(r->arch, sizeof r->arch, "%.31s", u.machine);
    }
    if (getrlimit(RLIMIT_STACK, &limit) == 0) {
        rlim_t kib = limit.rlim_cur / 1024;
        r->limit_stack = kib < UINT32_MAX ? (uint32_t)kib : 0;
    }
#if defined(__aarch64__)
    r->machine = EM_AARCH64;
#else
    r->machine = EM_X86_64;
#endif
    command_line(r);
    distribution(r);
    boot_id(r);
}

void gather_say(const char *type, const char *message)
{
    pid_t nobody = 0, me = tid_now();
    if (atomic_compare_exchange_strong(&said.tid, &nobody, -1) || nobody == me) {
        PUT(said.type, type);
        PUT(said.message, message);
        atomic_store(&said.tid, me);
    }
}

/* ---- the stages */

struct crash {
    struct crash_record *record;
    const siginfo_t *info;
    const void *context;
};

static void stage_signal(struct crash *c)
{
    struct crash_record *r = c->record;
    struct cfi_registers registers;
    char name[16] = "";
    r->tid = tid_now();
    r->unix_ns = ticks_unix_now_ns();
    if (c->info) {
        r->signal = c->info->si_signo;
        r->code = c->info->si_code;
        r->error = c->info->si_errno;
        if (c->info->si_code <= 0) {
            r->sender_pid = c->info->si_pid;
            r->sender_uid = (int32_t)c->info->si_uid;
        } else {
            r->address = (uint64_t)(uintptr_t)c->info->si_addr;
        }
    }
    unwind_registers(c->context, &registers);
    r->registers_n = CFI_REGISTERS;
    memcpy(r->registers, registers.value, sizeof registers.value);
    uint64_t sp = registers.value[CFI_SP];
    if (r->signal == SIGSEGV && r->address + NEAR_STACK_BYTES > sp &&
        r->address < sp + NEAR_STACK_BYTES) {
        uint8_t byte; /* beside the stack pointer, and not there: the stack has no more room */
        r->flags |= peek_once(r->address, &byte, 1) ? 0 : (uint32_t)CRASH_STACK;
    }
    prctl(PR_GET_NAME, name);
    PUT(r->thread_name, name);
}

static void stage_frames(struct crash *c)
{
    uintptr_t frames[CRASH_FRAMES_MAX];
    size_t n = unwind_walk(&memory, c->context, frames, CRASH_FRAMES_MAX);
    for (size_t i = 0; i < n; i++) {
        c->record->frames[i] = frames[i];
    }
    c->record->frames_n = (uint32_t)n;
}

static void stage_context(struct crash *c)
{
    if (!slot_pointer) {
        return; /* it records nothing, so it has no context; asking would make it a slot */
    }
    sonde_context context = current_context();
    memcpy(c->record->trace_id, context.trace_id, sizeof context.trace_id);
    memcpy(c->record->span_id, context.span_id, sizeof context.span_id);
    c->record->trace_flags = context.flags;
}

/* What abort() was called with: glibc keeps the text of assert() and of a damaged heap there. */
struct abort_text {
    unsigned size;
    char text[];
};
static struct abort_text **abort_text;

static void stage_message(struct crash *c)
{
    struct crash_record *r = c->record;
    if (atomic_load(&said.tid) == r->tid) {
        PUT(r->type, said.type);
        put_masked(r->message, sizeof r->message, said.message, strlen(said.message));
        atomic_store(&said.tid, 0);
        return;
    }
    struct abort_text *a = abort_text && r->signal == SIGABRT ? *abort_text : NULL;
    if (a) {
        size_t n = strnlen(a->text, a->size < GATHER_MESSAGE_MAX ? a->size : GATHER_MESSAGE_MAX);
        while (n && (a->text[n - 1] == '\n' || a->text[n - 1] == ' ')) {
            n--;
        }
        put_masked(r->message, sizeof r->message, a->text, n);
    }
}

static void stage_session(struct crash *c)
{
    struct session_state s;
    _Static_assert(sizeof s == sizeof c->record->session, "a session as client/error has it");
    if (!(c->record->flags & CRASH_FORKED)) { /* a child's parent goes on, and its session too */
        session_raw(&s);
        memcpy(&c->record->session, &s, sizeof s);
    }
}

static void put_thread(struct crash_record *r, const char *number)
{
    char path[64], name[16] = "", stat[512];
    struct text t;
    text_over(&t, path, sizeof path - 1);
    text_add_string(&t, "/proc/self/task/");
    text_add_string(&t, number);
    size_t folder = t.len;
    text_add_string(&t, "/comm");
    path[t.len] = 0;
    size_t n = slurp(path, name, sizeof name);
    name[n ? n - 1 : 0] = 0;
    t.len = folder;
    text_add_string(&t, "/stat");
    path[t.len] = 0;
    stat[slurp(path, stat, sizeof stat - 1)] = 0;
    const char *state = strrchr(stat, ')');
    struct crash_thread *to = record_room(r, CRASH_RECORD_MAX, sizeof *to);
    if (to) {
        to->tid = (int32_t)strtol(number, NULL, 10);
        to->state = state && state[1] == ' ' ? state[2] : '?';
        memcpy(to->name, name, sizeof to->name);
        r->threads_n++;
    }
}

/* Names alone: no stack is taken of threads that run on. By getdents64(2), since opendir()
 * allocates. */
static void stage_threads(struct crash *c)
{
    char entries[FILE_BYTES];
    int fd = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    long n;
    while (fd >= 0 && (n = syscall(SYS_getdents64, fd, entries, sizeof entries)) > 0) {
        for (long at = 0; at < n && c->record->threads_n < CRASH_THREADS_MAX;) {
            uint16_t length; /* struct linux_dirent64: ino, off, reclen, type, name */
            memcpy(&length, entries + at + 16, sizeof length);
            const char *name = entries + at + 19;
            if (*name >= '1' && *name <= '9') {
                put_thread(c->record, name);
            }
            at += length ? length : n;
        }
    }
    if (fd >= 0) {
        close(fd);
    }
}

/* Where the last member ends that fits whole: JSON's members without braces, n bytes. */
static size_t whole_members(const char *json, size_t n, size_t room)
{
    size_t end = 0, depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < n && i <= room; i++) {
        char c = json[i];
        if (quoted) {
            i += c == '\\';
            quoted = c != '"';
        } else if (c == ',' && depth == 0) {
            end = i;
        } else {
            quoted = c == '"';
            depth += c == '{' || c == '[';
            depth -= c == '}' || c == ']';
        }
    }
    return n <= room ? n : end;
}

/* A breadcrumb's members, each value masked by what it is and by its key; nothing of them where
 * they are no JSON. */
static void put_data(char *ret, size_t size, const char *data)
{
    static char whole[BREADCRUMB_DATA_MAX + 2], clean[8 * BREADCRUMB_DATA_MAX];
    static char room[8 * BREADCRUMB_DATA_MAX];
    struct text in, out;
    memset(ret, 0, size);
    text_over(&in, whole, sizeof whole);
    text_add_char(&in, '{');
    text_add(&in, data, strnlen(data, BREADCRUMB_DATA_MAX));
    text_add_char(&in, '}');
    text_over(&out, clean, sizeof clean);
    bool fine = !in.cut && redact_json_within(&out, whole, in.len, room, sizeof room);
    if (fine && out.len > 2) {
        memcpy(ret, clean + 1, whole_members(clean + 1, out.len - 2, size - 1));
    }
}

static void stage_breadcrumbs(struct crash *c)
{
    static struct breadcrumb_record from[CRASH_BREADCRUMBS_MAX];
    size_t n = breadcrumb_raw(from, CRASH_BREADCRUMBS_MAX);
    for (size_t i = 0; i < n; i++) {
        struct crash_breadcrumb *to = record_room(c->record, CRASH_RECORD_MAX, sizeof *to);
        if (!to) {
            return;
        }
        c->record->breadcrumbs_n++;
        to->unix_ns = from[i].unix_ns;
        to->level = from[i].level;
        memcpy(to->trace_id, from[i].trace_id, sizeof to->trace_id);
        put_masked(to->category, sizeof to->category, from[i].category,
                   strnlen(from[i].category, sizeof from[i].category));
        put_masked(to->message, sizeof to->message, from[i].message,
                   strnlen(from[i].message, sizeof from[i].message));
        put_data(to->data, sizeof to->data, from[i].data);
    }
}

static void stage_spans(struct crash *c)
{
    static struct current_span from[CRASH_SPANS_MAX];
    size_t n = current_raw(from, CRASH_SPANS_MAX);
    for (size_t i = 0; i < n && i < CRASH_SPANS_MAX; i++) {
        struct crash_span *to = record_room(c->record, CRASH_RECORD_MAX, sizeof *to);
        if (!to) {
            return;
        }
        c->record->spans_n++;
        to->start_unix_ns = ticks_unix_ns(from[i].start_ticks);
        to->tid = from[i].tid;
        to->flags = from[i].context.flags;
        memcpy(to->trace_id, from[i].context.trace_id, sizeof to->trace_id);
        memcpy(to->span_id, from[i].context.span_id, sizeof to->span_id);
        PUT(to->name, from[i].name);
    }
}

static void stage_operations(struct crash *c)
{
    static struct active_operation from[CRASH_OPERATIONS_MAX];
    size_t n = active_raw(from, CRASH_OPERATIONS_MAX);
    for (size_t i = 0; i < n && i < CRASH_OPERATIONS_MAX; i++) {
        struct crash_operation *to = record_room(c->record, CRASH_RECORD_MAX, sizeof *to);
        if (!to) {
            return;
        }
        c->record->operations_n++;
        to->start_unix_ns = ticks_unix_ns(from[i].start_ticks);
        to->tid = from[i].tid;
        PUT(to->service, from[i].service);
        PUT(to->operation, from[i].operation);
    }
}

static void stage_modules(struct crash *c)
{
    const struct module_list *l = module_list_get();
    for (size_t i = 0; i < l->n && i < CRASH_MODULES_MAX; i++) {
        struct crash_module *to = record_room(c->record, CRASH_RECORD_MAX, sizeof *to);
        if (!to) {
            return;
        }
        const struct loaded_module *m = &l->module[i];
        c->record->modules_n++;
        to->start = m->start;
        to->end = m->end;
        to->bias = m->bias;
        to->build_id_n = m->build_id_n;
        memcpy(to->build_id, m->build_id, sizeof to->build_id);
        PUT(to->path, m->path);
    }
}

/* The parts that are packed come in the order of the layout. */
static void (*const stages[])(struct crash *c) = {
    stage_signal,  stage_frames,      stage_context, stage_message,    stage_session,
    stage_threads, stage_breadcrumbs, stage_spans,   stage_operations, stage_modules,
};

void gather_fault(void)
{
    if (atomic_load(&staging) == tid_now()) {
        siglongjmp(next_stage, 1);
    }
}

/* A record on demand that another thread is writing may end first, for a while. */
static void claim(bool patient)
{
    pid_t nobody = 0;
    for (int i = 0; !atomic_compare_exchange_strong(&staging, &nobody, tid_now()); i++) {
        struct timespec step = {.tv_nsec = CLAIM_STEP_NS};
        if (i == CLAIM_STEPS && !patient) {
            atomic_store(&staging, tid_now());
            return;
        }
        nobody = 0;
        nanosleep(&step, NULL);
    }
}

void gather_child(struct crash_record *r)
{
    r->pid = getpid();
    r->flags |= CRASH_FORKED;
    memset(&r->session, 0, sizeof r->session);
    memset(&r->mirror, 0, sizeof r->mirror);
    (void)!syscall(SYS_getrandom, r->event_id, sizeof r->event_id, 0);
}

void gather_crash(struct crash_record *r, const siginfo_t *info, const void *context)
{
    struct crash c = {r, info, context};
    claim(info == NULL);
    r->state = CRASH_WRITING;
    r->kind = info ? CRASH_SIGNAL : CRASH_ON_DEMAND;
    for (volatile size_t i = 0; i < sizeof stages / sizeof *stages; i++) {
        if (sigsetjmp(next_stage, 1) == 0) {
            stages[i](&c);
        } else {
            r->flags |= CRASH_FAULTED;
        }
    }
    atomic_store(&staging, 0);
    record_seal(r);
}

void gather_start(void)
{
    void *found = dlsym(RTLD_DEFAULT, "__abort_msg");
    memcpy(&abort_text, &found, sizeof found);
}
