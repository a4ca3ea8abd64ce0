#include "codec/graphite.h"

#include <stdio.h>

#include "base/mem.h"
#include "codec/rows_test.h"

enum { TEMPLATES_MAX = 4 };

struct fixture {
    struct graphite_reader r;
    struct batch b;
    struct sides s;
    struct graphite_plan plan;
    struct graphite_template templates[TEMPLATES_MAX];
    struct buf seen;
};

static int set_up(void **state)
{
    struct fixture *f = mem_new(sizeof *f);
    graphite_init(&f->r);
    f->plan = (struct graphite_plan){.templates = f->templates, .now_ms = 7};
    buf_init(&f->seen, 1 << 24);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    graphite_done(&f->r);
    buf_done(&f->seen);
    mem_free(f);
    return 0;
}

static const char *read_all(struct fixture *f, struct str text)
{
    buf_clear(&f->seen);
    graphite_begin(&f->r, text, &f->plan);
    f->r.line_n = 0;
    while (graphite_next(&f->r, &f->b, &f->s) > 0)
        rows_print(&f->b, &f->s, &f->seen);
    buf_put_c(&f->seen, 0);
    return f->seen.p;
}

#define GIVES(f, text, wanted) assert_string_equal(read_all(f, STR(text)), wanted)

static void use(struct fixture *f, const char *template)
{
    int err = graphite_template_read(str_c(template), &f->templates[f->plan.templates_n], NULL);
    assert_int_equal(err, 0);
    f->plan.templates_n++;
}

static void a_line_is_a_path_a_value_and_a_time(void **state)
{
    struct fixture *f = *state;
    GIVES(f, "a.b.c 1.5 1600000000\nd\t-2e3  1600000000.25\r\n\n# comment\ne 3",
          "{\"a.b.c\"} 1.5 @1600000000000\nd -2000 @1600000000250\ne 3 @7\n");
    GIVES(f, "a 1 -1\nb 2 N\n", "a 1 @7\nb 2 @7\n");
}

static void tags_become_labels(void **state)
{
    struct fixture *f = *state;
    GIVES(f, "disk.used;host=web 1;rack=a1 42 1\n", "!1 a line is PATH VALUE TIME\n");
    GIVES(f, "disk.used;host=web1;rack=;a.b=c=d 42 1\n",
          "{\"disk.used\", host=\"web1\", \"a.b\"=\"c=d\"} 42 @1000\n");
}

static void names_can_be_made_plain(void **state)
{
    struct fixture *f = *state;
    f->plan.underscores = true;
    GIVES(f, "a.b-c;x.y:z=d.e 1 1\n0a 2 1\n", "a_b_c{x_y_z=\"d.e\"} 1 @1000\n_a 2 @1000\n");
}

static void a_template_takes_a_path_apart(void **state)
{
    struct fixture *f = *state;
    use(f, "servers.* .host.measurement*");
    use(f, "*.app env.service.resource.measurement region=eu,x=y");
    use(f, "stats.web*.t .host.host.measurement.field");
    GIVES(f, "servers.web1.cpu.load.short 1 1\nprod.app.db.size 2 1\nstats.web7.t.p50.mean 3 1\n",
          "{\"cpu.load.short\", host=\"web1\"} 1 @1000\n"
          "size{env=\"prod\", service=\"app\", resource=\"db\", region=\"eu\", x=\"y\"} 2 @1000\n"
          "{\"p50.mean\", host=\"web7.t\"} 3 @1000\n");
    /* None fits, or it would leave no name, or there are tags. */
    GIVES(f, "other.x 1 1\nservers.web1 2 1\nservers.web1.cpu;a=b 3 1\n",
          "{\"other.x\"} 1 @1000\n{\"servers.web1\"} 2 @1000\n"
          "{\"servers.web1.cpu\", a=\"b\"} 3 @1000\n");
}

