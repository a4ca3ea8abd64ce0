#include "watch/control.h"

#include "watch/json_line.h"

static const char *const words[CONTROL_VERBS] = {
    [CONTROL_STATUS] = "status",   [CONTROL_START] = "start",     [CONTROL_STOP] = "stop",
    [CONTROL_RESTART] = "restart", [CONTROL_RELOAD] = "reload",   [CONTROL_SIGNAL] = "signal",
    [CONTROL_CHECK] = "check",     [CONTROL_LOGS] = "logs",       [CONTROL_EVENTS] = "events",
    [CONTROL_PLAN] = "plan",       [CONTROL_UPGRADE] = "upgrade", [CONTROL_SHUTDOWN] = "shutdown",
};

enum { LINES_USUAL = 100, SIGNAL_MAX = 64 };

static const int64_t wait_max_ms = 24 * 3600 * INT64_C(1000);

const char *control_word(enum control_verb verb)
{
    return words[verb];
}

struct control_request control_request_of(enum control_verb verb, const char *target)
{
    return (struct control_request){
        .verb = verb,
        .target = target ? target : "",
        .signal = "",
        .plan = "",
        .path = "",
        .lines = LINES_USUAL,
    };
}

static void put_text(struct buf *out, const char *key, const char *text)
{
    if (*text)
        json_line_text(out, key, str_c(text));
}

void control_request_write(const struct control_request *r, struct buf *out)
{
    json_line_open(out, NULL, '{');
    json_line_text(out, "do", str_c(words[r->verb]));
    put_text(out, "target", r->target);
    put_text(out, "signal", r->signal);
    put_text(out, "plan", r->plan);
    put_text(out, "path", r->path);
    if (r->verb == CONTROL_LOGS || r->verb == CONTROL_EVENTS)
        json_line_i64(out, "lines", r->lines);
    if (r->wait_ms)
        json_line_i64(out, "wait_ms", r->wait_ms);
    if (r->follow)
        json_line_flag(out, "follow", true);
    if (r->dependents)
        json_line_flag(out, "dependents", true);
    json_line_close(out, '}');
    buf_put_c(out, '\n');
}

int control_request_read(struct str line, struct arena *a, struct control_request *ret,
                         struct why *why)
{
    struct json_line *l = arena_new(a, sizeof *l);
    int err = json_line_read(line, a, l, why);
    if (err)
        return err;
    const char *word = json_line_find_text(l, "do");
    enum control_verb verb = CONTROL_STATUS;
    while (verb < CONTROL_VERBS && strcmp(word, words[verb]) != 0)
        verb++;
    if (verb == CONTROL_VERBS)
        return why_set(why, ERR_FORMAT, "'%s' is nothing that can be asked for", word);
    struct control_request r = control_request_of(verb, json_line_find_text(l, "target"));
    r.signal = json_line_find_text(l, "signal");
    r.plan = json_line_find_text(l, "plan");
    r.path = json_line_find_text(l, "path");
    r.lines = json_line_find_number(l, "lines", r.lines);
    r.wait_ms = json_line_find_number(l, "wait_ms", 0);
    r.follow = json_line_find_number(l, "follow", 0) != 0;
    r.dependents = json_line_find_number(l, "dependents", 0) != 0;
    if (r.lines < 0 || r.lines > CONTROL_LOG_LINES_MAX)
        return why_set(why, ERR_RANGE, "lines is not between 0 and %d", CONTROL_LOG_LINES_MAX);
    if (r.wait_ms < 0 || r.wait_ms > wait_max_ms)
        return why_set(why, ERR_RANGE, "wait_ms is not between 0 and a day");
    if (verb == CONTROL_SIGNAL && !control_signal_of(r.signal))
        return why_set(why, ERR_FORMAT, "'%s' is no signal", r.signal);
    *ret = r;
    return 0;
}

bool control_target_is(const char *target, const char *program, const char *group, const char *name)
{
    return !*target || strcmp(target, "all") == 0 || strcmp(target, program) == 0 ||
           strcmp(target, name) == 0 || (*group && strcmp(target, group) == 0);
}

int control_signal_of(const char *name)
{
    static const char *const names[] = {
        NULL,   "HUP",  "INT",  "QUIT", "ILL",    "TRAP", "ABRT",  "BUS",  "FPE",  "KILL", "USR1",
        "SEGV", "USR2", "PIPE", "ALRM", "TERM",   NULL,   "CHLD",  "CONT", "STOP", "TSTP", "TTIN",
        "TTOU", "URG",  "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO",   "PWR",  "SYS",
    };
    int64_t number;
    if (str_i64(str_c(name), &number))
        return number > 0 && number <= SIGNAL_MAX ? (int)number : 0;
    if (strncmp(name, "SIG", 3) == 0)
        name += 3;
    for (int i = 1; i < (int)COUNTOF(names); i++)
        if (names[i] && strcmp(name, names[i]) == 0)
            return i;
    return 0;
}
