#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/collectd.h"
#include "codec/collectd_types.h"
#include "model/labels.h"

/* ---- making packets */

static struct buf packet;

static int set_up(void **state)
{
    buf_init(&packet, 65536);
    return 0;
}

static int tear_down(void **state)
{
    buf_done(&packet);
    return 0;
}

static void put_be(uint64_t v, unsigned bytes)
{
    while (bytes-- > 0)
        buf_put_c(&packet, (char)(v >> (8 * bytes)));
}

static void head(unsigned type, size_t content)
{
    put_be(type, 2);
    put_be(content + 4, 2);
}

static void text(unsigned type, const char *s)
{
    head(type, strlen(s) + 1);
    buf_put(&packet, s, strlen(s) + 1);
}

static void number(unsigned type, uint64_t v)
{
    head(type, 8);
    put_be(v, 8);
}

static void identity(const char *host, const char *plugin, const char *type)
{
    text(0x0000, host);
    text(0x0002, plugin);
    text(0x0004, type);
}

static void gauge(double v)
{
    head(0x0006, 2 + 9);
    put_be(1, 2);
    put_be(COLLECTD_GAUGE, 1);
    buf_put_double_raw(&packet, v);
}

/* What a packet says, a line a value; values are called by the standard types. */
static void says(struct str bytes, const char *wanted)
{
    struct collectd_reader r;
    struct collectd_item item;
    enum collectd_what what;
    struct collectd_types types;
    struct buf out, name, key;
    collectd_types_init(&types);
    buf_init(&out, 65536);
    buf_init(&name, 65536);
    buf_init(&key, 65536);
    collectd_begin(&r, bytes);
    while ((what = collectd_next(&r, &item)) != COLLECTD_END) {
        size_t n = what == COLLECTD_VALUES ? collectd_values(&item) : 0;
        for (size_t i = 0; i < n; i++) {
            char index[24];
            enum collectd_kind kind;
            double v = collectd_value(&item, i, &kind);
            buf_clear(&name);
            buf_clear(&key);
            collectd_name(&r.now, collectd_types_value(&types, r.now.type, i, n, index), kind,
                          &name);
            collectd_key(&r.now, buf_str(&name), &key);
            labels_print(buf_str(&key), &out);
            buf_printf(&out, " %g @%lld\n", v, (long long)r.now.ts_ms);
        }
        if (what == COLLECTD_SIGNED)
            buf_printf(&out, "signed " STR_FMT " %zu\n", STR_ARG(item.user), item.covered.n);
        else if (what == COLLECTD_ENCRYPTED)
            buf_printf(&out, "encrypted " STR_FMT " %zu\n", STR_ARG(item.user), item.sealed.n);
        else if (what == COLLECTD_NOTIFICATION)
            buf_printf(&out, "notification %u " STR_FMT "\n", item.severity,
                       STR_ARG(item.message));
        else if (what == COLLECTD_BAD)
            buf_printf(&out, "bad\n");
    }
    buf_put_c(&out, '\0');
    assert_string_equal(out.p, wanted);
    buf_done(&out);
    buf_done(&name);
    buf_done(&key);
    collectd_types_done(&types);
}

/* ---- cases */

static void values_of_every_kind_are_read(void **state)
{
    identity("web1", "p", "t");
    number(0x0008, (uint64_t)1700000000 << 30 | 1 << 29);
    head(0x0006, 2 + 4 * 9);
    put_be(4, 2);
    for (unsigned kind = 0; kind < 4; kind++)
        put_be(kind, 1);
    put_be(UINT64_C(1) << 63, 8);
    buf_put_double_raw(&packet, -2.5);
    put_be((uint64_t)-7, 8);
    put_be(9, 8);
    says(buf_str(&packet), "collectd_p_t_0_total{instance=\"web1\"} 9.22337e+18 @1700000000500\n"
                           "collectd_p_t_1{instance=\"web1\"} -2.5 @1700000000500\n"
                           "collectd_p_t_2_total{instance=\"web1\"} -7 @1700000000500\n"
                           "collectd_p_t_3{instance=\"web1\"} 9 @1700000000500\n");
}

