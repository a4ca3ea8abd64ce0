#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cases_test.h"
#include "base/mem.h"
#include "codec/exposition.h"
#include "text/json.h"

struct fixture {
    struct exposition_reader *r;
    struct batch *b;
    struct sides *s;
    struct buf seen; /* rows as text */
};

static int set_up(void **state)
{
    struct fixture *f = mem_new(sizeof *f);
    f->r = mem_new(sizeof *f->r);
    f->b = mem_new(sizeof *f->b);
    f->s = mem_new(sizeof *f->s);
    exposition_init(f->r);
    buf_init(&f->seen, 1 << 24);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    exposition_done(f->r);
    buf_done(&f->seen);
    mem_free(f->r);
    mem_free(f->b);
    mem_free(f->s);
    mem_free(f);
    return 0;
}

/* All that a body gives: "series value @ts [+start]", "!line", "E labels", "M family type help". */
static const char *read_all(struct fixture *f, struct str text, enum exposition_format format)
{
    buf_clear(&f->seen);
    exposition_begin(f->r, text, format, 7);
    while (exposition_next(f->r, f->b, f->s) > 0) {
        for (size_t i = 0; i < f->b->n; i++) {
            labels_print(f->b->key[i], &f->seen);
            buf_printf(&f->seen, " %.17g @%lld", f->b->value[i], (long long)f->b->ts_ms[i]);
            if (f->b->start_ms[i])
                buf_printf(&f->seen, " +%lld", (long long)f->b->start_ms[i]);
            buf_put_c(&f->seen, '\n');
        }
        for (size_t i = 0; i < f->s->exemplars_n; i++) {
            buf_put_c(&f->seen, 'E');
            labels_print(f->s->exemplars[i].labels, &f->seen);
            buf_printf(&f->seen, " %.17g @%lld\n", f->s->exemplars[i].value,
                       (long long)f->s->exemplars[i].ts_ms);
        }
        for (size_t i = 0; i < f->s->metadata_n; i++)
            buf_printf(&f->seen, "M" STR_FMT " %s " STR_FMT "\n", STR_ARG(f->s->metadata[i].metric),
                       metric_type_text(f->s->metadata[i].type), STR_ARG(f->s->metadata[i].help));
        for (size_t i = 0; i < f->s->bad_n; i++)
            buf_printf(&f->seen, "!%zu\n", f->s->bad[i].at);
    }
    buf_put_c(&f->seen, 0);
    return f->seen.p;
}

static void text_is_read_loosely(void **state)
{
    struct fixture *f = *state;
    const char *got =
        read_all(f,
                 STR("# HELP a help \\\\ \\n text\n# TYPE a counter\n a { x = \"1\\\"\" , } 1.5\n"
                     "\n# comment\nb\t2 -5\nc{y=\"z\"}NaN\n{\"d.e\",\"f.g\"=\"h\"} +Inf 12 \n"),
                 EXPOSITION_TEXT);
    assert_string_equal(got, "a{x=\"1\\\"\"} 1.5 @7\nb 2 @-5\nc{y=\"z\"} nan @7\n"
                             "{\"d.e\", \"f.g\"=\"h\"} inf @12\nMa counter help \\ \n text\n");
}

static void a_bad_line_costs_itself_alone(void **state)
{
    struct fixture *f = *state;
    assert_string_equal(
        read_all(f, STR("a 1\nb x\n{} 1\nc{\nd 4 5 6\n# TYPE e nonsense\nf 0x1p3\ng 2"),
                 EXPOSITION_TEXT),
        "a 1 @7\ng 2 @7\n!2\n!3\n!4\n!5\n!6\n!7\n");
}

