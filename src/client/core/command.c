#include "client/core/command.h"

#include <pthread.h>
#include <string.h>

#include "client/core/setting.h"
#include "sonde/core.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct command *first; /* in the order of names */

void command_add(struct command *command)
{
    pthread_mutex_lock(&lock);
    struct command **at = &first;
    while (*at && strcmp((*at)->name, command->name) < 0) {
        at = &(*at)->next;
    }
    if (*at && strcmp((*at)->name, command->name) == 0) {
        struct command *old = *at;
        if (old != command) {
            command->next = old->next;
            *at = command;
        }
    } else {
        command->next = *at;
        *at = command;
    }
    pthread_mutex_unlock(&lock);
}

void command_each(void (*visit)(const struct command *command, void *context), void *context)
{
    pthread_mutex_lock(&lock);
    for (const struct command *c = first; c; c = c->next) {
        visit(c, context);
    }
    pthread_mutex_unlock(&lock);
}

static const struct command *find(const char *name)
{
    pthread_mutex_lock(&lock);
    const struct command *c = first;
    while (c && strcmp(c->name, name) != 0) {
        c = c->next;
    }
    pthread_mutex_unlock(&lock);
    return c;
}

bool command_known(const char *name)
{
    return find(name) != NULL;
}

/* Cuts the line into words in place; false: too many, or a quote is not closed. */
static bool split(char *line, struct command_call *call)
{
    char *in = line;
    for (;;) {
        in += strspn(in, " \t\r");
        if (!*in) {
            return true;
        }
        if (call->n == COMMAND_WORDS_MAX) {
            return false;
        }
        char quote = *in == '"' || *in == '\'' ? *in++ : 0;
        call->words[call->n++] = in;
        char *end = quote ? strchr(in, quote) : in + strcspn(in, " \t\r");
        if (!end) {
            return false;
        }
        in = *end ? end + 1 : end;
        *end = 0;
    }
}

static const char *code_name(int code)
{
    switch (code) {
    case SONDE_ERROR_ARGUMENT:
        return "bad_argument";
    case SONDE_ERROR_MEMORY:
        return "no_memory";
    case SONDE_ERROR_LIMIT:
        return "limit_exceeded";
    case SONDE_ERROR_STATE:
        return "bad_state";
    case SONDE_ERROR_EXISTS:
        return "already_exists";
    case SONDE_ERROR_NOT_FOUND:
        return "not_found";
    case SONDE_ERROR_TIMEOUT:
        return "timeout";
    case SONDE_ERROR_DENIED:
        return "denied";
    case SONDE_ERROR_UNSUPPORTED:
        return "unsupported";
    default:
        return "system_error";
    }
}

static int refuse(struct text *ret, int code, const char *message)
{
    struct jot j;
    text_clear(ret);
    jot_init(&j, ret);
    jot_object(&j, NULL);
    jot_object(&j, "error");
    jot_string(&j, "code", code_name(code));
    jot_string(&j, "message", *message ? message : sonde_error_text(code));
    jot_end(&j);
    jot_end(&j);
    return code;
}

static int refuse_level(struct text *ret, const struct command *c)
{
    static const char *const names[] = {"viewer", "operator", "admin"};
    char problem[SETTING_PROBLEM_MAX];
    struct text t;
    text_over(&t, problem, sizeof problem);
    text_add_string(&t, c->name);
    text_add_string(&t, " needs the level ");
    text_add_string(&t, names[c->level]);
    text_add_string(&t, ", which this caller has not");
    return refuse(ret, SONDE_ERROR_DENIED, text_string(&t));
}

int command_run(const char *line, size_t n, enum command_level level, struct text *ret)
{
    char words[COMMAND_LINE_MAX], whole[COMMAND_LINE_MAX], problem[SETTING_PROBLEM_MAX] = "";
    const char *end = memchr(line, '\n', n);
    n = end ? (size_t)(end - line) : n;
    if (n >= sizeof words) {
        return refuse(ret, SONDE_ERROR_ARGUMENT, "the line is longer than 4095 bytes");
    }
    if (memchr(line, 0, n)) {
        return refuse(ret, SONDE_ERROR_ARGUMENT, "the line has a NUL in it");
    }
    memcpy(words, line, n);
    words[n] = 0;
    memcpy(whole, words, n + 1);
    struct command_call call = {.level = level};
    if (!split(words, &call)) {
        return refuse(ret, SONDE_ERROR_ARGUMENT,
                      "more than 16 words, or a quotation mark that is not closed");
    }
    if (!call.n) {
        return refuse(ret, SONDE_ERROR_ARGUMENT, "an empty line; `help` lists the commands");
    }
    const struct command *c = find(call.words[0]);
    if (!c) {
        return refuse(ret, SONDE_ERROR_NOT_FOUND, "there is no such command; `help` lists them");
    }
    if (level < c->level) {
        return refuse_level(ret, c);
    }
    const char *rest = whole + (call.words[0] - words) + strlen(call.words[0]);
    rest += *rest == '"' || *rest == '\'';
    call.command = c;
    call.rest = rest + strspn(rest, " \t\r");
    struct jot j;
    jot_init(&j, ret);
    jot_object(&j, NULL);
    int err = c->run(&call, &j, problem);
    if (err) {
        return refuse(ret, err, problem);
    }
    jot_end(&j);
    return ret->cut ? refuse(ret, SONDE_ERROR_LIMIT, "the answer is too long; ask for less") : 0;
}