static void the_first_template_that_fits_is_used(void **state)
{
    struct fixture *f = *state;
    use(f, "a.* .x.measurement");
    use(f, "measurement.y.y");
    GIVES(f, "a.b.c 1 1\nd.e.f 2 1\nd.e.f.g 3 1\n",
          "c{x=\"b\"} 1 @1000\nd{y=\"e.f\"} 2 @1000\nd{y=\"e.f\"} 3 @1000\n");
}

static void stars_of_a_filter_stand_for_any_text_of_a_part(void **state)
{
    static const struct {
        const char *filter, *path;
        bool fits;
    } CASES[] = {
        {"a*", "abc.x 1 1", true},      {"*c", "abc.x 1 1", true},   {"a*c", "abc.x 1 1", true},
        {"a*b*c", "aXbYc.x 1 1", true}, {"*b*", "abc.x 1 1", true},  {"a*b*c", "ac.x 1 1", false},
        {"a*", "b.x 1 1", false},       {"*c", "ab.x 1 1", false},   {"a.*.c", "a.b.d 1 1", false},
        {"a.b.c", "a.b 1 1", false},    {"ab*bc", "abc 1 1", false},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < COUNTOF(CASES); i++) {
        char template[64];
        snprintf(template, sizeof template, "%s measurement* t=u", CASES[i].filter);
        f->plan.templates_n = 0;
        use(f, template);
        const char *got = read_all(f, str_c(CASES[i].path));
        assert_int_equal(strstr(got, "t=\"u\"") != NULL, CASES[i].fits);
    }
}

static void a_template_that_is_none_is_refused(void **state)
{
    static const char *const REFUSED[] = {
        "",
        "a b c d",
        "a b c",
        "host.path",
        "measurement*.host",
        "mea*",
        "measurement x",
        "a m",
        "measurement x=",
        "measurement =y",
        "a.* measurement* x",
    };
    (void)state;
    for (size_t i = 0; i < COUNTOF(REFUSED); i++) {
        struct graphite_template t;
        struct why why = {0};
        assert_int_not_equal(graphite_template_read(str_c(REFUSED[i]), &t, &why), 0);
        assert_true(why.text[0] != 0);
    }
}

static void a_bad_line_costs_itself_alone(void **state)
{
    struct fixture *f = *state;
    GIVES(
        f,
        "a\nb 1 2 3\nc x 1\nd 1 x\ne nan 1\nf 1 1e15\n;a=b 1 1\ng;x 1 1\ng;=x 1 1\nh inf 1\n"
        "good 1 1\n",
        "good 1 @1000\n!1 a line is PATH VALUE TIME\n!2 a line is PATH VALUE TIME\n"
        "!3 the value is not a number\n!4 the time is not a number of seconds\n"
        "!5 the value is not a number\n!6 the time is out of range\n!7 there is no name\n"
        "!8 a tag is not name=value\n!9 a tag is not name=value\n!10 the value is not a number\n");
}

static void rows_come_a_batch_at_a_time(void **state)
{
    struct fixture *f = *state;
    struct buf text;
    buf_init(&text, 1 << 20);
    for (int i = 0; i < 1000; i++)
        buf_printf(&text, "m %d %d\n", i, i);
    size_t rows = 0;
    graphite_begin(&f->r, buf_str(&text), &f->plan);
    while (graphite_next(&f->r, &f->b, &f->s) > 0)
        for (size_t i = 0; i < f->b.n; i++, rows++)
            assert_true(f->b.value[i] == (double)rows && f->b.ts_ms[i] == (int64_t)rows * 1000);
    assert_int_equal(rows, 1000);
    buf_done(&text);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_line_is_a_path_a_value_and_a_time),
        CASE(tags_become_labels),
        CASE(names_can_be_made_plain),
        CASE(a_template_takes_a_path_apart),
        CASE(the_first_template_that_fits_is_used),
        CASE(stars_of_a_filter_stand_for_any_text_of_a_part),
        CASE(a_template_that_is_none_is_refused),
        CASE(a_bad_line_costs_itself_alone),
        CASE(rows_come_a_batch_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