static void created_lines_become_the_start_of_their_point(void **state)
{
    struct fixture *f = *state;
    const char *got = read_all(
        f,
        STR("# TYPE a counter\na_total{x=\"1\"} 5 # {t=\"i\"} 0.5 2.5\na_created{x=\"1\"} 1.25\n"
            "a_total{x=\"2\"} 6 3\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\n"
            "h_bucket{le=\"+Inf\"} 2\nh_count 2\nh_created 9\n# TYPE g gauge\ng_created 3\n"
            "# EOF\n"),
        EXPOSITION_OPENMETRICS);
    assert_string_equal(got,
                        "a_total{x=\"1\"} 5 @7 +1250\na_total{x=\"2\"} 6 @3000\n"
                        "h_bucket{le=\"1.0\"} 1 @7 +9000\nh_bucket{le=\"+Inf\"} 2 @7 +9000\n"
                        "h_count 2 @7 +9000\ng_created 3 @7\nE{t=\"i\"} 0.5 @2500\nMa counter \n"
                        "Mh histogram \nMg gauge \n");
}

static void a_missing_or_early_end_is_told(void **state)
{
    struct fixture *f = *state;
    assert_string_equal(read_all(f, STR("a 1\n"), EXPOSITION_OPENMETRICS), "a 1 @7\n!1\n");
    assert_string_equal(read_all(f, STR("a 1\n# EOF\nb 2\n"), EXPOSITION_OPENMETRICS),
                        "a 1 @7\n!3\n");
}

static void many_lines_come_in_many_batches(void **state)
{
    struct fixture *f = *state;
    struct buf text;
    size_t rows = 0, bad = 0;
    buf_init(&text, 1 << 20);
    for (int i = 0; i < 2000; i++)
        buf_printf(&text, i % 3 ? "m{i=\"%d\"} %d\n" : "m{i=\"%d\" %d\n", i, i);
    exposition_begin(f->r, buf_str(&text), EXPOSITION_TEXT, 1);
    while (exposition_next(f->r, f->b, f->s) > 0) {
        for (size_t i = 0; i < f->b->n; i++)
            assert_true((size_t)f->b->value[i] + 1 == f->r->lines[i]);
        rows += f->b->n;
        bad += f->s->bad_n;
    }
    assert_int_equal(bad, 667);
    assert_int_equal(rows, 1333);
    buf_done(&text);
}

/* ---- the conformance data of other projects, read where it lies */

struct tally {
    size_t n, wrong;
};

static void judge(struct tally *t, const char *path, const char *name,
                  enum exposition_format format, bool good)
{
    struct why why = {0};
    struct buf body;
    assert_true(cases_read(path, &body));
    bool ours = exposition_check(buf_str(&body), format, &why) == 0;
    t->n++;
    t->wrong += ours != good;
    if (ours != good)
        print_message("%s: should %s (%s)\n", name, good ? "parse" : "be refused", why.text);
    buf_done(&body);
}

static void run_folder(const char *name, cases_file_f *each, size_t least)
{
    char path[CASES_PATH_MAX];
    struct tally t = {0};
    cases_path(name, path);
    if (!cases_each_file(path, each, &t))
        cases_skip(path);
    print_message("%s: %zu of %zu\n", name, t.n - t.wrong, t.n);
    assert_int_equal(t.wrong, 0);
    assert_true(t.n >= least);
}

/* A body lies in "metrics", what is to be said of it in "test.json" beside it. */
static void judge_openmetrics(const char *path, const char *name, void *context)
{
    struct str place = str_c(path);
    char body[CASES_PATH_MAX];
    struct buf verdict;
    if (!str_ends(place, STR("/test.json")))
        return;
    assert_true(cases_read(path, &verdict));
    bool good = str_search(buf_str(&verdict), STR("\"shouldParse\": true")) < verdict.n;
    buf_done(&verdict);
    snprintf(body, sizeof body, "%.*smetrics", (int)(place.n - strlen("test.json")), path);
    judge(context, body, name, EXPOSITION_OPENMETRICS, good);
}

