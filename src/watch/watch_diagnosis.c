#include "watch/watch_diagnosis.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "os/kernel_log.h"
#include "os/process.h"
#include "watch/tail.h"

enum {
    CONFIGURATION = 78, /* EX_CONFIG of sysexits.h */
    NOT_FOUND = 127,    /* of shells */
    NOT_ALLOWED = 126,
    KILLED_BY_SHELL = 128,
    SIGNAL_KILL = 9,
    TEXT_SIZE = 600,
    PORT_WORDS = 5, /* digits of a port */
};

static const char *const words[] = {
    "exit",       "signal",        "configuration", "not_found", "not_allowed",
    "port_taken", "out_of_memory", "disk_full",     "files",     "unknown",
};

const char *watch_diagnosis_word(enum watch_diagnosis_cause c)
{
    return words[c];
}

const char *watch_diagnosis_signal(int signum)
{
    static const char *const names[] = {
        NULL,
        "SIGHUP (hang-up)",
        "SIGINT (interrupt)",
        "SIGQUIT (quit)",
        "SIGILL (illegal instruction)",
        "SIGTRAP (trap)",
        "SIGABRT (abort)",
        "SIGBUS (bus error)",
        "SIGFPE (arithmetic error)",
        "SIGKILL (kill)",
        "SIGUSR1",
        "SIGSEGV (segmentation fault)",
        "SIGUSR2",
        "SIGPIPE (broken pipe)",
        "SIGALRM (alarm)",
        "SIGTERM (terminate)",
        "SIGSTKFLT",
        "SIGCHLD",
        "SIGCONT",
        "SIGSTOP (stop)",
        "SIGTSTP",
        "SIGTTIN",
        "SIGTTOU",
        "SIGURG",
        "SIGXCPU (limit of processor time)",
        "SIGXFSZ (limit of a file's size)",
        "SIGVTALRM",
        "SIGPROF",
        "SIGWINCH",
        "SIGIO",
        "SIGPWR (power)",
        "SIGSYS (forbidden system call)",
    };
    static char other[24];
    if (signum > 0 && signum < (int)COUNTOF(names) && names[signum])
        return names[signum];
    snprintf(other, sizeof other, "signal %d", signum);
    return other;
}

static void add(struct watch_diagnosis *d, struct str fact)
{
    if (d->n < WATCH_DIAGNOSIS_FACTS_MAX)
        d->facts[d->n++] = fact;
}

/* The first of the phrases that stands in the text, without regard to case; NULL for none. */
static const char *find_phrase(struct str text, const char *const *phrases)
{
    for (; *phrases; phrases++) {
        size_t n = strlen(*phrases);
        for (size_t i = 0; i + n <= text.n; i++)
            if (strncasecmp(text.p + i, *phrases, n) == 0)
                return *phrases;
    }
    return NULL;
}

/* The port that the line with "address already in use" speaks of: its last number that can be one,
 * else the first listening one in all of the text; 0 for none. */
static int64_t named_port(struct str text)
{
    struct str line;
    int64_t best = 0;
    while (str_split(&text, '\n', &line)) {
        static const char *const phrases[] = {"address already in use", "EADDRINUSE",
                                              "address in use", NULL};
        if (!find_phrase(line, phrases))
            continue;
        for (size_t i = 0; i < line.n; i++) {
            size_t n = 0;
            while (i + n < line.n && line.p[i + n] >= '0' && line.p[i + n] <= '9')
                n++;
            int64_t port;
            bool marked = i > 0 && (line.p[i - 1] == ':' || line.p[i - 1] == ' ');
            bool bracket = i > 0 && line.p[i - 1] == '('; /* "('127.0.0.1', 80)", "(98)" */
            if (n > 0 && n <= PORT_WORDS && (marked || bracket) &&
                str_i64(str_sub(line, i, i + n), &port) && port > 0 && port <= UINT16_MAX &&
                !(i + n < line.n && (line.p[i + n] == '.' || line.p[i + n] == ']')) &&
                port != EADDRINUSE)
                best = port;
            i += n;
        }
    }
    return best;
}

