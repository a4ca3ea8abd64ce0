#include "client/crash/report.h"

#include <elf.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/error/envelope.h"
#include "client/error/session.h"
#include "client/log/breadcrumb.h"
#include "client/stack/symbol.h"
#include "sonde/core.h"

enum { ITEM_MAX = 900 << 10, SESSION_MAX = 4096, IMAGES_MAX = 200, SENTENCE_MAX = 256 };

struct report {
    const struct crash_record *r;
    const struct record_parts *parts;
    const struct report_symbols *symbols;
    const struct module_list *modules;
    struct jot j;
    char memory[RECORD_TEXT_MAX]; /* of the text that is written now */
};
#define TEXT_OF(report, field) record_text(field, sizeof(field), (report)->memory)

static void put(struct report *p, const char *key, const char *field, size_t size)
{
    record_text(field, size, p->memory);
    if (*p->memory) {
        jot_string(&p->j, key, p->memory);
    }
}
#define PUT(report, key, field) put(report, key, field, sizeof(field))

static struct module_list *modules_of(const struct crash_record *r, const struct crash_module *m)
{
    struct module_list *l = calloc(1, sizeof *l + r->modules_n * sizeof *l->module);
    for (size_t i = 0; l && i < r->modules_n; i++) {
        struct loaded_module *to = &l->module[i];
        to->start = m[i].start;
        to->end = m[i].end;
        to->bias = m[i].bias;
        to->build_id_n = m[i].build_id_n <= MODULE_BUILD_ID_MAX ? m[i].build_id_n : 0;
        memcpy(to->build_id, m[i].build_id, sizeof to->build_id);
        snprintf(to->path, sizeof to->path, "%.*s", (int)sizeof m[i].path - 1, m[i].path);
        l->n++;
    }
    return l;
}

bool report_in_app(const char *path, const char *function)
{
    static const char *const system[] = {"/lib/", "/lib64/", "/usr/lib/", "/usr/lib64/",
                                         "linux-vdso"};
    for (size_t i = 0; i < sizeof system / sizeof *system; i++) {
        if (strncmp(path, system[i], strlen(system[i])) == 0) {
            return false;
        }
    }
    return !strstr(path, "/libsonde.so") && strncmp(function, "sonde_", 6) != 0;
}

void report_frame_module(struct jot *j, const struct loaded_module *m)
{
    envelope_text(j, "package", m->path);
    jot_address(j, "image_addr", m->start);
}

void report_frame(struct jot *j, const struct module_list *modules, uint64_t address,
                  bool is_return)
{
    struct symbol s = {.name = ""};
    const struct loaded_module *m = module_list_find(modules, address - is_return);
    jot_address(j, "instruction_addr", address);
    if (symbol_among(modules, address, is_return, &s) && *s.name) {
        jot_string(j, "function", s.name);
        jot_address(j, "symbol_addr", s.address);
    }
    if (m) {
        report_frame_module(j, m);
    }
    jot_bool(j, "in_app", m && report_in_app(m->path, s.name));
}

/* ---- the parts of the event */

static const char *const names_x86[] = {"rax", "rdx", "rcx", "rbx", "rsi", "rdi",
                                        "rbp", "rsp", "r8",  "r9",  "r10", "r11",
                                        "r12", "r13", "r14", "r15", "rip"};

static void registers(struct report *p)
{
    size_t n = p->r->registers_n;
    bool arm = p->r->machine == EM_AARCH64;
    size_t known = arm ? 32 : sizeof names_x86 / sizeof *names_x86;
    jot_object(&p->j, "registers");
    for (size_t i = 0; i < n && i < known; i++) {
        char name[8];
        snprintf(name, sizeof name, arm ? (i == 31 ? "sp" : "x%zu") : "%.0zu", i);
        jot_address(&p->j, arm ? name : names_x86[i], p->r->registers[i]);
    }
    jot_end(&p->j);
}

static void stack(struct report *p)
{
    struct jot *j = &p->j;
    jot_object(j, "stacktrace");
    jot_array(j, "frames");
    for (size_t i = p->r->frames_n; i--;) {
        uint64_t address = p->r->frames[i];
        if (p->symbols) {
            p->symbols->frames(p->symbols->context, j, p->modules, address, i > 0);
            continue;
        }
        jot_object(j, NULL);
        report_frame(j, p->modules, address, i > 0);
        jot_end(j);
    }
    jot_end(j);
    registers(p);
    jot_end(j);
}