static void the_strict_checker_agrees_with_the_openmetrics_suite(void **state)
{
    (void)state;
    run_folder("openmetrics", judge_openmetrics, 100);
}

static void judge_text(const char *path, const char *name, void *context)
{
    if (!strstr(name, ".txt"))
        judge(context, path, name, EXPOSITION_TEXT, strstr(name, "_error_") == NULL);
}

static void malformed_text_is_refused_by_the_strict_checker(void **state)
{
    (void)state;
    run_folder("expfmt_fuzz", judge_text, 1);
}

/* One case a line: input (or its bytes as Latin-1), format, and whether it is good. */
struct vector {
    struct str input;
    bool openmetrics, good;
};

static struct str latin1(struct arena *a, struct str utf8)
{
    char *to = arena_new(a, utf8.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < utf8.n; i++) {
        unsigned char c = (unsigned char)utf8.p[i];
        if (c >= 0xc2 && c <= 0xc3)
            to[n++] = (char)((c & 3) << 6 | (utf8.p[++i] & 0x3f));
        else
            to[n++] = (char)c;
    }
    return str_of(to, n);
}

static void vector_of(struct str line, struct arena *a, struct vector *ret)
{
    struct json_reader r;
    struct json_event e;
    struct str key = {0};
    bool raw = false;
    json_reader_init(&r, line, a);
    while (json_next(&r, &e, NULL) > 0) {
        if (e.type == JSON_KEY) {
            raw |= str_eq(e.text, STR("latin1"));
            key = str_eq(e.text, STR("latin1")) ? STR("input") : e.text;
        } else if (str_eq(key, STR("input")) && e.type == JSON_TEXT) {
            ret->input = raw ? latin1(a, e.text) : e.text;
        } else if (str_eq(key, STR("format")) && e.type == JSON_TEXT) {
            ret->openmetrics = str_eq(e.text, STR("openmetrics"));
        } else if (str_eq(key, STR("error")) || str_eq(key, STR("errUTF8"))) {
            if (e.type == JSON_TEXT || e.type == JSON_NULL)
                ret->good = e.text.n == 0;
        }
    }
}

static void run_vectors(const char *name, struct vector usual, bool strict, struct fixture *f)
{
    struct cases c;
    cases_begin(&c, name);
    while (cases_next(&c)) {
        struct vector v = usual;
        vector_of(c.line, &c.arena, &v);
        enum exposition_format format = v.openmetrics ? EXPOSITION_OPENMETRICS : EXPOSITION_TEXT;
        bool ours = strict ? exposition_check(v.input, format, NULL) == 0
                           : strchr(read_all(f, v.input, format), '!') == NULL;
        cases_count(&c, ours == v.good);
    }
    cases_end(&c, 1);
}

static void all_text_vectors_hold_strictly(void **state)
{
    run_vectors("vectors/expfmt_text_ok.jsonl", (struct vector){.good = true}, true, *state);
    run_vectors("vectors/expfmt_text_errors.jsonl", (struct vector){.good = false}, true, *state);
}

static void the_scraper_vectors_hold_leniently(void **state)
{
    run_vectors("vectors/textparse.jsonl", (struct vector){.good = true}, false, *state);
}

static void bad_openmetrics_vectors_are_refused(void **state)
{
    run_vectors("vectors/openmetrics_invalid_python.jsonl", (struct vector){.openmetrics = true},
                true, *state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(text_is_read_loosely, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_bad_line_costs_itself_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(created_lines_become_the_start_of_their_point, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_missing_or_early_end_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_lines_come_in_many_batches, set_up, tear_down),
        cmocka_unit_test(the_strict_checker_agrees_with_the_openmetrics_suite),
        cmocka_unit_test(malformed_text_is_refused_by_the_strict_checker),
        cmocka_unit_test_setup_teardown(all_text_vectors_hold_strictly, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_scraper_vectors_hold_leniently, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_openmetrics_vectors_are_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
