#include "client/crash/terminate.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/crash/gather.h"
#include "client/stack/peek.h"
#include "client/stack/unwind.h"

typedef void handler_f(void);
typedef handler_f *set_handler_f(handler_f *handler);

/* std::type_info: its virtual functions and its name. */
typedef bool catches_f(const void *wanted, const void *thrown, void **object, unsigned outer);
typedef const char *what_f(const void *exception);
struct type_info {
    void *const *virtual;
    const char *name;
};
enum { VIRTUAL_CATCHES = 4, VIRTUAL_WHAT = 2, PURE_BYTES = 64, STACK_LOOKED_AT = 16 };

/* What is thrown, as the ABI lays it out before the exception object. */
struct thrown {
    const struct type_info *type;
    void *destructor, *unexpected, *terminate;
    struct thrown *next;
    int handlers, switch_value;
    const void *action, *data, *landing;
    void *adjusted;
    uint64_t class; /* begin of _Unwind_Exception */
    void *cleanup;
    uint64_t private[2];
} __attribute__((aligned(16)));
struct globals {
    struct thrown *caught;
    unsigned uncaught;
};
typedef struct globals *globals_f(void);
static const uint64_t class_cxx = 0x474e5543432b2b00, class_dependent = 0x474e5543432b2b01;

static handler_f *before;
static set_handler_f *set_handler;

static void *find(const char *name)
{
    return dlsym(RTLD_DEFAULT, name);
}

static void put_type(const char *mangled, char ret[GATHER_TYPE_MAX])
{
    typedef char *demangle_f(const char *mangled, char *buffer, size_t *length, int *status);
    void *found = find("__cxa_demangle");
    demangle_f *demangle;
    memcpy(&demangle, &found, sizeof found);
    mangled += *mangled == '*';
    char *plain = found ? demangle(mangled, NULL, NULL, NULL) : NULL;
    snprintf(ret, GATHER_TYPE_MAX, "%s", plain ? plain : mangled);
    free(plain);
}

/* what() of an exception that is a std::exception; NULL for others. */
static const char *what_of(const struct type_info *type, void *object)
{
    const struct type_info *standard = find("_ZTISt9exception");
    catches_f *catches;
    what_f *what;
    if (!standard) {
        return NULL;
    }
    memcpy(&catches, &standard->virtual[VIRTUAL_CATCHES], sizeof catches);
    if (!catches(standard, type, &object, 1)) {
        return NULL;
    }
    void *const *virtual = *(void *const *const *)object;
    memcpy(&what, &virtual[VIRTUAL_WHAT], sizeof what);
    return what(object);
}

static const struct thrown *caught(void)
{
    void *found = find("__cxa_get_globals");
    globals_f *get;
    memcpy(&get, &found, sizeof found);
    const struct globals *g = found ? get() : NULL;
    return g ? g->caught : NULL;
}

/* Does a pure virtual function call us? */
static bool is_pure(void)
{
    uintptr_t stack[STACK_LOOKED_AT], pure = (uintptr_t)find("__cxa_pure_virtual");
    size_t n = pure ? unwind_here(stack, STACK_LOOKED_AT, 0) : 0;
    for (size_t i = 0; i < n; i++) {
        if (stack[i] > pure && stack[i] - pure < PURE_BYTES) {
            return true;
        }
    }
    return false;
}

static void say(void)
{
    char type[GATHER_TYPE_MAX];
    const struct thrown *t = caught();
    struct thrown copy; /* a layout that is not the one known here must not become a fault */
    if (!t || !peek_once((uint64_t)(uintptr_t)t, &copy, sizeof copy)) {
        gather_say("std::terminate", is_pure() ? "pure virtual method called"
                                               : "terminate called without an active exception");
        return;
    }
    void *object = NULL;
    const struct type_info *info = copy.type;
    struct thrown primary;
    if (copy.class == class_cxx) {
        object = (void *)((uintptr_t)t + sizeof *t);
    } else if (copy.class == class_dependent) { /* rethrown from an exception_ptr */
        memcpy(&object, &copy, sizeof object);
        uint64_t at = (uint64_t)(uintptr_t)object - sizeof primary;
        info = peek_once(at, &primary, sizeof primary) ? primary.type : NULL;
    }
    struct type_info known;
    if (!object || !peek_once((uint64_t)(uintptr_t)info, &known, sizeof known)) {
        gather_say("std::terminate", "an exception of another language");
        return;
    }
    put_type(known.name, type);
    const char *what = what_of(info, object);
    gather_say(type, what ? what : "thrown, and caught by nobody");
}

static void on_terminate(void)
{
    static _Thread_local bool entered __attribute__((tls_model("initial-exec")));
    if (!entered) { /* what() may throw, which ends here again */
        entered = true;
        say();
        entered = false;
    }
    if (before && before != on_terminate) {
        before();
    }
    abort();
}

void terminate_hook(void)
{
    /* Of libstdc++ alone: others lay their exceptions out in other ways. */
    void *found = find("_ZSt13set_terminatePFvvE");
    if (set_handler || !found || !find("_ZN9__gnu_cxx27__verbose_terminate_handlerEv")) {
        return;
    }
    memcpy(&set_handler, &found, sizeof found);
    before = set_handler(on_terminate);
}

void terminate_unhook(void)
{
    if (set_handler) {
        handler_f *now = set_handler(before);
        if (now != on_terminate) { /* the program has set another one since */
            set_handler(now);
        }
        set_handler = NULL;
    }
}
