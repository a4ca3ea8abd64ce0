#include "codec/influx.h"

#include "base/mem.h"
#include "codec/rows_test.h"

struct fixture {
    struct influx_reader r;
    struct batch b;
    struct sides s;
    struct influx_plan plan;
    struct buf text; /* with slack behind it */
    struct buf seen;
};

static int set_up(void **state)
{
    struct fixture *f = mem_new(sizeof *f);
    influx_init(&f->r);
    f->plan = (struct influx_plan){.separator = STR("_"), .db_label = STR("db"), .now_ms = 7};
    buf_init(&f->text, 1 << 24);
    buf_init(&f->seen, 1 << 24);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    influx_done(&f->r);
    buf_done(&f->text);
    buf_done(&f->seen);
    mem_free(f);
    return 0;
}

/* All that a text gives. */
static const char *read_all(struct fixture *f, struct str text)
{
    buf_clear(&f->seen);
    buf_clear(&f->text);
    buf_put_str(&f->text, text);
    char *slack = buf_reserve(&f->text, CODEC_SLACK);
    assert_non_null(slack);
    memset(slack, 'x', CODEC_SLACK);
    influx_begin(&f->r, buf_str(&f->text), &f->plan);
    while (influx_next(&f->r, &f->b, &f->s) > 0)
        rows_print(&f->b, &f->s, &f->seen);
    buf_put_c(&f->seen, 0);
    return f->seen.p;
}

#define GIVES(f, text, wanted) assert_string_equal(read_all(f, STR(text)), wanted)

static void each_field_is_a_series_of_measurement_and_field(void **state)
{
    struct fixture *f = *state;
    GIVES(f, "cpu,host=a,region=eu usage_user=58i,usage_system=2.5 1500\n",
          "cpu_usage_user{host=\"a\", region=\"eu\"} 58 @0\n"
          "cpu_usage_system{host=\"a\", region=\"eu\"} 2.5 @0\n");
}

static void the_last_line_needs_no_line_end(void **state)
{
    struct fixture *f = *state;
    GIVES(f, "a b=1 1000000\r\na b=2 2000000", "a_b 1 @1\na_b 2 @2\n");
    GIVES(f, "a b=1", "a_b 1 @7\n");
    GIVES(f, "", "");
}

static void every_type_of_value_is_read(void **state)
{
    struct fixture *f = *state;
    GIVES(f,
          "m a=1i,b=-5i,c=18446744073709551615u,d=1.5e3,e=-0.25,f=12345678901234567890.5,g=1.,h=.5,"
          "i=9223372036854775807i,j=0.1234567890123456789,k=+3,l=1E-2\n",
          "m_a 1 @7\nm_b -5 @7\nm_c 1.8446744073709552e+19 @7\nm_d 1500 @7\nm_e -0.25 @7\n"
          "m_f 1.2345678901234567e+19 @7\nm_g 1 @7\nm_h 0.5 @7\nm_i 9.2233720368547758e+18 @7\n"
          "m_j 0.12345678901234568 @7\nm_k 3 @7\nm_l 0.01 @7\n");
    GIVES(f, "m a=t,b=T,c=true,d=True,e=TRUE,f=f,g=F,h=false,i=False,j=FALSE\n",
          "m_a 1 @7\nm_b 1 @7\nm_c 1 @7\nm_d 1 @7\nm_e 1 @7\n"
          "m_f 0 @7\nm_g 0 @7\nm_h 0 @7\nm_i 0 @7\nm_j 0 @7\n");
}

static void texts_are_counted_and_are_no_samples(void **state)
{
    struct fixture *f = *state;
    GIVES(f, "m a=\"x, y=1 \\\" \\\\\",b=2 5000000\nm c=\"one\ntwo\" 5000000\nm d=\"\"",
          "m_b 2 @5\n");
    assert_int_equal(f->r.texts, 3);
    GIVES(f, "m a=1\nm t=\"over\nthe end\",b=4", "m_a 1 @7\nm_b 4 @7\n");
    assert_int_equal(f->r.texts, 1);
}

static void escapes_are_taken_out_of_names_and_tags(void **state)
{
    struct fixture *f = *state;
    GIVES(f, "my\\ m\\,x=y,t\\=a\\,g=v\\ a\\=l,b=c\\d f\\ i\\=e=1\n",
          "{\"my m,x=y_f i=e\", \"t=a,g\"=\"v a=l\", b=\"c\\\\d\"} 1 @7\n");
}

