#include "codec/collectd_http.h"

#include "base/mem.h"
#include "codec/rows_test.h"

struct fixture {
    struct collectd_http_reader r;
    struct collectd_types types;
    struct batch b;
    struct sides s;
    struct buf seen;
};

static int set_up(void **state)
{
    struct fixture *f = mem_new(sizeof *f);
    collectd_http_init(&f->r);
    collectd_types_init(&f->types);
    buf_init(&f->seen, 1 << 24);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    collectd_http_done(&f->r);
    collectd_types_done(&f->types);
    buf_done(&f->seen);
    mem_free(f);
    return 0;
}

static const char *read_all(struct fixture *f, struct str text)
{
    struct why why = {0};
    int got;
    buf_clear(&f->seen);
    collectd_http_begin(&f->r, text, &f->types, 7);
    while ((got = collectd_http_next(&f->r, &f->b, &f->s, &why)) > 0)
        rows_print(&f->b, &f->s, &f->seen);
    if (got < 0)
        buf_printf(&f->seen, "error %s\n", err_code(got));
    assert_int_equal(got < 0, why.text[0] != 0);
    buf_put_c(&f->seen, 0);
    return f->seen.p;
}

#define GIVES(f, text, wanted) assert_string_equal(read_all(f, STR(text)), wanted)

static void items_of_json_become_series(void **state)
{
    struct fixture *f = *state;
    GIVES(f,
          "[{\"values\":[1,2.5],\"dstypes\":[\"derive\",\"derive\"],\"dsnames\":[\"rx\",\"tx\"],"
          "\"time\":1600000000.25,\"interval\":10.000,\"host\":\"web1\",\"plugin\":\"interface\","
          "\"plugin_instance\":\"eth0\",\"type\":\"if_octets\",\"type_instance\":\"\","
          "\"meta\":{\"network:received\":true}},"
          "{\"values\":[null,3],\"dstypes\":[\"gauge\",\"gauge\"],\"dsnames\":[\"a\",\"value\"],"
          "\"time\":1600000001,\"host\":\"web1\",\"plugin\":\"df\",\"plugin_instance\":\"root\","
          "\"type\":\"df\",\"type_instance\":\"x\"}]",
          "collectd_interface_if_octets_rx_total{instance=\"web1\", interface=\"eth0\"} 1 "
          "@1600000000250\n"
          "collectd_interface_if_octets_tx_total{instance=\"web1\", interface=\"eth0\"} 2.5 "
          "@1600000000250\n"
          "collectd_df{instance=\"web1\", df=\"root\", type=\"x\"} 3 @1600000001000\n");
}

static void commands_become_the_same_series(void **state)
{
    struct fixture *f = *state;
    GIVES(f,
          "PUTVAL web1/interface-eth0/if_octets interval=10.000 1600000000.250:1:2.5\r\n"
          "PUTVAL \"web 1/cpu-0/cpu-user\" interval=10 1600000000:5\r\n\r\n"
          "PUTVAL web1/load/load N:0.5:U:0.25\r\nPUTVAL web1/memory/memory-used 1600000000:8e9\n",
          "collectd_interface_if_octets_rx_total{instance=\"web1\", interface=\"eth0\"} 1 "
          "@1600000000250\n"
          "collectd_interface_if_octets_tx_total{instance=\"web1\", interface=\"eth0\"} 2.5 "
          "@1600000000250\n"
          "collectd_cpu_total{instance=\"web 1\", cpu=\"0\", type=\"user\"} 5 @1600000000000\n"
          "collectd_load_shortterm{instance=\"web1\"} 0.5 @7\n"
          "collectd_load_longterm{instance=\"web1\"} 0.25 @7\n"
          "collectd_memory{instance=\"web1\", memory=\"used\"} 8000000000 @1600000000000\n");
}

static void messages_are_passed_over(void **state)
{
    struct fixture *f = *state;
    GIVES(f, "[{\"host\":\"a\",\"severity\":\"OKAY\",\"message\":\"fine\",\"time\":1}]", "");
    GIVES(f, "", "");
    GIVES(f, "[]", "");
}

static void a_bad_item_costs_itself_alone(void **state)
{
    struct fixture *f = *state;
    GIVES(f,
          "[{\"values\":[1],\"dstypes\":[],\"dsnames\":[\"a\"],\"host\":\"h\",\"plugin\":\"p\","
          "\"type\":\"t\"},{\"values\":[1],\"dstypes\":[\"gauge\"],\"dsnames\":[\"value\"],"
          "\"host\":\"h\",\"plugin\":\"p\",\"type\":\"t\"},{\"plugin\":\"x\"}]",
          "collectd_p_t{instance=\"h\"} 1 @7\n"
          "!1 item 1: values, dstypes and dsnames are not as many\n"
          "!3 item 3: host, plugin or type is missing\n");
    GIVES(f,
          "GETVAL a/b/c\nPUTVAL a/b 1:1\nPUTVAL a/b/c\nPUTVAL a/b/c x:1\nPUTVAL a/b/c 1:x\n"
          "PUTVAL a/b/c 1:1 more\nPUTVAL a/b/c 1\nPUTVAL a/b/c 1:5\n",
          "collectd_b_c{instance=\"a\"} 5 @1000\n"
          "!1 line 1: a line is PUTVAL IDENTIFIER interval=SECONDS TIME:VALUES\n"
          "!2 line 2: the identifier is not HOST/PLUGIN/TYPE\n!3 line 3: there are no values\n"
          "!4 line 4: the time is not a number of seconds\n!5 line 5: a value is not a number\n"
          "!6 line 6: there is something behind the values\n!7 line 7: there are no values\n");
}

static void what_came_before_damage_is_kept(void **state)
{
    struct fixture *f = *state;
    GIVES(f,
          "[{\"values\":[1],\"dstypes\":[\"gauge\"],\"dsnames\":[\"value\"],\"host\":\"h\","
          "\"plugin\":\"p\",\"type\":\"t\"},{\"values\":",
          "collectd_p_t{instance=\"h\"} 1 @7\nerror bad_format\n");
    GIVES(f, "[1]", "error bad_format\n");
    GIVES(f, "[{\"values\":[[1]]}]", "error bad_format\n");
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(items_of_json_become_series),     CASE(commands_become_the_same_series),
        CASE(messages_are_passed_over),        CASE(a_bad_item_costs_itself_alone),
        CASE(what_came_before_damage_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