static void parts_hold_until_they_are_said_anew(void **state)
{
    identity("web1", "cpu", "cpu");
    number(0x0001, 1700000000);
    text(0x0003, "0");
    text(0x0005, "user");
    gauge(1);
    text(0x0005, "idle");
    gauge(2);
    text(0x0003, "");
    gauge(3);
    text(0x0002, "load");
    text(0x0004, "load");
    text(0x0005, "");
    gauge(4);
    says(buf_str(&packet),
         "collectd_cpu{instance=\"web1\", cpu=\"0\", type=\"user\"} 1 @1700000000000\n"
         "collectd_cpu{instance=\"web1\", cpu=\"0\", type=\"idle\"} 2 @1700000000000\n"
         "collectd_cpu{instance=\"web1\", cpu=\"idle\"} 3 @1700000000000\n"
         "collectd_load{instance=\"web1\"} 4 @1700000000000\n");
}

static void names_become_plain_and_standard_types_name_their_values(void **state)
{
    identity("h", "my-plugin", "if_octets");
    text(0x0003, "eth0");
    head(0x0006, 2 + 2 * 9);
    put_be(2, 2);
    put_be(COLLECTD_DERIVE, 1);
    put_be(COLLECTD_DERIVE, 1);
    put_be(10, 8);
    put_be(20, 8);
    text(0x0004, "duration");
    gauge(3);
    says(buf_str(&packet),
         "collectd_my_plugin_if_octets_rx_total{instance=\"h\", my_plugin=\"eth0\"} 10 @0\n"
         "collectd_my_plugin_if_octets_tx_total{instance=\"h\", my_plugin=\"eth0\"} 20 @0\n"
         "collectd_my_plugin_duration_seconds{instance=\"h\", my_plugin=\"eth0\"} 3 @0\n");
}

static void unknown_parts_are_passed_over_and_notifications_told(void **state)
{
    identity("h", "p", "p");
    head(0x0999, 3);
    buf_put(&packet, "abc", 3);
    number(0x0101, 1);
    text(0x0100, "disk is full");
    gauge(1);
    says(buf_str(&packet), "notification 1 disk is full\ncollectd_p{instance=\"h\"} 1 @0\n");
}

static void signatures_cover_what_follows_them(void **state)
{
    static const char MAC[COLLECTD_MAC_BYTES];
    head(0x0200, sizeof MAC + 3);
    buf_put(&packet, MAC, sizeof MAC);
    buf_put(&packet, "ann", 3);
    size_t before = packet.n;
    identity("h", "p", "p");
    gauge(1);
    char wanted[100];
    snprintf(wanted, sizeof wanted, "signed ann %zu\ncollectd_p{instance=\"h\"} 1 @0\n",
             3 + packet.n - before);
    says(buf_str(&packet), wanted);
}

static void encrypted_parts_say_whose_they_are(void **state)
{
    char zeros[16 + 20 + 40] = {0};
    head(0x0210, 2 + 3 + sizeof zeros);
    put_be(3, 2);
    buf_put(&packet, "ann", 3);
    buf_put(&packet, zeros, sizeof zeros);
    says(buf_str(&packet), "encrypted ann 60\n");
}

static void packets_that_are_cut_off_anywhere_do_no_harm(void **state)
{
    identity("host", "plugin", "type");
    number(0x0001, 1700000000);
    gauge(1);
    size_t whole = packet.n;
    for (size_t n = 1; n < whole; n++) {
        struct collectd_reader r;
        struct collectd_item item;
        char *copy = malloc(n); /* so that reading past the end is seen */
        memcpy(copy, packet.p, n);
        collectd_begin(&r, str_of(copy, n));
        enum collectd_what what = collectd_next(&r, &item);
        assert_true(what == COLLECTD_BAD || what == COLLECTD_END);
        assert_int_equal(collectd_next(&r, &item), COLLECTD_END);
        free(copy);
    }
}

static void bad_parts_end_the_packet(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
    } BAD[] = {
        {"\x00", 1},             /* no head */
        {"\x00\x00\x00\x00", 4}, /* shorter than its head */
        {"\x00\x00\x00\x03", 4}, /* the same */
        {"\x00\x00\x00\x09"
         "a\x00",
         6}, /* longer than the packet */
        {"\x00\x00\x00\x05"
         "a",
         5}, /* a text without its end */
        {"\x00\x00\x00\x08"
         "a\0b\0",
         8},                     /* one with two */
        {"\x00\x00\x00\x04", 4}, /* one without anything */
        {"\x00\x01\x00\x08"
         "abcd",
         8},                             /* a number of four bytes */
        {"\x00\x06\x00\x06\x00\x00", 6}, /* no values, and nothing that they are of */
        {"\x02\x00\x00\x08"
         "abcd",
         8}, /* a signature without a digest */
        {"\x02\x10\x00\x08\x00\x04"
         "ab",
         8}, /* an encrypted part without its head */
        {"\x00\x01\x00\x0c\xff\xff\xff\xff\xff\xff\xff\xff", 12}, /* no time */
    };
    for (size_t i = 0; i < COUNTOF(BAD); i++)
        says(str_of(BAD[i].bytes, BAD[i].n), "bad\n");
}