static void mechanism(struct report *p)
{
    struct jot *j = &p->j;
    const struct crash_record *r = p->r;
    jot_object(j, "mechanism");
    jot_string(j, "type", "signalhandler");
    jot_bool(j, "handled", false);
    jot_bool(j, "synthetic", !*r->type);
    jot_object(j, "meta");
    jot_object(j, "signal");
    jot_i64(j, "number", r->signal);
    jot_i64(j, "code", r->code);
    jot_string(j, "name", record_signal_name(r->signal));
    const char *code = record_code_name(r->signal, r->code);
    if (*code) {
        jot_string(j, "code_name", code);
    }
    jot_end(j);
    jot_end(j);
    jot_object(j, "data");
    jot_address(j, "address", r->address);
    if (r->code <= 0) {
        jot_i64(j, "sender_pid", r->sender_pid);
        jot_i64(j, "sender_uid", r->sender_uid);
    }
    jot_bool(j, "stack_overflow", r->flags & CRASH_STACK);
    jot_bool(j, "forked_child", r->flags & CRASH_FORKED);
    jot_bool(j, "handler_faulted", r->flags & CRASH_FAULTED);
    jot_end(j);
    jot_end(j);
}

/* "Segmentation fault (SEGV_MAPERR) at 0x10". */
static void sentence(const struct crash_record *r, char ret[SENTENCE_MAX])
{
    const char *code = record_code_name(r->signal, r->code);
    const char *what = r->flags & CRASH_STACK ? "Stack overflow" : record_signal_text(r->signal);
    int n =
        snprintf(ret, SENTENCE_MAX, "%s%s%s%s", what, *code ? " (" : "", code, *code ? ")" : "");
    if (r->code > 0) {
        snprintf(ret + n, SENTENCE_MAX - (size_t)n, " at 0x%llx", (unsigned long long)r->address);
    }
}

static void exception(struct report *p)
{
    struct jot *j = &p->j;
    char said[SENTENCE_MAX];
    sentence(p->r, said);
    jot_object(j, "exception");
    jot_array(j, "values");
    jot_object(j, NULL);
    TEXT_OF(p, p->r->type);
    const char *name = record_signal_name(p->r->signal);
    jot_string(j, "type", *p->memory ? p->memory : *name ? name : "Signal");
    TEXT_OF(p, p->r->message);
    jot_string(j, "value", *p->memory ? p->memory : said);
    jot_i64(j, "thread_id", p->r->tid);
    mechanism(p);
    stack(p);
    jot_end(j);
    jot_end(j);
    jot_end(j);
}

static void threads(struct report *p, bool with_stack)
{
    struct jot *j = &p->j;
    jot_object(j, "threads");
    jot_array(j, "values");
    for (size_t i = 0; i < p->r->threads_n; i++) {
        const struct crash_thread *t = &p->parts->threads[i];
        bool own = t->tid == p->r->tid;
        jot_object(j, NULL);
        jot_i64(j, "id", t->tid);
        PUT(p, "name", t->name);
        jot_bool(j, "crashed", own && !with_stack);
        jot_bool(j, "current", own);
        jot_bool(j, "main", t->tid == p->r->pid);
        if (own && with_stack) {
            stack(p);
        }
        jot_end(j);
    }
    jot_end(j);
    jot_end(j);
}

static void breadcrumbs(struct report *p)
{
    struct jot *j = &p->j;
    jot_object(j, "breadcrumbs");
    jot_array(j, "values");
    for (size_t i = 0; i < p->r->breadcrumbs_n; i++) {
        const struct crash_breadcrumb *b = &p->parts->breadcrumbs[i];
        struct breadcrumb_record to = {.unix_ns = b->unix_ns, .level = b->level};
        memcpy(to.trace_id, b->trace_id, sizeof to.trace_id);
        snprintf(to.category, sizeof to.category, "%.*s", (int)sizeof b->category - 1, b->category);
        snprintf(to.message, sizeof to.message, "%.*s", (int)sizeof b->message - 1, b->message);
        snprintf(to.data, sizeof to.data, "%.*s", (int)sizeof b->data - 1, b->data);
        breadcrumb_json(&to, j);
    }
    jot_end(j);
    jot_end(j);
}

