/* client/error/error_chain.c - an error on its way up: made, wrapped, captured. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/core/module.h"
#include "client/error/error.h"
#include "client/stack/unwind.h"

enum { TYPE_MAX = 64, MESSAGE_MAX = 512, FRAMES_MAX = 48, DEPTH_MAX = 16 };

struct sonde_error_chain {
    struct sonde_error_chain *cause;
    unsigned depth;
    int64_t code;
    const void *place; /* in the application */
    size_t stack_n;    /* of the innermost alone */
    uintptr_t stack[FRAMES_MAX];
    char type[TYPE_MAX], message[MESSAGE_MAX];
};

static sonde_error_chain *make(sonde_error_chain *cause, const char *type, int64_t code,
                               const char *format, va_list args, const void *place)
{
    if (cause && cause->depth == DEPTH_MAX) {
        return cause; /* it is deep enough to be understood */
    }
    sonde_error_chain *c = malloc(sizeof *c);
    if (!c) {
        return cause;
    }
    c->cause = cause;
    c->depth = cause ? cause->depth + 1 : 1;
    c->code = code;
    c->place = place;
    c->stack_n = 0;
    snprintf(c->type, sizeof c->type, "%s", type ? type : "Error");
    vsnprintf(c->message, sizeof c->message, format ? format : "", args);
    if (!cause && atomic_load_explicit(&module_on, memory_order_relaxed)) {
        c->stack_n = unwind_here(c->stack, FRAMES_MAX, 0);
        size_t from = 0;
        while (from < c->stack_n && c->stack[from] != (uintptr_t)place) {
            from++;
        }
        if (from < c->stack_n) {
            c->stack_n -= from;
            memmove(c->stack, c->stack + from, c->stack_n * sizeof *c->stack);
        }
    }
    return c;
}

sonde_error_chain *sonde_error_chain_new(const char *type, int64_t code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    sonde_error_chain *c = make(NULL, type, code, format, args, __builtin_return_address(0));
    va_end(args);
    return c;
}

sonde_error_chain *sonde_error_chain_wrap(sonde_error_chain *chain, const char *type, int64_t code,
                                          const char *format, ...)
{
    va_list args;
    va_start(args, format);
    sonde_error_chain *c = make(chain, type, code, format, args, __builtin_return_address(0));
    va_end(args);
    return c;
}

void sonde_error_chain_free(sonde_error_chain *chain)
{
    while (chain) {
        sonde_error_chain *cause = chain->cause;
        free(chain);
        chain = cause;
    }
}

int64_t sonde_error_chain_code(const sonde_error_chain *chain)
{
    return chain ? chain->code : 0;
}

size_t sonde_error_chain_text(const sonde_error_chain *chain, char *ret, size_t size)
{
    size_t n = 0;
    if (size) {
        ret[0] = 0;
    }
    for (; chain; chain = chain->cause) {
        int m = snprintf(n < size ? ret + n : NULL, n < size ? size - n : 0, "%s%s", n ? ": " : "",
                         chain->message);
        n += m > 0 ? (size_t)m : 0;
    }
    return n;
}

static const void *const *stack_of(const sonde_error_chain *c)
{
    return c->stack_n ? (const void *const *)c->stack : NULL;
}

sonde_error_ref sonde_error_chain_capture(sonde_error_chain *chain, int level)
{
    if (!chain) {
        return 0;
    }
    sonde_error_cause causes[DEPTH_MAX];
    size_t n = 0;
    for (const sonde_error_chain *c = chain->cause; c; c = c->cause) {
        causes[n++] = (sonde_error_cause){
            .struct_size = sizeof causes[0],
            .type = c->type,
            .message = c->message,
            .has_code = c->code != 0,
            .code = c->code,
            .stack = stack_of(c),
            .stack_n = c->stack_n,
        };
        if (n > 1) {
            causes[n - 2].cause = &causes[n - 1];
        }
    }
    sonde_error_info info = SONDE_ERROR_INFO_INIT;
    info.level = level;
    info.type = chain->type;
    info.message = chain->message;
    info.has_code = chain->code != 0;
    info.code = chain->code;
    info.cause = n ? causes : NULL;
    info.stack = stack_of(chain);
    info.stack_n = chain->stack_n;
    sonde_error_ref ref = error_capture(&info, chain->place, NULL, NULL);
    sonde_error_chain_free(chain);
    return ref;
}