static bool port_taken(const struct watch_death *d, struct arena *a, struct watch_diagnosis *ret)
{
    static const char *const phrases[] = {"address already in use", "EADDRINUSE", "address in use",
                                          "port is already allocated", NULL};
    if (!find_phrase(d->output, phrases))
        return false;
    int64_t port = named_port(d->output);
    port = port ? port : d->port;
    int owner = port ? process_listens((uint16_t)port) : 0;
    char name[64] = "?";
    if (owner > 0)
        process_name(owner, name, sizeof name);
    if (owner > 0)
        ret->sentence = arena_printf(a, "port %lld is already taken by PID %d (%s)",
                                     (long long)port, owner, name);
    else if (port && owner < 0)
        ret->sentence = arena_printf(a,
                                     "port %lld is already taken by a process that cannot be "
                                     "seen from here",
                                     (long long)port);
    else if (port)
        ret->sentence =
            arena_printf(a, "port %lld was already taken, and is free by now", (long long)port);
    else
        ret->sentence = STR("an address that it wanted to listen at is already taken");
    ret->cause = WATCH_DIAGNOSIS_PORT_TAKEN;
    /* Free again: what held it was its own last life, or has gone: a plain restart heals. */
    ret->remedy = port && owner == 0 ? KEEPER_RESTART_MAY_HEAL : KEEPER_MUST_WAIT;
    return true;
}

static bool out_of_memory(const struct watch_death *d, struct arena *a, struct watch_diagnosis *ret)
{
    char line[TEXT_SIZE];
    if (!d->end.signaled || d->end.code != SIGNAL_KILL || d->killed_by_us)
        return false;
    bool said = kernel_log_killed(d->kernel_log, d->pid, line, sizeof line);
    if (!said && d->oom_kills <= 0)
        return false;
    ret->cause = WATCH_DIAGNOSIS_OUT_OF_MEMORY;
    ret->sentence = said ? STR("out of memory (kernel log): the kernel killed it")
                         : STR("out of memory: the kernel killed it at its cgroup's limit");
    if (said)
        add(ret, arena_printf(a, "kernel: %s", line));
    return true;
}

static bool disk_or_files(const struct watch_death *d, struct watch_diagnosis *ret)
{
    static const char *const full[] = {"no space left on device", "ENOSPC", "disk full",
                                       "disk quota exceeded", NULL};
    static const char *const files[] = {"too many open files", "EMFILE", NULL};
    if (d->end.known && !d->end.signaled && d->end.code == 0)
        return false;
    if (find_phrase(d->output, full)) {
        ret->cause = WATCH_DIAGNOSIS_DISK_FULL;
        ret->sentence = STR("no space was left on a disk that it writes to");
        return true;
    }
    if (find_phrase(d->output, files)) {
        ret->cause = WATCH_DIAGNOSIS_FILES;
        ret->sentence = STR("it had too many open files");
        return true;
    }
    return false;
}

static void plain_end(const struct watch_death *d, struct arena *a, struct watch_diagnosis *ret)
{
    const struct program_end *e = &d->end;
    if (!e->known) {
        ret->cause = WATCH_DIAGNOSIS_UNKNOWN;
        ret->sentence = STR("ended; its exit status is not known, since an earlier sonde-watch "
                            "had started it");
    } else if (e->signaled) {
        ret->cause = WATCH_DIAGNOSIS_SIGNAL;
        ret->sentence = arena_printf(a, "ended by %s%s", watch_diagnosis_signal(e->code),
                                     d->killed_by_us ? ", sent by sonde-watch" : "");
    } else if (e->code == CONFIGURATION) {
        ret->cause = WATCH_DIAGNOSIS_CONFIGURATION;
        ret->remedy = KEEPER_CANNOT_HEAL;
        ret->sentence = STR("exit status 78: it says that its configuration is wrong, which no "
                            "restart heals");
    } else if (e->code == NOT_FOUND || e->code == NOT_ALLOWED) {
        ret->cause = e->code == NOT_FOUND ? WATCH_DIAGNOSIS_NOT_FOUND : WATCH_DIAGNOSIS_NOT_ALLOWED;
        ret->remedy = KEEPER_CANNOT_HEAL;
        ret->sentence = arena_printf(a, "exit status %d: a shell %s", e->code,
                                     e->code == NOT_FOUND ? "did not find the executable"
                                                          : "may not run the executable");
    } else if (e->code > KILLED_BY_SHELL && e->code <= KILLED_BY_SHELL + 31) {
        ret->sentence = arena_printf(a, "exit status %d: a process of it was ended by %s", e->code,
                                     watch_diagnosis_signal(e->code - KILLED_BY_SHELL));
    } else {
        ret->sentence = arena_printf(a, "exit status %d", e->code);
    }
}

