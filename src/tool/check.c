#include "tool/check.h"

#include <stdio.h>
#include <string.h>

#include "tool/arguments.h"
#include "tool/check_rules.h"
#include "tool/options.h"

enum { PRINTED_MAX = 16 << 20 /* bytes */ };

static int check_config(int argc, char **argv)
{
    struct arguments a;
    struct arguments_settings settings;
    if (!arguments_init(&a, argc, argv) || !arguments_settings(&a, &settings))
        return 2;
    bool print = arguments_flag(&a, "print");
    const char *file = arguments_word(&a);
    if (!arguments_end(&a, "check"))
        return 2;
    if (file == NULL && !print) {
        fprintf(stderr, "sonde check: name the configuration: sonde check sonde.toml\n");
        return 2;
    }
    struct conf *c;
    struct buf text;
    buf_init(&text, PRINTED_MAX);
    int err = options_read_file(file, settings.v, settings.n, &c, &text);
    if (err != 0) {
        fprintf(stderr, STR_FMT, STR_ARG(buf_str(&text)));
    } else if (print) {
        conf_print(c, &text);
        printf(STR_FMT, STR_ARG(buf_str(&text)));
    } else {
        printf("%s is well-formed\n", file);
    }
    if (err == 0)
        conf_free(c);
    buf_done(&text);
    return err != 0;
}

int check_run(int argc, char **argv)
{
    if (argc > 0 && strcmp(argv[0], "rules") == 0)
        return check_rules_run(argc - 1, argv + 1);
    return check_config(argc, argv);
}
