/* client/core/command.h - questions and orders to the running program: one table for all who ask.
 *
 * A command is a line of words; its answer is one JSON object. The same table answers
 * sonde_query(), the debug socket, requests of the daemon (so its HTTP API, the page and `sonde
 * services`) and D-Bus. A module registers its commands in its start function; the application
 * registers its own by sonde_command_register() (client/debug).
 *
 * Threads: registered at start or under the table's lock; run on the worker, or by sonde_query() on
 * the caller: a command must be safe on any thread.
 */
#ifndef CLIENT_CORE_COMMAND_H
#define CLIENT_CORE_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "client/core/jot.h"

enum { COMMAND_WORDS_MAX = 16, COMMAND_LINE_MAX = 4096, COMMAND_ANSWER_MAX = 4 << 20 };

/* What a caller may do: each may all that those before may. */
enum command_level {
    COMMAND_VIEWER,   /* read what is no secret */
    COMMAND_OPERATOR, /* change levels and rates, reset, flush, profile */
    COMMAND_ADMIN,    /* start programs, write core files, the application's own commands */
};

struct command;
struct command_call {
    const char *words[COMMAND_WORDS_MAX]; /* [n], the first is the command's name */
    size_t n;
    const char *rest;         /* the line behind the first word, as it was */
    enum command_level level;      /* of the caller */
    const struct command *command; /* the row: part of a larger struct where it needs more */
};

struct command {
    const char *name;  /* one word */
    const char *usage; /* "[SERVICE] [slowest N]"; "" for none */
    const char *help;  /* one sentence */
    enum command_level level;
    /* Writes members into the open object of j; on an error writes the sentence into problem
     * [SETTING_PROBLEM_MAX] and gives a negative enum sonde_error: the answer is then
     * {"error":{"code":..,"message":..}}. */
    int (*run)(const struct command_call *call, struct jot *j, char *problem);
    struct command *next;
};

void command_add(struct command *command); /* borrowed for ever; replaces one of its name */
bool command_known(const char *name);
/* Runs a line (cut at LF; words in '..' or ".." may have spaces) and writes the whole JSON document
 * without LF: 0 or what the command gave; SONDE_ERROR_NOT_FOUND, SONDE_ERROR_DENIED. */
int command_run(const char *line, size_t n, enum command_level level, struct text *ret);
/* Each command in the order of names, under the lock. */
void command_each(void (*visit)(const struct command *command, void *context), void *context);

#endif
