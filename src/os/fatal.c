#include "os/fatal.h"

#include <execinfo.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/attr.h"

enum {
    FRAMES_MAX = 64,
    STACK_BYTES = 64 << 10, /* of the main thread's alternative stack */
};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static const bool HANDLED_ELSEWHERE = true;
#else
static const bool HANDLED_ELSEWHERE = false;
#endif

static const struct {
    int signum;
    const char *name;
} SIGNALS[] = {
    {SIGSEGV, "SIGSEGV"}, {SIGBUS, "SIGBUS"},   {SIGFPE, "SIGFPE"},   {SIGILL, "SIGILL"},
    {SIGABRT, "SIGABRT"}, {SIGSYS, "SIGSYS"},   {SIGKILL, "SIGKILL"}, {SIGTERM, "SIGTERM"},
    {SIGINT, "SIGINT"},   {SIGHUP, "SIGHUP"},   {SIGQUIT, "SIGQUIT"}, {SIGTRAP, "SIGTRAP"},
    {SIGPIPE, "SIGPIPE"}, {SIGXCPU, "SIGXCPU"}, {SIGXFSZ, "SIGXFSZ"}, {SIGUSR1, "SIGUSR1"},
};
enum { FATAL_N = 6 /* the first of SIGNALS */ };

static char alternative[STACK_BYTES] ALIGNED(16);

const char *fatal_name(int signum)
{
    for (size_t i = 0; i < COUNTOF(SIGNALS); i++)
        if (SIGNALS[i].signum == signum)
            return SIGNALS[i].name;
    return "signal";
}

static void say(const char *text)
{
    ssize_t written UNUSED = write(STDERR_FILENO, text, strlen(text));
}

static void say_address(uintptr_t address)
{
    char text[2 + 2 * sizeof address + 1] = "0x";
    for (size_t i = 0; i < 2 * sizeof address; i++)
        text[2 + i] = "0123456789abcdef"[(address >> (8 * sizeof address - 4 * (i + 1))) & 15];
    say(text);
}

static void last_words(int signum, siginfo_t *info, void *context)
{
    say("fatal: ");
    say(fatal_name(signum));
    if (signum == SIGSEGV || signum == SIGBUS) {
        say(" at address ");
        say_address((uintptr_t)info->si_addr);
    }
    say(", stack:\n");
    void *frames[FRAMES_MAX];
    backtrace_symbols_fd(frames, backtrace(frames, FRAMES_MAX), STDERR_FILENO);
    /* SA_RESETHAND has put the default action back; a fault comes again by itself on return. */
    raise(signum);
}

void fatal_install(void)
{
    if (HANDLED_ELSEWHERE)
        return;
    void *frames[1];
    int loaded UNUSED = backtrace(frames, 1); /* the first call loads a library: not in a handler */
    stack_t stack = {.ss_sp = alternative, .ss_size = sizeof alternative};
    sigaltstack(&stack, NULL);
    for (size_t i = 0; i < FATAL_N; i++) {
        struct sigaction action = {.sa_sigaction = last_words,
                                   .sa_flags = SA_SIGINFO | SA_ONSTACK | (int)SA_RESETHAND};
        sigaction(SIGNALS[i].signum, &action, NULL);
    }
}
