#include "tool/test_rules.h"

#include <stdio.h>
#include <string.h>

#include "base/vec.h"
#include "os/file.h"
#include "text/regex.h"
#include "text/template.h"
#include "tool/arguments.h"

enum { FAULTS_MAX = 256 << 20, FILE_MAX = 64 << 20 };

struct texts {
    const char **v;
    size_t n, capacity;
};

struct patterns {
    struct regex **v;
    size_t n, capacity;
};

/* The whole run. */
struct session {
    struct test_rules_options options;
    struct patterns run; /* of names; none: all tests */
    const char *junit;   /* a path, or NULL */
    struct buf xml;
    struct texts files;
};

/* ---- one file */

struct job {
    struct session *session;
    const char *path;
    struct arena arena;
    struct buf faults; /* each ends in a NUL */
    struct {
        struct str *v;
        size_t n, capacity;
    } paths;
};

/* name, beside the file that names it. */
static struct str beside(struct job *j, struct str name)
{
    const char *slash = strrchr(j->path, '/');
    if (slash == NULL || (name.n > 0 && name.p[0] == '/'))
        return arena_str(&j->arena, name);
    return arena_printf(&j->arena, "%.*s/%s", (int)(slash - j->path), j->path, name.p);
}

static int find_rules(struct job *j, const struct test_rules_file *f, struct why *why)
{
    int err = 0;
    for (size_t i = 0; i < f->rule_files_n && err == 0; i++) {
        struct str *found;
        size_t n;
        struct str pattern = beside(j, f->rule_files[i]);
        err = file_glob(pattern.p, &j->arena, &found, &n, why);
        if (err == 0 && n == 0)
            fprintf(stderr, "  WARNING: no file match pattern %s\n", pattern.p);
        for (size_t k = 0; k < n && err == 0; k++)
            vec_push(&j->paths, found[k]);
    }
    return err;
}

static bool is_wanted(const struct session *s, struct str name)
{
    bool wanted = s->run.n == 0;
    for (size_t i = 0; i < s->run.n && !wanted; i++)
        wanted = regex_match(s->run.v[i], name);
    return wanted;
}

/* What XML cannot hold at all becomes a question mark. */
static void put_xml(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < ' ' && c != '\n' && c != '\t')
            buf_put_c(out, '?');
        else
            template_escape_html(str_sub(s, i, i + 1), out);
    }
}

/* Each fault that is in the buffer from there on. */
static bool next_fault(const struct buf *faults, size_t *at, struct str *ret)
{
    if (*at >= faults->n)
        return false;
    struct str rest = str_sub(buf_str(faults), *at, faults->n);
    *ret = str_sub(rest, 0, str_find(rest, '\0'));
    *at += ret->n + 1;
    return true;
}

static void put_case(struct job *j, struct str name, size_t faults_from)
{
    struct buf *out = &j->session->xml;
    struct str one;
    buf_put_str(out, STR("    <testcase name=\""));
    put_xml(out, name);
    buf_put_str(out, STR("\">\n"));
    while (next_fault(&j->faults, &faults_from, &one)) {
        buf_put_str(out, STR("      <failure>"));
        put_xml(out, one);
        buf_put_str(out, STR("</failure>\n"));
    }
    buf_put_str(out, STR("    </testcase>\n"));
}

static void run_tests(struct job *j, const struct test_rules_file *f)
{
    for (size_t i = 0; i < f->tests_n; i++) {
        struct str name = f->tests[i].name;
        size_t from = j->faults.n;
        if (!is_wanted(j->session, name))
            continue;
        test_rules_group(f, i, j->paths.v, j->paths.n, &j->session->options, &j->faults);
        if (name.n == 0)
            name = arena_printf(&j->arena, "unnamed#%zu", i);
        put_case(j, name, from);
    }
}

