/* tool/arguments.h - the words behind a subcommand: "--name value", "--name=value", "--flag", rest.
 *
 * A command asks for each option that it knows; what is left over at the end is wrong.
 *
 * Threads: one.
 */
#ifndef TOOL_ARGUMENTS_H
#define TOOL_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "conf/conf.h"

enum { ARGUMENTS_MAX = 256 };

struct arguments {
    char *v[ARGUMENTS_MAX]; /* [n], borrowed; a word that was taken is NULL */
    size_t n;
};

/* argv without the program and the subcommand. False where there are too many. */
MUST_USE bool arguments_init(struct arguments *a, int argc, char **argv);

/* Takes the first "--name value" that is left; NULL where there is none. name without dashes. */
const char *arguments_value(struct arguments *a, const char *name);

/* Takes --server URL or --url URL, which mean the same; NULL where there is neither. */
const char *arguments_server(struct arguments *a);

/* Takes a "--name" without a value. */
bool arguments_flag(struct arguments *a, const char *name);

/* Takes the next word that is no option; NULL at the end. */
const char *arguments_word(struct arguments *a);

/* True where nothing is left; else says on standard error what is not understood. */
MUST_USE bool arguments_end(const struct arguments *a, const char *command);

/* What the command line sets: --data DIR, --listen HOST:PORT (may be repeated) and --set
 * SECTION.KEY=VALUE. */
struct arguments_settings {
    struct conf_override v[ARGUMENTS_MAX];
    size_t n;
    char text[ARGUMENTS_MAX * 64]; /* holds what had to be put together */
    size_t text_n;
};

/* Takes them all; false (and a sentence on standard error) where one is malformed. */
MUST_USE bool arguments_settings(struct arguments *a, struct arguments_settings *ret);

#endif