static void contexts(struct report *p)
{
    static const uint8_t nowhere[16];
    struct jot *j = &p->j;
    const struct crash_record *r = p->r;
    jot_object(j, "contexts");
    jot_object(j, "os");
    PUT(p, "name", r->os);
    PUT(p, "version", r->kernel);
    PUT(p, "build", r->build);
    PUT(p, "distribution_pretty_name", r->distribution);
    jot_end(j);
    jot_object(j, "device");
    PUT(p, "arch", r->arch);
    jot_end(j);
    jot_object(j, "app");
    PUT(p, "app_name", r->service);
    PUT(p, "app_version", r->release);
    jot_time(j, "app_start_time", r->started_unix_ns);
    jot_end(j);
    if (memcmp(r->trace_id, nowhere, sizeof nowhere) != 0) {
        jot_object(j, "trace");
        jot_hex(j, "trace_id", r->trace_id, sizeof r->trace_id);
        jot_hex(j, "span_id", r->span_id, sizeof r->span_id);
        jot_end(j);
    }
    jot_end(j);
}

static void spans(struct report *p)
{
    struct jot *j = &p->j;
    jot_array(j, "open_spans");
    for (size_t i = 0; i < p->r->spans_n; i++) {
        const struct crash_span *s = &p->parts->spans[i];
        jot_object(j, NULL);
        PUT(p, "name", s->name);
        jot_i64(j, "thread", s->tid);
        jot_time(j, "start", s->start_unix_ns);
        jot_hex(j, "trace_id", s->trace_id, sizeof s->trace_id);
        jot_hex(j, "span_id", s->span_id, sizeof s->span_id);
        jot_end(j);
    }
    jot_end(j);
}

static void extra(struct report *p)
{
    struct jot *j = &p->j;
    const struct crash_record *r = p->r;
    jot_object(j, "extra");
    PUT(p, "command_line", r->command_line);
    PUT(p, "executable", r->executable);
    PUT(p, "instance", r->instance);
    PUT(p, "thread", r->thread_name);
    jot_i64(j, "pid", r->pid);
    spans(p);
    jot_array(j, "active_operations");
    for (size_t i = 0; i < r->operations_n; i++) {
        const struct crash_operation *o = &p->parts->operations[i];
        jot_object(j, NULL);
        PUT(p, "service", o->service);
        PUT(p, "operation", o->operation);
        jot_i64(j, "thread", o->tid);
        jot_time(j, "start", o->start_unix_ns);
        jot_end(j);
    }
    jot_end(j);
    jot_end(j);
}

static void images(struct report *p)
{
    struct jot *j = &p->j;
    jot_object(j, "debug_meta");
    jot_array(j, "images");
    for (size_t i = 0; i < p->modules->n && i < IMAGES_MAX; i++) {
        const struct loaded_module *m = &p->modules->module[i];
        char id[40], code[2 * MODULE_BUILD_ID_MAX + 1];
        module_list_debug_id(m, id);
        module_list_code_id(m, code);
        jot_object(j, NULL);
        jot_string(j, "type", "elf");
        envelope_text(j, "code_file", m->path);
        jot_address(j, "image_addr", m->start);
        jot_u64(j, "image_size", m->end - m->start);
        if (*id) {
            jot_string(j, "debug_id", id);
            jot_string(j, "code_id", code);
        }
        jot_end(j);
    }
    jot_end(j);
    jot_end(j);
}

static void tags(struct report *p)
{
    jot_object(&p->j, "tags");
    PUT(p, "service", p->r->service);
    const char *name = record_signal_name(p->r->signal);
    if (*name) {
        jot_string(&p->j, "signal", name);
    }
    jot_end(&p->j);
}

/* What all kinds begin with; the object is left open. */
static void begin(struct report *p, const char *level, int64_t unix_ns)
{
    const struct crash_record *r = p->r;
    char release[RECORD_TEXT_MAX], environment[RECORD_TEXT_MAX], host[RECORD_TEXT_MAX];
    struct envelope_origin origin = {.service = ""};
    origin.release = RECORD_TEXT(r->release, release);
    origin.environment = RECORD_TEXT(r->environment, environment);
    origin.host = RECORD_TEXT(r->host, host);
    origin.started_unix_ns = r->started_unix_ns;
    jot_object(&p->j, NULL);
    envelope_head(&p->j, r->event_id, unix_ns, &origin);
    jot_string(&p->j, "level", level);
    jot_string(&p->j, "logger", "sonde.crash");
    if (r->session.user[0]) {
        jot_object(&p->j, "user");
        PUT(p, "id", r->session.user);
        jot_end(&p->j);
    }
    tags(p);
    contexts(p);
}