static void values_that_do_not_fit_their_part_are_bad(void **state)
{
    for (unsigned said = 0; said < 4; said++) {
        buf_clear(&packet);
        identity("h", "p", "p");
        head(0x0006, 2 + 9);
        put_be(said, 2);
        put_be(COLLECTD_GAUGE, 1);
        put_be(0, 8);
        says(buf_str(&packet), said == 1 ? "collectd_p{instance=\"h\"} 0 @0\n" : "bad\n");
    }
    buf_clear(&packet);
    identity("h", "p", "p");
    head(0x0006, 2 + 9);
    put_be(1, 2);
    put_be(4, 1); /* no kind */
    put_be(0, 8);
    says(buf_str(&packet), "bad\n");
}

static void values_without_a_host_are_bad(void **state)
{
    text(0x0002, "p");
    text(0x0004, "p");
    gauge(1);
    says(buf_str(&packet), "bad\n");
}

static void types_of_files_add_to_the_standard_ones(void **state)
{
    struct collectd_types t;
    struct why why = {0};
    char number_text[24];
    collectd_types_init(&t);
    assert_int_equal(collectd_types_read(&t,
                                         STR("# mine\n\nmine  a:GAUGE:0:U, b:DERIVE:0:U\n"
                                             "load\tvalue:GAUGE:0:100\n"),
                                         &why),
                     0);
    assert_true(str_eq(collectd_types_value(&t, STR("mine"), 1, 2, number_text), STR("b")));
    assert_true(str_eq(collectd_types_value(&t, STR("load"), 0, 1, number_text), STR("value")));
    assert_true(str_eq(collectd_types_value(&t, STR("df"), 1, 2, number_text), STR("free")));
    /* What is not as the type says is numbered. */
    assert_true(str_eq(collectd_types_value(&t, STR("mine"), 2, 3, number_text), STR("2")));
    assert_true(str_eq(collectd_types_value(&t, STR("other"), 0, 1, number_text), STR("value")));
    assert_true(str_eq(collectd_types_value(&t, STR("other"), 1, 2, number_text), STR("1")));
    collectd_types_done(&t);
}

static void bad_files_of_types_are_refused_with_their_line(void **state)
{
    static const char *const BAD[] = {"x",
                                      "x a",
                                      "x a:GAUGE",
                                      "x a:GAUGE:0:U:1",
                                      "x a:FLOAT:0:U",
                                      "x a:GAUGE:0:U b:GAUGE:0:U",
                                      "x :GAUGE:0:U",
                                      "x a:GAUGE:0:U,"};
    for (size_t i = 0; i < COUNTOF(BAD); i++) {
        struct collectd_types t;
        struct why why = {0};
        struct buf file;
        buf_init(&file, 1000);
        buf_printf(&file, "# a\n%s\n", BAD[i]);
        collectd_types_init(&t);
        assert_int_equal(collectd_types_read(&t, buf_str(&file), &why), -ERR_FORMAT);
        assert_non_null(strstr(why.text, "line 2 is not TYPE NAME:KIND:MIN:MAX"));
        assert_non_null(strstr(why.text, BAD[i]));
        collectd_types_done(&t);
        buf_done(&file);
    }
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(values_of_every_kind_are_read),
        CASE(parts_hold_until_they_are_said_anew),
        CASE(names_become_plain_and_standard_types_name_their_values),
        CASE(unknown_parts_are_passed_over_and_notifications_told),
        CASE(signatures_cover_what_follows_them),
        CASE(encrypted_parts_say_whose_they_are),
        CASE(packets_that_are_cut_off_anywhere_do_no_harm),
        CASE(bad_parts_end_the_packet),
        CASE(values_that_do_not_fit_their_part_are_bad),
        CASE(values_without_a_host_are_bad),
        CASE(types_of_files_add_to_the_standard_ones),
        CASE(bad_files_of_types_are_refused_with_their_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
