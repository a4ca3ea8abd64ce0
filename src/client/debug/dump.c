#include "client/debug/dump.h"

#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/core/command.h"
#include "client/core/setting.h"
#include "client/debug/writer.h"
#include "sonde/debug.h"

enum { DUMPS_MAX = 256, DUMP_NAME_MAX = 63, DUMP_HELP_MAX = 200, DUMP_ANSWER_MAX = 1 << 20 };

struct dump {
    char name[DUMP_NAME_MAX + 1], help[DUMP_HELP_MAX];
    sonde_dump_callback *callback;
    void *user;
    struct dump *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct dump *dumps; /* in the order of names */
static size_t dumps_n;

bool dump_name_good(const char *name)
{
    size_t n = name ? strlen(name) : 0;
    for (size_t i = 0; i < n; i++) {
        if (!isalnum((unsigned char)name[i]) && !strchr("-_.", name[i])) {
            return false;
        }
    }
    return n > 0 && n <= DUMP_NAME_MAX;
}

static struct dump **place(const char *name)
{
    struct dump **at = &dumps;
    while (*at && strcmp((*at)->name, name) < 0) {
        at = &(*at)->next;
    }
    return at;
}

static bool is(const struct dump *d, const char *name)
{
    return d && strcmp(d->name, name) == 0;
}

int sonde_dump_register(const char *name, const char *help, sonde_dump_callback *callback,
                        void *user)
{
    if (!dump_name_good(name) || !callback) {
        return SONDE_ERROR_ARGUMENT;
    }
    struct dump *d = calloc(1, sizeof *d);
    if (!d) {
        return SONDE_ERROR_MEMORY;
    }
    snprintf(d->name, sizeof d->name, "%s", name);
    snprintf(d->help, sizeof d->help, "%s", help ? help : "");
    d->callback = callback;
    d->user = user;
    pthread_mutex_lock(&lock);
    struct dump **at = place(name);
    int err = is(*at, name) ? SONDE_ERROR_EXISTS : dumps_n >= DUMPS_MAX ? SONDE_ERROR_LIMIT : 0;
    if (!err) {
        d->next = *at;
        *at = d;
        dumps_n++;
        d = NULL;
    }
    pthread_mutex_unlock(&lock);
    free(d);
    return err;
}

int sonde_dump_unregister(const char *name)
{
    if (!name) {
        return SONDE_ERROR_ARGUMENT;
    }
    pthread_mutex_lock(&lock);
    struct dump **at = place(name), *d = is(*at, name) ? *at : NULL;
    if (d) {
        *at = d->next;
        dumps_n--;
    }
    pthread_mutex_unlock(&lock);
    free(d);
    return d ? 0 : SONDE_ERROR_NOT_FOUND;
}

/* Under the lock, so that its owner knows when it is over (sonde_dump_unregister()). */
static void call(const struct dump *d, const char *detail, struct jot *j, const char *key)
{
    struct sonde_writer w;
    writer_init(&w);
    d->callback(&w, detail, d->user);
    writer_finish(&w, j, key);
}

static void list(struct jot *j)
{
    jot_array(j, "states");
    for (const struct dump *d = dumps; d; d = d->next) {
        jot_object(j, NULL);
        jot_string(j, "name", d->name);
        jot_string(j, "help", d->help);
        jot_end(j);
    }
    jot_end(j);
}

static int state(const struct command_call *c, struct jot *j, char *problem)
{
    int err = 0;
    pthread_mutex_lock(&lock);
    if (c->n == 1) {
        list(j);
    } else {
        const struct dump *d = *place(c->words[1]);
        if (is(d, c->words[1])) {
            call(d, c->n > 2 ? c->words[2] : "", j, d->name);
        } else {
            snprintf(problem, SETTING_PROBLEM_MAX,
                     "the application shows no state of that name; `state` lists them");
            err = SONDE_ERROR_NOT_FOUND;
        }
    }
    pthread_mutex_unlock(&lock);
    return err;
}

/* The library's own answers that belong to a dump of everything: commands that take no words. */
static const char *const parts[] = {"info",     "settings",    "services", "active", "spans",
                                    "caches",   "memory",      "frames",   "health", "alarms",
                                    "captured", "breadcrumbs", "outgoing"};

static int dump(const struct command_call *c, struct jot *j, char *problem)
{
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (!command_known(parts[i])) {
            continue;
        }
        struct text t;
        text_init(&t, DUMP_ANSWER_MAX);
        command_run(parts[i], strlen(parts[i]), c->level, &t); /* an error is an answer too */
        jot_raw(j, parts[i], t.bytes, t.len);
        text_done(&t);
    }
    pthread_mutex_lock(&lock);
    jot_object(j, "state");
    for (const struct dump *d = dumps; d; d = d->next) {
        call(d, "", j, d->name);
    }
    jot_end(j);
    pthread_mutex_unlock(&lock);
    return 0;
}

void dump_start(void)
{
    static struct command commands[] = {
        {"state", "[NAME [DETAIL]]",
         "What the application shows of a part of itself; without a name, which parts there are.",
         COMMAND_VIEWER, state, NULL},
        {"dump", "", "Everything: the library's answers and all states, secrets taken out.",
         COMMAND_OPERATOR, dump, NULL},
    };
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        command_add(&commands[i]);
    }
}