static void names_can_be_made_plain(void **state)
{
    struct fixture *f = *state;
    f->plan.underscores = true;
    GIVES(f, "cpu.all-x,a.b:c=d.e us\\ er%=1,plain=2\n",
          "cpu_all_x_us_er_{a_b_c=\"d.e\"} 1 @7\ncpu_all_x_plain{a_b_c=\"d.e\"} 2 @7\n");
    f->plan.skip_measurement = true;
    GIVES(f, "cpu 0b=1\n", "_b 1 @7\n");
}

static void the_name_follows_the_plan(void **state)
{
    struct fixture *f = *state;
    f->plan.separator = STR(".");
    GIVES(f, "a b=1\n", "{\"a.b\"} 1 @7\n");
    f->plan.skip_single = true;
    GIVES(f, "a b=1\na b=1,c=2\na b=\"x\"\n", "a 1 @7\n{\"a.b\"} 1 @7\n{\"a.c\"} 2 @7\n");
    f->plan.skip_measurement = true;
    GIVES(f, "a b=1\na b=1,c=2\n", "b 1 @7\nb 1 @7\nc 2 @7\n");
}

static void the_database_is_a_label_unless_a_tag_is_called_so(void **state)
{
    struct fixture *f = *state;
    f->plan.db = STR("telegraf");
    GIVES(f, "a,x=y b=1\na,db=z b=1\na b=1\n",
          "a_b{x=\"y\", db=\"telegraf\"} 1 @7\na_b{db=\"z\"} 1 @7\na_b{db=\"telegraf\"} 1 @7\n");
    f->plan.db_label = STR("");
    GIVES(f, "a b=1\n", "a_b 1 @7\n");
}

