#include "client/error/error.h"

#include <stdio.h>
#include <string.h>
#include <errno.h>
#include <sys/prctl.h>

#include "client/core/command.h"
#include "client/core/lost.h"
#include "client/core/module.h"
#include "client/core/setting.h"
#include "client/core/slot.h"
#include "client/core/ticks.h"
#include "client/core/worker.h"
#include "client/error/checkin.h"
#include "client/error/error_alike.h"
#include "client/error/error_open.h"
#include "client/error/error_recent.h"
#include "client/error/error_record.h"
#include "client/error/error_thread.h"
#include "client/error/error_types.h"
#include "client/error/report.h"
#include "client/error/session.h"
#include "client/error/set.h"
#include "client/stack/unwind.h"
#include "client/trace/current.h"

enum { TAGS_MAX = 32, EXTRA_MAX = 64, FINGERPRINT_MAX = 8, PERIOD_MS = 500, USER_TEXT_MAX = 256 };

static void round_of_worker(void *unused)
{
    error_pass(false);
    session_flush(false);
    checkin_flush();
    report_flush(false);
}

static struct worker_task task = {
    .name = "error", .run = round_of_worker, .period_ns = (uint64_t)PERIOD_MS * 1000000};

void error_wake(void)
{
    worker_task_now(&task);
}

/* ---- copying, on the calling thread ---- */

static void copy_tags(struct error_record *r, const sonde_label *tags)
{
    const struct error_thread *t = error_thread_mine(false);
    r->tags = r->data_n;
    for (size_t i = 0; t && i < t->tags_n; i++) {
        const struct error_tag *g = &t->tags[i];
        error_record_bytes(r, g->key, strlen(g->key) + 1, 1);
        error_record_bytes(r, g->value, strlen(g->value) + 1, 1);
        r->tags_n++;
    }
    for (size_t i = 0; tags && tags[i].name && i < TAGS_MAX; i++) {
        const char *value = tags[i].value ? tags[i].value : "";
        size_t key_n = strnlen(tags[i].name, ERROR_TAG_KEY_MAX) + 1;
        size_t value_n = strnlen(value, ERROR_TAG_VALUE_MAX - 1);
        if (key_n > ERROR_TAG_KEY_MAX || ERROR_DATA_MAX - r->data_n < key_n + value_n + 1) {
            r->cut = true;
            continue;
        }
        error_record_bytes(r, tags[i].name, key_n, 1);
        error_record_bytes(r, value, value_n, 1);
        error_record_bytes(r, "", 1, 1);
        r->tags_n++;
    }
}

static void copy_extra(struct error_record *r, const sonde_attr *extra, size_t n)
{
    r->extra = r->data_n;
    for (size_t i = 0; extra && i < n && i < EXTRA_MAX; i++) {
        const sonde_attr *a = &extra[i];
        const char *key = a->key ? a->key : "", *string = "";
        size_t key_n = strlen(key), value_n = 8;
        int64_t integer = a->type == SONDE_ATTR_BOOL ? a->value.boolean : a->value.integer;
        if (a->type == SONDE_ATTR_STRING) {
            string = a->value.string ? a->value.string : "";
            value_n = a->length >= 0 ? strnlen(string, (size_t)a->length)
                                     : strnlen(string, ERROR_MESSAGE_MAX);
        }
        if (ERROR_DATA_MAX - r->data_n < key_n + value_n + 3) {
            r->cut = true;
            return;
        }
        char type = (char)a->type;
        error_record_bytes(r, key, key_n + 1, 1);
        error_record_bytes(r, &type, 1, 1);
        if (a->type == SONDE_ATTR_STRING) {
            error_record_bytes(r, string, value_n, 1);
            error_record_bytes(r, "", 1, 1);
        } else if (a->type == SONDE_ATTR_DOUBLE) {
            error_record_bytes(r, &a->value.number, 8, 1);
        } else {
            error_record_bytes(r, &integer, 8, 1);
        }
        r->extra_n++;
    }
}