static void add_core(const struct watch_death *d, struct arena *a, struct watch_diagnosis *ret)
{
    char path[TEXT_SIZE];
    if (d->end.core && kernel_log_core(d->pid, d->name, d->folder, path, sizeof path))
        add(ret, arena_printf(a, "core dump: %s", path));
    else if (d->end.core)
        add(ret, STR("core dump: written, but not where the kernel's core_pattern leads from "
                     "here"));
}

/* What sonde's own parent says of a worker's crash record. */
static void add_record(struct str output, struct watch_diagnosis *ret)
{
    struct str line;
    while (str_split(&output, '\n', &line))
        if (str_search(line, STR("crash report")) < line.n ||
            str_search(line, STR("/crashes/")) < line.n)
            add(ret, str_sub(line, 0, WATCH_DIAGNOSIS_LINE_MAX));
}

static void add_output(struct str output, struct watch_diagnosis *ret)
{
    struct str line;
    struct str last = tail_lines(output, WATCH_DIAGNOSIS_LINES, output.n + 1);
    while (str_split(&last, '\n', &line)) {
        line = str_trim(line);
        if (line.n)
            add(ret, str_sub(line, 0, WATCH_DIAGNOSIS_LINE_MAX));
    }
}

void watch_diagnosis_of(const struct watch_death *d, struct arena *a, struct watch_diagnosis *ret)
{
    *ret = (struct watch_diagnosis){.remedy = KEEPER_RESTART_MAY_HEAL};
    bool clean = d->end.known && !d->end.signaled && d->end.code == 0;
    if (d->killed_by_us || clean ||
        !(out_of_memory(d, a, ret) || port_taken(d, a, ret) || disk_or_files(d, ret)))
        plain_end(d, a, ret);
    else
        add(ret, d->end.signaled
                     ? arena_printf(a, "ended by %s", watch_diagnosis_signal(d->end.code))
                     : arena_printf(a, "exit status %d", d->end.code));
    if (clean)
        return;
    add_core(d, a, ret);
    add_record(d->output, ret);
    add_output(d->output, ret);
}

void watch_diagnosis_of_start(int errnum, const char *executable, struct str why, bool ran_before,
                              struct arena *a, struct watch_diagnosis *ret)
{
    *ret = (struct watch_diagnosis){.remedy = KEEPER_CANNOT_HEAL};
    if (errnum == ENOENT) {
        ret->cause = WATCH_DIAGNOSIS_NOT_FOUND;
        ret->sentence = arena_printf(a, "executable not found: %s", executable);
    } else if (errnum == EACCES || errnum == EPERM) {
        ret->cause = WATCH_DIAGNOSIS_NOT_ALLOWED;
        ret->sentence = arena_printf(a, "permission denied: %s", executable);
    } else if (errnum == ENOEXEC || errnum == ENOTDIR || errnum == EISDIR || errnum == ELOOP) {
        ret->cause = WATCH_DIAGNOSIS_NOT_ALLOWED;
        ret->sentence = arena_printf(a, "not an executable: %s", executable);
    } else {
        ret->cause = WATCH_DIAGNOSIS_EXIT; /* no memory, no processes, text file busy */
        ret->sentence = arena_printf(a, "cannot be started: %s", strerror(errnum));
        ret->remedy = KEEPER_RESTART_MAY_HEAL;
    }
    /* It ran before: somebody is replacing it, perhaps. */
    if (ran_before)
        ret->remedy = KEEPER_RESTART_MAY_HEAL;
    add(ret, arena_printf(a, STR_FMT, STR_ARG(why)));
}