static void run_text(struct job *j)
{
    struct test_rules_file f;
    struct buf text;
    struct why why = {0};
    buf_init(&text, FILE_MAX);
    int err = file_read(j->path, &text, &why);
    if (err == 0) {
        err = test_rules_file_read(buf_str(&text), &j->arena, &f, &why);
        if (err == 0)
            err = find_rules(j, &f, &why);
        else
            (void)why_prefix(&why, "%s", j->path);
    }
    if (err == 0) {
        run_tests(j, &f);
    } else {
        buf_printf(&j->faults, "%s", why.text);
        buf_put_c(&j->faults, '\0');
        put_case(j, STR("read"), 0);
    }
    buf_done(&text);
}

/* True where everything passed. */
static bool run_file(struct session *s, const char *path)
{
    struct job j = {.session = s, .path = path};
    struct str one;
    size_t at = 0;
    arena_init(&j.arena);
    buf_init(&j.faults, FAULTS_MAX);
    printf("Unit Testing:  %s\n", path);
    buf_put_str(&s->xml, STR("  <testsuite name=\""));
    put_xml(&s->xml, str_c(path));
    buf_put_str(&s->xml, STR("\">\n"));
    run_text(&j);
    buf_put_str(&s->xml, STR("  </testsuite>\n"));
    bool passed = j.faults.n == 0;
    (void)fflush(stdout);
    if (passed)
        printf("  SUCCESS\n");
    else
        fprintf(stderr, "  FAILED:\n");
    while (next_fault(&j.faults, &at, &one)) {
        fprintf(stderr, STR_FMT "\n", STR_ARG(one));
        printf("\n");
        (void)fflush(stdout);
    }
    if (buf_failed(&j.faults))
        fprintf(stderr, "  there are more faults than fit\n");
    printf("\n");
    (void)fflush(stdout);
    vec_free(&j.paths);
    buf_done(&j.faults);
    arena_done(&j.arena);
    return passed;
}

/* ---- the command line */

static bool read_options(struct session *s, struct arguments *a)
{
    const char *value;
    struct why why = {0};
    while ((value = arguments_value(a, "run")) != NULL) {
        struct regex *re;
        struct buf pattern;
        buf_init(&pattern, REGEX_PATTERN_MAX);
        buf_printf(&pattern, ".*(?:%s).*", value); /* a name need only hold it */
        int err = regex_new(buf_str(&pattern), &re, &why);
        buf_done(&pattern);
        if (err != 0) {
            fprintf(stderr, "sonde test rules: --run %s: %s\n", value, why.text);
            return false;
        }
        vec_push(&s->run, re);
    }
    while ((value = arguments_value(a, "enable-feature")) != NULL)
        if (!promql_option_set(&s->options.promql, str_c(value))) {
            fprintf(stderr, "sonde test rules: there is no feature \"%s\"\n", value);
            return false;
        }
    s->options.diff = arguments_flag(a, "diff");
    s->options.lenient = arguments_flag(a, "ignore-unknown-fields");
    s->junit = arguments_value(a, "junit");
    while ((value = arguments_word(a)) != NULL)
        vec_push(&s->files, value);
    if (!arguments_end(a, "test rules"))
        return false;
    if (s->files.n == 0)
        fprintf(stderr, "sonde test rules: name at least one file with tests\n");
    return s->files.n > 0;
}

static bool write_junit(struct session *s)
{
    struct why why = {0};
    buf_put_str(&s->xml, STR("</testsuites>\n"));
    if (s->junit == NULL || file_write(s->junit, buf_str(&s->xml), &why) == 0)
        return true;
    fprintf(stderr, "sonde test rules: %s\n", why.text);
    return false;
}

int test_rules_run(int argc, char **argv)
{
    struct arguments a;
    struct session s = {0};
    int status = 2;
    if (!arguments_init(&a, argc, argv))
        return status;
    buf_init(&s.xml, FAULTS_MAX);
    buf_put_str(&s.xml, STR("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n"));
    if (read_options(&s, &a)) {
        status = 0;
        for (size_t i = 0; i < s.files.n; i++)
            status |= !run_file(&s, s.files.v[i]);
        status |= !write_junit(&s);
    }
    for (size_t i = 0; i < s.run.n; i++)
        regex_free(s.run.v[i]);
    vec_free(&s.run);
    vec_free(&s.files);
    buf_done(&s.xml);
    return status;
}
