#include "tool/test.h"

#include <stdio.h>
#include <string.h>

#include "base/attr.h"
#include "tool/test_promql.h"
#include "tool/test_rules.h"

/* Each takes the words behind its name and gives the exit status: 0 all passed, 1 some failed, 2
 * the command line is wrong. */
static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} KINDS[] = {
    {"promql", test_promql_run},
    {"rules", test_rules_run},
};

int test_run(int argc, char **argv)
{
    for (size_t i = 0; argc > 0 && i < COUNTOF(KINDS); i++)
        if (strcmp(argv[0], KINDS[i].name) == 0)
            return KINDS[i].run(argc - 1, argv + 1);
    fprintf(stderr, "sonde test: say what kind the files are of:");
    for (size_t i = 0; i < COUNTOF(KINDS); i++)
        fprintf(stderr, " sonde test %s FILE..%s", KINDS[i].name,
                i + 1 < COUNTOF(KINDS) ? " or" : "\n");
    return 2;
}