static void copy_fingerprint(struct error_record *r, const char *const *parts, size_t n)
{
    r->fingerprint = r->data_n;
    for (size_t i = 0; parts && i < n && i < FINGERPRINT_MAX; i++) {
        const char *part = parts[i] ? parts[i] : "";
        size_t m = strnlen(part, USER_TEXT_MAX);
        if (ERROR_DATA_MAX - r->data_n < m + 1) {
            r->cut = true;
            return;
        }
        error_record_bytes(r, part, m, 1);
        error_record_bytes(r, "", 1, 1);
        r->fingerprint_n++;
    }
}

static uint32_t copy_stack(uint64_t *ret, const void *const *stack, size_t n)
{
    size_t i = 0;
    for (; stack && i < n && i < ERROR_FRAMES_MAX; i++) {
        ret[i] = (uint64_t)(uintptr_t)stack[i];
    }
    return (uint32_t)i;
}

static void copy_causes(struct error_record *r, const sonde_error_cause *c)
{
    for (; c && r->causes_n < ERROR_CAUSES_MAX; c = c->cause) {
        if (c->struct_size < sizeof *c) {
            return;
        }
        uint64_t stack[ERROR_FRAMES_MAX];
        uint32_t n = copy_stack(stack, c->stack, c->stack_n);
        struct error_cause *to = &r->causes[r->causes_n++];
        *to = (struct error_cause){
            .type = error_record_text(r, c->type),
            .message = error_record_text(r, c->message),
            .module = error_record_text(r, c->module),
            .has_code = c->has_code,
            .code = c->code,
        };
        to->stack = n ? error_record_bytes(r, stack, n * sizeof *stack, 8) : 0;
        to->stack_n = to->stack ? n : 0;
    }
    r->cut = r->cut || c;
}

static void copy_user(struct error_record *r, const sonde_user *user)
{
    if (user && user->struct_size >= sizeof *user) {
        r->has_user = true;
        r->user_id = error_record_text(r, user->id);
        r->user_email = error_record_text(r, user->email);
        r->user_name = error_record_text(r, user->name);
        r->user_ip = error_record_text(r, user->ip);
    }
}

/* The thread's stack from the application's frame on. */
static void walk(struct error_record *r, const void *caller)
{
    uintptr_t stack[ERROR_FRAMES_MAX];
    size_t n = unwind_here(stack, ERROR_FRAMES_MAX, 0), from = 0;
    for (size_t i = 0; i < n; i++) {
        if (stack[i] == (uintptr_t)caller) {
            from = i;
            break;
        }
    }
    for (size_t i = from; i < n; i++) {
        r->stack[r->stack_n++] = stack[i];
    }
}

static uint32_t copy_message(struct error_record *r, const char *message, const char *format,
                             va_list *args)
{
    if (!format) {
        return error_record_text(r, message);
    }
    size_t room = ERROR_DATA_MAX - r->data_n;
    room = room < ERROR_MESSAGE_MAX ? room : ERROR_MESSAGE_MAX;
    uint32_t at = r->data_n;
    int n = vsnprintf(r->data + at, room, format, *args);
    if (n <= 0) {
        return 0;
    }
    r->cut = r->cut || (size_t)n >= room;
    r->data_n += (uint32_t)((size_t)n < room ? (size_t)n + 1 : room);
    return at;
}

static void fill(struct error_record *r, const sonde_error_info *info, const void *caller,
                 const char *format, va_list *args)
{
    r->unix_ns = ticks_unix_now_ns();
    r->level = info->level;
    r->flags = info->flags;
    r->trace = info->context_of_trace ? *info->context_of_trace : current_context();
    struct slot *s = slot_mine();
    r->tid = s ? s->tid : 0;
    prctl(PR_GET_NAME, r->thread);
    r->has_code = info->has_code;
    r->code = info->code;
    r->type = error_record_text(r, info->type);
    r->message = copy_message(r, info->message, format, args);
    r->pattern = error_record_text(r, info->pattern);
    r->logger = error_record_text(r, info->logger);
    r->module = error_record_text(r, info->module);
    r->mechanism = error_record_text(r, info->mechanism);
    r->transaction = error_record_text(r, info->transaction);
    copy_user(r, info->user);
    copy_tags(r, info->tags);
    copy_fingerprint(r, info->fingerprint, info->fingerprint_n);
    copy_causes(r, info->cause);
    copy_extra(r, info->extra, info->extra_n);
    size_t context_n = info->context ? strlen(info->context) + 1 : 0;
    if (context_n > 1) { /* whole or as a text that is cut */
        r->context = context_n <= ERROR_DATA_MAX - r->data_n
                         ? error_record_bytes(r, info->context, context_n, 1)
                         : error_record_text(r, info->context);
    }
    r->stack_own_n = copy_stack(r->stack_own, info->stack, info->stack_n);
    if (setting.error_stack && !(info->flags & SONDE_ERROR_NO_STACK) &&
        (!r->stack_own_n || info->flags & SONDE_ERROR_STACK_HERE)) {
        walk(r, caller);
    }
}

