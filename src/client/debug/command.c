/* client/debug/command.c - commands that the application adds (sonde_command_register). */
#include "client/core/command.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/core/setting.h"
#include "client/debug/dump.h"
#include "client/debug/writer.h"
#include "sonde/debug.h"

enum { COMMANDS_MAX = 256, WORDS_MAX = 200 };

/* Commands stay in the table for ever; one that was taken back has no callback, and comes alive
 * again when its name is registered again. */
struct own_command {
    struct command command; /* first: what the table knows */
    pthread_mutex_t lock;   /* held while the callback runs */
    sonde_command_callback *callback;
    void *user;
    char name[64], usage[WORDS_MAX], help[WORDS_MAX];
    struct own_command *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct own_command *own;
static size_t own_n;

static int run(const struct command_call *call, struct jot *j, char *problem)
{
    struct own_command *o = (struct own_command *)(uintptr_t)call->command;
    struct sonde_writer w;
    pthread_mutex_lock(&o->lock);
    if (!o->callback) {
        pthread_mutex_unlock(&o->lock);
        snprintf(problem, SETTING_PROBLEM_MAX, "the application has taken this command back");
        return SONDE_ERROR_NOT_FOUND;
    }
    writer_init(&w);
    int err = o->callback((int)call->n, call->words, &w, o->user);
    pthread_mutex_unlock(&o->lock);
    if (err) {
        writer_message(&w, problem, SETTING_PROBLEM_MAX);
        writer_drop(&w);
        return err < 0 ? err : SONDE_ERROR_ARGUMENT;
    }
    writer_finish_members(&w, j);
    return 0;
}

static struct own_command *find(const char *name)
{
    struct own_command *o = own;
    while (o && strcmp(o->name, name) != 0) {
        o = o->next;
    }
    return o;
}

static struct own_command *make(const char *name)
{
    struct own_command *o = calloc(1, sizeof *o);
    if (o) {
        pthread_mutex_init(&o->lock, NULL);
        snprintf(o->name, sizeof o->name, "%s", name);
        o->command =
            (struct command){.name = o->name, .usage = o->usage, .help = o->help, .run = run};
        o->next = own;
        own = o;
        own_n++;
    }
    return o;
}

static void fill(struct own_command *o, const char *usage, const char *help,
                 enum sonde_access least, sonde_command_callback *callback, void *user)
{
    pthread_mutex_lock(&o->lock);
    snprintf(o->usage, sizeof o->usage, "%s", usage ? usage : "");
    snprintf(o->help, sizeof o->help, "%s", help ? help : "");
    o->command.level = (enum command_level)least;
    o->callback = callback;
    o->user = user;
    pthread_mutex_unlock(&o->lock);
}

int sonde_command_register(const char *name, const char *usage, const char *help,
                           enum sonde_access least, sonde_command_callback *callback, void *user)
{
    if (!dump_name_good(name) || !callback || (unsigned)least > SONDE_ACCESS_ADMIN) {
        return SONDE_ERROR_ARGUMENT;
    }
    pthread_mutex_lock(&lock);
    struct own_command *o = find(name);
    bool taken = o ? o->callback != NULL : command_known(name), fresh = !o;
    int err = taken ? SONDE_ERROR_EXISTS : fresh && own_n >= COMMANDS_MAX ? SONDE_ERROR_LIMIT : 0;
    if (!err && fresh) {
        o = make(name);
        err = o ? 0 : SONDE_ERROR_MEMORY;
    }
    if (!err) {
        fill(o, usage, help, least, callback, user);
        if (fresh) {
            command_add(&o->command);
        }
    }
    pthread_mutex_unlock(&lock);
    return err;
}

int sonde_command_unregister(const char *name)
{
    if (!name) {
        return SONDE_ERROR_ARGUMENT;
    }
    pthread_mutex_lock(&lock);
    struct own_command *o = find(name);
    int err = o && o->callback ? 0 : SONDE_ERROR_NOT_FOUND;
    if (!err) {
        pthread_mutex_lock(&o->lock);
        o->callback = NULL;
        pthread_mutex_unlock(&o->lock);
    }
    pthread_mutex_unlock(&lock);
    return err;
}