static void times_count_what_the_precision_says(void **state)
{
    static const struct {
        const char *unit, *wanted;
    } CASES[] = {
        {"", "m_a 1 @1732\nm_a 1 @-2\n"},
        {"n", "m_a 1 @1732\nm_a 1 @-2\n"},
        {"ns", "m_a 1 @1732\nm_a 1 @-2\n"},
        {"u", "m_a 1 @1732233\nm_a 1 @-1001\n"},
        {"us", "m_a 1 @1732233\nm_a 1 @-1001\n"},
        {"\xc2\xb5", "m_a 1 @1732233\nm_a 1 @-1001\n"},
        {"ms", "m_a 1 @1732233600\nm_a 1 @-1000001\n"},
        {"s", "m_a 1 @1732233600000\nm_a 1 @-1000001000\n"},
        {"m", "m_a 1 @103934016000000\nm_a 1 @-60000060000\n"},
        {"h", "m_a 1 @6236040960000000\nm_a 1 @-3600003600000\n"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < COUNTOF(CASES); i++) {
        assert_true(influx_unit_of(str_c(CASES[i].unit), &f->plan.unit));
        GIVES(f, "m a=1 1732233600\nm a=1 -1000001\n", CASES[i].wanted);
    }
    assert_false(influx_unit_of(STR("d"), &f->plan.unit));
}

static void a_bad_line_costs_itself_alone(void **state)
{
    static const struct {
        struct str line;
        const char *reason;
    } CASES[] = {
        {STR("cpu"), "missing fields"},
        {STR("cpu "), "missing fields"},
        {STR(",a=b c=1"), "missing measurement"},
        {STR("cpu,a c=1"), "missing tag value"},
        {STR("cpu,=b c=1"), "missing tag key"},
        {STR("cpu,a=b=c d=1"), "invalid tag format"},
        {STR("cpu c"), "missing field value"},
        {STR("cpu c="), "missing field value"},
        {STR("cpu c=,d=1"), "missing field value"},
        {STR("cpu =1"), "missing field key"},
        {STR("cpu c=1,"), "missing field key"},
        {STR("cpu c=1x"), "invalid number"},
        {STR("cpu c=1.5i"), "invalid number"},
        {STR("cpu c=9223372036854775808i"), "invalid number"},
        {STR("cpu c=-1u"), "invalid number"},
        {STR("cpu c=0x10"), "invalid number"},
        {STR("cpu c=1e999"), "invalid number"},
        {STR("cpu c=nan"), "invalid field format"},
        {STR("cpu c=tru"), "invalid boolean"},
        {STR("cpu c=\"a"), "unbalanced quotes"},
        {STR("cpu c=\"a\"b"), "invalid field format"},
        {STR("cpu c=1 12x"), "bad timestamp"},
        {STR("cpu c=1 -"), "bad timestamp"},
        {STR("cpu c=1 99999999999999999999"), "bad timestamp"},
        {STR("cpu c=1 1 1"), "bad timestamp"},
    };
    struct fixture *f = *state;
    struct buf text, wanted;
    buf_init(&text, 1 << 16);
    buf_init(&wanted, 1 << 16);
    for (size_t i = 0; i < COUNTOF(CASES); i++) {
        buf_clear(&text);
        buf_clear(&wanted);
        bool quotes = strcmp(CASES[i].reason, "unbalanced quotes") == 0;
        buf_printf(&text, "# a comment\na b=1\n" STR_FMT "\n%s", STR_ARG(CASES[i].line),
                   quotes ? "" : "a b=2\n");
        buf_printf(&wanted, "a_b 1 @7\n%s!3 unable to parse '" STR_FMT "': %s\n",
                   quotes ? "" : "a_b 2 @7\n", (int)str_trim(CASES[i].line).n, CASES[i].line.p,
                   CASES[i].reason);
        buf_put_c(&wanted, 0);
        assert_string_equal(read_all(f, buf_str(&text)), wanted.p);
    }
    buf_done(&text);
    buf_done(&wanted);
}

static void a_line_may_have_more_fields_than_a_batch_has_rows(void **state)
{
    struct fixture *f = *state;
    struct buf text, wanted;
    buf_init(&text, 1 << 20);
    buf_init(&wanted, 1 << 20);
    for (int line = 1; line <= 3; line++) {
        buf_printf(&text, "m,a=b x=0");
        buf_printf(&wanted, "m_x{a=\"b\"} 0 @%d\n", line);
        for (int i = 1; i < line * 300; i++) {
            buf_printf(&text, ",f%d=%d", i, i);
            buf_printf(&wanted, "m_f%d{a=\"b\"} %d @%d\n", i, i, line);
        }
        buf_printf(&text, " %d000000\n", line);
    }
    buf_put_c(&wanted, 0);
    assert_string_equal(read_all(f, buf_str(&text)), wanted.p);
    assert_int_equal(f->r.line_n, 3);
    buf_done(&text);
    buf_done(&wanted);
}

static void long_texts_are_kept_whole(void **state)
{
    struct fixture *f = *state;
    struct buf text, wanted;
    char name[301];
    memset(name, 'n', 300);
    name[300] = 0;
    buf_init(&text, 1 << 20);
    buf_init(&wanted, 1 << 20);
    buf_printf(&text, "%s,%s=%s %s=1\n", name, name, name, name);
    buf_printf(&wanted, "%s_%s{%s=\"%s\"} 1 @7\n", name, name, name, name);
    buf_put_c(&wanted, 0);
    assert_string_equal(read_all(f, buf_str(&text)), wanted.p);
    buf_done(&text);
    buf_done(&wanted);
}

static void tags_and_keys_have_limits(void **state)
{
    struct fixture *f = *state;
    struct buf text;
    buf_init(&text, 1 << 24);
    buf_put_str(&text, STR("m,a="));
    for (int i = 0; i < INFLUX_TAGS_MAX; i++)
        buf_put_c(&text, 'x');
    buf_put_str(&text, STR(" b=1\nm b=2\n"));
    const char *got = read_all(f, buf_str(&text));
    assert_non_null(strstr(got, "m_b 2 @7\n!1 unable to parse 'm,a=xxx"));
    assert_non_null(strstr(got, "x...': too many bytes of tags\n"));

    buf_clear(&text);
    buf_put_str(&text, STR("m,a="));
    for (int i = 0; i < INFLUX_TAGS_MAX / 2; i++)
        buf_put_c(&text, 'x');
    buf_put_str(&text, STR(" f=1"));
    for (int i = 0; i < 1000; i++)
        buf_put_str(&text, STR(",f=1"));
    buf_put_str(&text, STR("\nm b=2\n"));
    got = read_all(f, buf_str(&text));
    assert_non_null(strstr(got, "m_b 2 @7\n"));
    assert_non_null(strstr(got, "too many fields for so long tags"));
    buf_done(&text);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(each_field_is_a_series_of_measurement_and_field),
        CASE(the_last_line_needs_no_line_end),
        CASE(every_type_of_value_is_read),
        CASE(texts_are_counted_and_are_no_samples),
        CASE(escapes_are_taken_out_of_names_and_tags),
        CASE(names_can_be_made_plain),
        CASE(the_name_follows_the_plan),
        CASE(the_database_is_a_label_unless_a_tag_is_called_so),
        CASE(times_count_what_the_precision_says),
        CASE(a_bad_line_costs_itself_alone),
        CASE(a_line_may_have_more_fields_than_a_batch_has_rows),
        CASE(long_texts_are_kept_whole),
        CASE(tags_and_keys_have_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