/* Left out: counted, and followed where its end is awaited. */
static sonde_error_ref left_out(const sonde_error_info *info, uint32_t type, uint64_t now,
                                enum lost_reason reason)
{
    lost_add(LOST_ERROR, reason, 1);
    return info->flags & SONDE_ERROR_OPEN ? error_open_begin(type, info->level, now) : 0;
}

sonde_error_ref error_capture(const sonde_error_info *info, const void *caller, const char *format,
                              va_list *args)
{
    if (!atomic_load_explicit(&module_on, memory_order_relaxed)) {
        return 0;
    }
    module_wake();
    uint64_t now = ticks_now(), alike_left_out;
    uint32_t type = error_types_of(info->type), alike;
    if (info->level >= SONDE_LEVEL_ERROR) {
        session_error();
    }
    if (!(info->flags & SONDE_ERROR_OPEN)) {
        bool fatal = info->level >= SONDE_LEVEL_FATAL || info->flags & SONDE_ERROR_UNHANDLED;
        error_types_count(type, info->level, fatal ? SONDE_OUTCOME_FATAL : SONDE_OUTCOME_HANDLED);
    }
    uint64_t hash = error_alike_of(info->type ? info->type : "", info->pattern,
                                   info->message ? info->message : "", (uintptr_t)caller);
    enum error_verdict verdict = error_alike_ask(hash, now, &alike, &alike_left_out);
    if (verdict != ERROR_KEPT) {
        return left_out(info, type, now,
                        verdict == ERROR_ALIKE ? LOST_DEDUPLICATED : LOST_RATE_LIMIT);
    }
    struct error_record *r = error_record_take();
    if (!r) {
        return left_out(info, type, now, LOST_QUEUE_FULL);
    }
    int kept = errno;
    r->ticks = now;
    r->type_id = type;
    r->alike = alike;
    r->left_out = alike_left_out;
    uint64_t total = alike == ERROR_ALIKE_NONE ? 0 : error_alike_total(alike);
    r->alike_before = total ? total - 1 : 0;
    r->ref = info->flags & SONDE_ERROR_OPEN ? error_open_begin(type, info->level, now)
                                            : error_open_plain();
    sonde_error_ref ref = r->ref;
    fill(r, info, caller, format, args);
    error_open_has_event(ref);
    error_record_put(r);
    error_wake();
    errno = kept;
    return ref;
}

/* ---- public ---- */

sonde_error_ref sonde_error_capture(int level, const char *type, const char *message)
{
    sonde_error_info info = SONDE_ERROR_INFO_INIT;
    info.level = level;
    info.type = type;
    info.message = message;
    return error_capture(&info, __builtin_return_address(0), NULL, NULL);
}

sonde_error_ref sonde_error_capture_f(int level, const char *type, const char *format, ...)
{
    sonde_error_info info = SONDE_ERROR_INFO_INIT;
    info.level = level;
    info.type = type;
    info.pattern = format ? format : "";
    va_list args;
    va_start(args, format);
    sonde_error_ref ref =
        error_capture(&info, __builtin_return_address(0), format ? format : "", &args);
    va_end(args);
    return ref;
}