static void event(struct report *p)
{
    bool crashed = p->r->kind == CRASH_SIGNAL;
    begin(p, crashed ? "fatal" : "info", p->r->unix_ns);
    if (crashed) {
        exception(p);
    } else {
        TEXT_OF(p, p->r->message);
        jot_string(&p->j, "message", *p->memory ? p->memory : "a record on demand");
    }
    threads(p, !crashed);
    breadcrumbs(p);
    extra(p);
    images(p);
    jot_end(&p->j);
}

static void session(const struct crash_session *from, const char *status, int64_t unix_ns,
                    struct text *ret)
{
    char memory[SESSION_MAX];
    struct session_state s;
    struct text t;
    _Static_assert(sizeof s == sizeof *from, "a session as client/error has it");
    if (!from->open) {
        return;
    }
    memcpy(&s, from, sizeof s);
    s.user[sizeof s.user - 1] = 0;
    s.errors++;
    unix_ns = unix_ns > 0 ? unix_ns : 0; /* a damaged record may say anything */
    if (s.started_unix_ns < 0 || s.started_unix_ns > unix_ns) {
        s.started_unix_ns = unix_ns;
    }
    text_over(&t, memory, sizeof memory);
    session_json(&s, status, unix_ns, &t);
    if (!t.cut) {
        envelope_item(ret, "session", t.bytes, t.len);
    }
}

bool report_write(const struct crash_record *r, const struct record_parts *parts,
                  const struct report_symbols *symbols, struct text *ret)
{
    struct text t;
    struct module_list *modules = modules_of(r, parts->modules);
    if (!modules) {
        return false;
    }
    struct report p = {.r = r, .parts = parts, .symbols = symbols, .modules = modules};
    text_init(&t, ITEM_MAX);
    jot_init(&p.j, &t);
    event(&p);
    bool good = !t.cut;
    if (good) {
        envelope_begin(ret, r->event_id);
        envelope_item(ret, "event", t.bytes, t.len);
        if (r->kind == CRASH_SIGNAL) {
            session(&r->session, "crashed", r->unix_ns, ret);
        }
    }
    text_done(&t);
    free(modules);
    return good && !ret->cut;
}

bool report_write_session(const struct crash_record *r, struct text *ret)
{
    size_t empty = ret->len;
    envelope_begin(ret, NULL);
    size_t before = ret->len;
    session(&r->mirror, "abnormal", r->seen_unix_ns ? r->seen_unix_ns : r->started_unix_ns, ret);
    bool good = ret->len > before && !ret->cut;
    ret->len = good ? ret->len : empty;
    return good;
}

bool report_write_abnormal(const struct crash_record *r, bool restarted, struct text *ret)
{
    struct record_parts none = {NULL, NULL, NULL, NULL, NULL};
    struct report p = {.r = r, .parts = &none};
    struct text t;
    int64_t seen = r->seen_unix_ns ? r->seen_unix_ns : r->started_unix_ns;
    text_init(&t, ITEM_MAX);
    jot_init(&p.j, &t);
    begin(&p, "fatal", seen);
    jot_object(&p.j, "exception");
    jot_array(&p.j, "values");
    jot_object(&p.j, NULL);
    jot_string(&p.j, "type", "AbnormalEnd");
    jot_string(&p.j, "value",
               restarted
                   ? "The program ended without a word: the machine was restarted."
                   : "The program ended without a word: killed, out of memory, or by _exit().");
    jot_object(&p.j, "mechanism");
    jot_string(&p.j, "type", "abnormal_end");
    jot_bool(&p.j, "handled", false);
    jot_bool(&p.j, "synthetic", true);
    jot_end(&p.j);
    jot_end(&p.j);
    jot_end(&p.j);
    jot_end(&p.j);
    jot_end(&p.j);
    if (!t.cut) {
        envelope_begin(ret, r->event_id);
        envelope_item(ret, "event", t.bytes, t.len);
        session(&r->mirror, "abnormal", seen, ret);
    }
    bool good = !t.cut && !ret->cut;
    text_done(&t);
    return good;
}
