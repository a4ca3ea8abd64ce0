#include "cli/debug_shell.h"

#include <editline/readline.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/mem.h"
#include "os/terminal.h"
#include "text/json_tree.h"

enum { NAMES_MAX = 512, HISTORY_MAX = 500 };

/* The names that can be completed: libedit asks by a function without a context. */
static char *names[NAMES_MAX];
static size_t names_n;

static char *next_match(const char *text, int state)
{
    static size_t at;
    if (state == 0)
        at = 0;
    while (at < names_n) {
        const char *name = names[at++];
        if (strncmp(name, text, strlen(text)) == 0)
            return strdup(name); /* libedit frees it by free() */
    }
    return NULL;
}

/* Only the first word is a command. */
static char **complete(const char *text, int start, int end)
{
    rl_attempted_completion_over = 1;
    return start == 0 ? rl_completion_matches(text, next_match) : NULL;
}

static void learn_names(struct debug_client *c)
{
    struct arena a;
    struct str answer;
    const struct json_tree *tree = NULL;
    arena_init(&a);
    if (debug_client_ask(c, STR("help"), &answer, NULL) == 0 &&
        json_tree_parse(answer, &a, &tree, NULL) == 0) {
        const struct json_tree *list = json_tree_get(tree, "commands");
        for (size_t i = 0; i < json_tree_n(list) && names_n < NAMES_MAX - 1; i++) {
            struct str name = json_tree_text(&list->children[i], "name");
            names[names_n++] = mem_text(name.p, name.n);
        }
    }
    arena_done(&a);
    if (names_n < NAMES_MAX)
        names[names_n++] = mem_text("quit", 4);
}

static void forget_names(void)
{
    while (names_n > 0)
        mem_free(names[--names_n]);
}

static bool is_end(struct str line)
{
    return str_eq(line, STR("quit")) || str_eq(line, STR("exit"));
}

static int on_terminal(struct debug_client *c, bool json, debug_shell_line_f *line)
{
    int status = 0;
    rl_readline_name = "sonde";
    rl_initialize();
    rl_attempted_completion_function = complete;
    using_history();
    stifle_history(HISTORY_MAX);
    learn_names(c);
    printf("connected; `help` lists the commands, Tab completes them, `quit` ends\n");
    for (;;) {
        char *typed = readline("sonde> ");
        struct str s = str_trim(str_c(typed));
        bool over = typed == NULL || is_end(s);
        if (!over && s.n > 0) {
            add_history(typed);
            over = !line(c, s, json, &status);
        }
        free(typed);
        if (over)
            break;
    }
    forget_names();
    return status;
}

static int on_pipe(struct debug_client *c, bool json, debug_shell_line_f *line)
{
    char *typed = NULL;
    size_t cap = 0;
    ssize_t n;
    int status = 0;
    while ((n = getline(&typed, &cap, stdin)) >= 0) {
        struct str s = str_trim(str_of(typed, (size_t)n));
        if (is_end(s) || (s.n > 0 && s.p[0] != '#' && !line(c, s, json, &status)))
            break;
    }
    free(typed);
    return status;
}

int debug_shell(struct debug_client *c, bool json, debug_shell_line_f *line)
{
    return terminal_is(0) && terminal_is(1) ? on_terminal(c, json, line) : on_pipe(c, json, line);
}