sonde_error_ref sonde_error_errno(int level, int number, const char *what)
{
    if (!atomic_load_explicit(&module_on, memory_order_relaxed)) {
        return 0;
    }
    int kept = errno;
    char message[512];
    const char *text = strerrordesc_np(number), *name = strerrorname_np(number);
    snprintf(message, sizeof message, "%s%s%s", what ? what : "", what ? ": " : "",
             text ? text : "unknown error");
    sonde_error_info info = SONDE_ERROR_INFO_INIT;
    info.level = level;
    info.type = name ? name : "errno";
    info.message = message;
    info.mechanism = "errno";
    info.has_code = true;
    info.code = number;
    errno = kept;
    return error_capture(&info, __builtin_return_address(0), NULL, NULL);
}

sonde_error_ref sonde_error_capture_info(const sonde_error_info *info)
{
    sonde_error_info whole = SONDE_ERROR_INFO_INIT;
    if (!info || info->struct_size < offsetof(sonde_error_info, pattern)) {
        return 0;
    }
    memcpy(&whole, info, info->struct_size < sizeof whole ? info->struct_size : sizeof whole);
    return error_capture(&whole, __builtin_return_address(0), NULL, NULL);
}

int sonde_error_event_id(sonde_error_ref error, char ret[33])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t id[16];
    if (!error || !ret) {
        return SONDE_ERROR_ARGUMENT;
    }
    error_open_event_id(error, id);
    for (size_t i = 0; i < sizeof id; i++) {
        ret[2 * i] = digits[id[i] >> 4];
        ret[2 * i + 1] = digits[id[i] & 15];
    }
    ret[32] = 0;
    return 0;
}

sonde_error_ref sonde_error_scope_begin(const char *type, const char *message)
{
    sonde_error_info info = SONDE_ERROR_INFO_INIT;
    info.type = type;
    info.message = message;
    info.flags = SONDE_ERROR_OPEN;
    return error_capture(&info, __builtin_return_address(0), NULL, NULL);
}

void sonde_error_scope_retry(sonde_error_ref error)
{
    error_open_retry(error);
}

int sonde_error_end(sonde_error_ref error, int outcome)
{
    if (outcome < SONDE_OUTCOME_UNKNOWN || outcome > SONDE_OUTCOME_FATAL) {
        return SONDE_ERROR_ARGUMENT;
    }
    if (!atomic_load_explicit(&module_on, memory_order_relaxed)) {
        return SONDE_ERROR_STATE;
    }
    int err = error_open_end(error, outcome);
    if (!err) {
        error_wake();
    }
    return err;
}

void sonde_error_scope_leave(sonde_error_ref *error)
{
    if (error && *error) {
        (void)sonde_error_end(*error, SONDE_OUTCOME_UNKNOWN); /* it may have ended: as well */
        *error = 0;
    }
}

/* ---- module ---- */

static int start(char *problem)
{
    if (strcmp(setting.session_mode, "program") != 0 &&
        strcmp(setting.session_mode, "request") != 0) {
        snprintf(problem, SETTING_PROBLEM_MAX,
                 "session.mode = \"%.40s\": it is \"program\" or \"request\"",
                 setting.session_mode);
        return SONDE_ERROR_ARGUMENT;
    }
    unwind_start();
    error_record_reset();
    error_open_reset();
    error_alike_reset();
    error_pass_reset();
    error_types_start();
    error_recent_reset();
    error_recent_start();
    report_start();
    session_begin();
    worker_task_add(&task);
    return 0;
}

static void flush(void)
{
    bool ending = atomic_load_explicit(&module_ending, memory_order_relaxed);
    error_pass(true);
    if (ending) {
        session_finish();
    }
    session_flush(true);
    checkin_flush();
    report_flush(ending);
}

static void stop(void)
{
    worker_task_remove(&task);
    error_types_stop();
    set_reset();
}

static void fork_child(void)
{
    error_record_reset();
    error_open_reset();
    error_alike_reset();
    error_pass_reset();
    error_types_reset();
    error_recent_reset();
    set_fork_child();
    checkin_fork_child();
    report_start();
    session_fork_child();
}

const struct module error_module = {
    .name = "error",
    .start = start,
    .flush = flush,
    .stop = stop,
    .fork_child = fork_child,
};
