#include "daemon/command.h"

#include <stdio.h>
#include <string.h>

#include "base/attr.h"
#include "cli/app.h"
#include "cli/checkin.h"
#include "cli/debug.h"
#include "cli/event.h"
#include "cli/status.h"
#include "cli/top.h"
#include "daemon/daemon.h"
#include "tool/backup_run.h"
#include "tool/check.h"
#include "tool/docs.h"
#include "tool/options.h"
#include "tool/query.h"
#include "tool/restore.h"
#include "tool/dump.h"
#include "tool/import.h"
#include "tool/notify_tool.h"
#include "tool/rules_tool.h"
#include "tool/store_tool.h"
#include "tool/test.h"
#include "tool/watch.h"

enum { HELP_MAX = 1 << 20 /* bytes */ };

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *words, *prose;
} COMMANDS[] = {
#define COMMAND(name, run, words, prose) {name, run, words, prose},
#include "daemon/commands.tbl.h"
#undef COMMAND
};

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < COUNTOF(COMMANDS); i++)
        if (strcmp(COMMANDS[i].name, name) == 0)
            return &COMMANDS[i];
    return NULL;
}

static void list(FILE *out)
{
    fprintf(out, "Sonde " SONDE_VERSION ": what happens in this machine and its software, live.\n\n"
                 "usage: sonde COMMAND ..\n");
    for (size_t i = 0; i < COUNTOF(COMMANDS); i++)
        fprintf(out, "  %-8s %s\n", COMMANDS[i].name, COMMANDS[i].prose);
    fprintf(out, "\nsonde help COMMAND says more; sonde help config lists the configuration.\n");
}

static int help_config(void)
{
    struct buf text;
    buf_init(&text, HELP_MAX);
    conf_help(&options_tables, &text);
    printf(STR_FMT, STR_ARG(buf_str(&text)));
    buf_done(&text);
    return 0;
}

static int help_one(const struct command *c)
{
    printf("usage: sonde %s %s\n\n%s\n", c->name, c->words, c->prose);
    return 0;
}

int command_help(int argc, char **argv)
{
    if (argc == 0) {
        list(stdout);
        return 0;
    }
    const struct command *c = find(argv[0]);
    if (c != NULL)
        return help_one(c);
    if (strcmp(argv[0], "config") == 0)
        return help_config();
    fprintf(stderr, "sonde: there is no command %s\n", argv[0]);
    return 2;
}

int command_main(int argc, char **argv)
{
    if (argc < 2) {
        list(stderr);
        return 2;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("sonde " SONDE_VERSION "\n");
        return 0;
    }
    if (strcmp(argv[1], "--help") == 0)
        return command_help(0, NULL);
    const struct command *c = find(argv[1]);
    if (c == NULL) {
        fprintf(stderr, "sonde: there is no command %s; sonde help lists them\n", argv[1]);
        return 2;
    }
    for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0)
            return help_one(c);
    return c->run(argc - 2, argv + 2);
}
