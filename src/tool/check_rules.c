#include "tool/check_rules.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "os/file.h"
#include "rules/rule_file.h"
#include "tool/arguments.h"

enum { PROBLEMS_MAX = 4 << 20, KEY_MAX = 4 << 20 /* bytes */ };

/* What makes two rules the same: what they are called and their labels. */
static void put_identity(const struct rule *rule, struct buf *key)
{
    struct str name = rule->record.n ? rule->record : rule->alert;
    buf_put_str(key, name);
    for (size_t i = 0; i < rule->labels_n; i++) {
        buf_put_c(key, 0);
        buf_put_str(key, rule->labels[i].name);
        buf_put_c(key, 0);
        buf_put_str(key, rule->labels[i].value);
    }
}

static void say_duplicate(const char *path, const struct rule *rule, uint64_t first_line,
                          FILE *faults)
{
    struct str name = rule->record.n ? rule->record : rule->alert;
    fprintf(faults, "%s:%u: " STR_FMT " {", path, rule->line, STR_ARG(name));
    for (size_t i = 0; i < rule->labels_n; i++)
        fprintf(faults, "%s" STR_FMT ": " STR_FMT, i ? ", " : "", STR_ARG(rule->labels[i].name),
                STR_ARG(rule->labels[i].value));
    fprintf(faults, "} stands in line %llu already: results of both have equal labels\n",
            (unsigned long long)first_line);
}

/* Tells every rule that stood in an earlier line too; how many. */
static size_t find_duplicates(const struct rule_file *f, FILE *faults)
{
    struct map seen;
    struct buf key;
    size_t n = 0;
    map_init(&seen, 0);
    buf_init(&key, KEY_MAX);
    for (size_t i = 0; i < f->groups_n; i++)
        for (size_t j = 0; j < f->groups[i].rules_n; j++) {
            const struct rule *rule = &f->groups[i].rules[j];
            bool fresh;
            buf_clear(&key);
            put_identity(rule, &key);
            union map_value *line = map_put(&seen, buf_str(&key), &fresh);
            if (fresh)
                line->u = rule->line;
            else if (++n <= RULE_FILE_PROBLEMS_MAX)
                say_duplicate(f->name.p, rule, line->u, faults);
        }
    buf_done(&key);
    map_done(&seen);
    return n;
}

static size_t rules_of(const struct rule_file *f)
{
    size_t n = 0;
    for (size_t i = 0; i < f->groups_n; i++)
        n += f->groups[i].rules_n;
    return n;
}

static int read_rules(const char *path, const struct check_rules_options *options,
                      struct rule_file **ret, struct buf *problems)
{
    struct buf text;
    struct why why;
    buf_init(&text, RULE_FILE_BYTES_MAX);
    int err = file_read(path, &text, &why);
    if (err)
        buf_printf(problems, "%s\n", why.text);
    else if (options->lenient)
        err = rule_file_read_lenient(buf_str(&text), str_c(path), &options->promql, ret, problems);
    else
        err = rule_file_read(buf_str(&text), str_c(path), &options->promql, ret, problems);
    buf_done(&text);
    return err;
}

int check_rules_file(const char *path, const struct check_rules_options *options, FILE *out,
                     FILE *faults)
{
    struct rule_file *f = NULL;
    struct buf problems;
    size_t duplicates = 0;
    buf_init(&problems, PROBLEMS_MAX);
    fprintf(out, "Checking %s\n", path);
    fflush(out);
    int err = read_rules(path, options, &f, &problems);
    if (!err && options->lint)
        duplicates = find_duplicates(f, faults);
    if (err)
        fprintf(faults, "  FAILED:\n" STR_FMT, STR_ARG(buf_str(&problems)));
    else if (duplicates)
        fprintf(faults, "  %s: %zu duplicate rule(s) found\n",
                options->lint_fatal ? "FAILED" : "WARNING", duplicates);
    if (!err && (!duplicates || !options->lint_fatal))
        fprintf(out, "  SUCCESS: %zu rules found\n", rules_of(f));
    fprintf(out, "\n");
    buf_done(&problems);
    rule_file_free(f);
    return err ? 1 : duplicates ? CHECK_RULES_LINT : 0;
}

/* False where the words are wrong. */
static bool read_options(struct arguments *a, const char *command, struct check_rules_options *ret)
{
    *ret = (struct check_rules_options){.lint = true};
    for (const char *name; (name = arguments_value(a, "enable-feature")) != NULL;)
        if (!promql_option_set(&ret->promql, str_c(name))) {
            fprintf(stderr, "sonde check %s: there is no feature %s\n", command, name);
            return false;
        }
    const char *lint = arguments_value(a, "lint");
    if (lint && strcmp(lint, "none") == 0)
        ret->lint = false;
    else if (lint && strcmp(lint, "all") != 0 && strcmp(lint, "duplicate-rules") != 0) {
        fprintf(stderr, "sonde check %s: --lint takes all, duplicate-rules or none\n", command);
        return false;
    }
    ret->lint_fatal = arguments_flag(a, "lint-fatal");
    ret->lenient = arguments_flag(a, "ignore-unknown-fields");
    return true;
}

int check_rules_each(const char *command, check_rules_one *one, int argc, char **argv)
{
    struct arguments a;
    struct check_rules_options options;
    if (!arguments_init(&a, argc, argv)) {
        fprintf(stderr, "sonde check %s: more than %d words\n", command, ARGUMENTS_MAX);
        return 2;
    }
    if (!read_options(&a, command, &options))
        return 2;
    const char *files[ARGUMENTS_MAX];
    size_t n = 0;
    for (const char *word; (word = arguments_word(&a)) != NULL;)
        files[n++] = word;
    if (!arguments_end(&a, "check"))
        return 2;
    if (n == 0) {
        fprintf(stderr, "sonde check %s: name the files: sonde check %s FILE..\n", command,
                command);
        return 2;
    }
    bool failed = false, lint = false;
    for (size_t i = 0; i < n; i++) {
        int status = one(files[i], &options, stdout, stderr);
        failed = failed || status == 1;
        lint = lint || status == CHECK_RULES_LINT;
    }
    return failed ? 1 : lint && options.lint_fatal ? CHECK_RULES_LINT : 0;
}

int check_rules_run(int argc, char **argv)
{
    return check_rules_each("rules", check_rules_file, argc, argv);
}
