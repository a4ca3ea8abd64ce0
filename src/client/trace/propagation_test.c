#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "client/core/id.h"
#include "client/trace/baggage.h"
#include "client/trace/propagation.h"
#include "client/trace/sampler.h"
#include "client/trace/tracestate.h"

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN  "b7ad6b7169203331"

static void traceparents_of_the_standard_are_read_and_written_back(void **state)
{
    static const char *const good[] = {
        "00-" TRACE "-" SPAN "-01",
        "00-" TRACE "-" SPAN "-00",
        "00-" TRACE "-" SPAN "-03",
        "00-" TRACE "-" SPAN "-02",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        sonde_context c = {0};
        char back[SONDE_TRACEPARENT_SIZE];
        assert_int_equal(sonde_context_parse(good[i], &c), 0);
        sonde_context_format(&c, back);
        assert_string_equal(back, good[i]);
    }
}

static void a_later_version_is_read_by_its_first_55_characters(void **state)
{
    sonde_context c = {0};
    assert_int_equal(sonde_context_parse("01-" TRACE "-" SPAN "-01", &c), 0);
    assert_int_equal(sonde_context_parse("cc-" TRACE "-" SPAN "-01-what-comes-later", &c), 0);
    assert_int_equal(c.flags, SONDE_CONTEXT_SAMPLED);
    assert_int_equal(sonde_context_parse("cc-" TRACE "-" SPAN "-01.what", &c),
                     SONDE_ERROR_ARGUMENT);
    assert_int_equal(sonde_context_parse("cc-" TRACE "-" SPAN "-09", &c), 0);
    assert_int_equal(c.flags, SONDE_CONTEXT_SAMPLED); /* flags that are not known are left out */
}

static void traceparents_that_break_a_rule_are_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "00",
        "ff-" TRACE "-" SPAN "-01",
        "0F-" TRACE "-" SPAN "-01",
        "00-00000000000000000000000000000000-" SPAN "-01",
        "00-" TRACE "-0000000000000000-01",
        "00-0AF7651916CD43DD8448EB211C80319C-" SPAN "-01",
        "00-" TRACE "-B7AD6B7169203331-01",
        "00-" TRACE "-" SPAN "-0G",
        "00-" TRACE "-" SPAN "-1",
        "00-" TRACE "-" SPAN "-01-",
        "00-" TRACE "-" SPAN "-01-more",
        "00_" TRACE "-" SPAN "-01",
        "00-" TRACE "_" SPAN "-01",
        "00-" TRACE "-" SPAN "_01",
        "00-0af7651916cd43dd8448eb211c80319-" SPAN "-01",
        "00-" TRACE "-b7ad6b716920333-01",
        ".0-" TRACE "-" SPAN "-01",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        sonde_context c;
        memset(&c, 7, sizeof c);
        assert_int_equal(sonde_context_parse(bad[i], &c), SONDE_ERROR_ARGUMENT);
        assert_int_equal(c.trace_id[0], 7);
    }
    assert_int_equal(sonde_context_parse(NULL, NULL), SONDE_ERROR_ARGUMENT);
}

static const char *state_of(const char *header, struct tracestate *ret)
{
    static char text[TRACESTATE_MAX + 1];
    if (!tracestate_read(header, strlen(header), ret)) {
        return NULL;
    }
    memcpy(text, ret->text, ret->n);
    text[ret->n] = 0;
    return text;
}

static void members_of_tracestate_keep_their_order_and_lose_blanks(void **state)
{
    struct tracestate t;
    assert_string_equal(state_of("foo=1,bar=2", &t), "foo=1,bar=2");
    assert_string_equal(state_of(" foo=1 \t,\tbar=2, ,", &t), "foo=1,bar=2");
    assert_string_equal(state_of("", &t), "");
    assert_string_equal(state_of("a*/-_b1@vendor=x y,c= z", &t), "a*/-_b1@vendor=x y,c= z");
    assert_string_equal(state_of("0tenant@sys=1", &t), "0tenant@sys=1");
    assert_string_equal(state_of("foo=1,bar=2,foo=3", &t), "foo=1,bar=2");
}

static void a_tracestate_that_breaks_a_rule_is_left_out_whole(void **state)
{
    static const char *const bad[] = {"foo",           "foo=",         "=1",       "Foo=1",
                                      "foo @=1",       "@foo=1",       "foo@=1",   "foo@@bar=1",
                                      "foo@bar@baz=1", "foo=1=2",      "foo=\x01", "0foo=1",
                                      "foo@1a=1",      "foo=a\xc3\xa4"};
    struct tracestate t;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_null(state_of(bad[i], &t));
        assert_int_equal(t.n, 0);
    }
}

static void tracestate_holds_32_members_and_512_bytes(void **state)
{
    char text[2048] = "";
    struct tracestate t;
    size_t at = 0;
    for (int i = 0; i < 32; i++) {
        at += (size_t)snprintf(text + at, sizeof text - at, "%sk%d=%d", i ? "," : "", i, i);
    }
    assert_string_equal(state_of(text, &t), text);
    snprintf(text + at, sizeof text - at, ",k32=1");
    assert_null(state_of(text, &t));

    /* a long member goes first, then those at the end */
    char long_value[201], header[1024];
    memset(long_value, 'x', 200);
    long_value[200] = 0;
    snprintf(header, sizeof header, "a=%s,b=1,c=%.120s,d=%.120s,e=%.110s", long_value, long_value,
             long_value, long_value);
    const char *got = state_of(header, &t);
    assert_non_null(got);
    assert_int_equal(strncmp(got, "b=1,c=x", 7), 0);
    assert_true(t.n <= TRACESTATE_MAX);
    assert_non_null(strstr(got, ",e=x"));
}

static void thresholds_and_random_numbers_of_ot_are_read(void **state)
{
    struct tracestate t;
    assert_non_null(state_of("v=1,ot=th:c;rv:00000000000123", &t));
    assert_true(t.has_threshold && t.has_random);
    assert_int_equal(t.threshold, (uint64_t)0xc << 52);
    assert_int_equal(t.random, 0x123);
    assert_non_null(state_of("ot=th:x", &t));
    assert_false(t.has_threshold);
    assert_non_null(state_of("ot=rv:123", &t)); /* 14 digits, no less */
    assert_false(t.has_random);
}

static void forgetting_a_threshold_leaves_the_rest_of_tracestate(void **state)
{
    static const char *const cases[][2] = {
        {"ot=th:c", ""},
        {"a=1,ot=th:c", "a=1"},
        {"ot=th:c,b=2", "b=2"},
        {"a=1,ot=th:c,b=2", "a=1,b=2"},
        {"ot=th:c;rv:00000000000123", "ot=rv:00000000000123"},
        {"ot=rv:00000000000123;th:c,b=2", "ot=rv:00000000000123,b=2"},
        {"ot=x:1;th:c;y:2", "ot=x:1;y:2"},
        {"xot=th:c", "xot=th:c"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tracestate t;
        assert_true(tracestate_read(cases[i][0], strlen(cases[i][0]), &t));
        tracestate_forget_threshold(&t);
        assert_int_equal(t.n, strlen(cases[i][1]));
        assert_memory_equal(t.text, cases[i][1], t.n);
    }
}

static const char *baggage_of(const char *header)
{
    static char kept[BAGGAGE_MAX + 1];
    struct text t;
    text_init(&t, 2 * BAGGAGE_MAX);
    baggage_read(header, strlen(header), &t);
    memcpy(kept, t.bytes ? t.bytes : "", t.len);
    kept[t.len] = 0;
    text_done(&t);
    return kept;
}

static void baggage_is_read_and_bad_members_are_left_out(void **state)
{
    assert_string_equal(baggage_of("a=1,b=2"), "a=1,b=2");
    assert_string_equal(baggage_of(" a = 1 ; p = 2 ;q , b=2 "), "a=1;p=2;q,b=2");
    assert_string_equal(baggage_of("a,b=2,=3,c d=4,e=\"x\",f=g h,h="), "b=2,h=");
    assert_string_equal(baggage_of("a=1;b c"), "");
    assert_string_equal(baggage_of("k=v=w"), "k=v=w");
}

static void baggage_holds_64_members_and_8192_bytes(void **state)
{
    static char header[20000], longest[9000];
    size_t at = 0;
    for (int i = 0; i < 70; i++) {
        at += (size_t)snprintf(header + at, sizeof header - at, "k%d=%d,", i, i);
    }
    const char *got = baggage_of(header);
    assert_non_null(strstr(got, "k63=63"));
    assert_null(strstr(got, "k64=64"));
    memset(longest, 'v', sizeof longest);
    snprintf(header, sizeof header, "a=1,b=%.8100s,c=%.8100s,d=4", longest, longest);
    got = baggage_of(header);
    assert_true(strlen(got) <= BAGGAGE_MAX);
    assert_null(strstr(got, ",c="));
    assert_non_null(strstr(got, ",d=4"));
    snprintf(header, sizeof header, "a=%.8190s", longest);
    assert_int_equal(strlen(baggage_of(header)), BAGGAGE_MAX);
    snprintf(header, sizeof header, "a=%.8191s", longest);
    assert_string_equal(baggage_of(header), "");
}

static void values_of_baggage_are_decoded_and_encoded(void **state)
{
    char value[64];
    size_t n;
    const char *list = "a=x%20y%2C%c3%a4;p=1,b=%zz%4,c=%ff";
    assert_true(baggage_find(list, strlen(list), "a", value, sizeof value, &n));
    assert_string_equal(value, "x y,\xc3\xa4");
    assert_int_equal(n, strlen(value));
    assert_true(baggage_find(list, strlen(list), "b", value, sizeof value, &n));
    assert_string_equal(value, "%zz%4");
    assert_true(baggage_find(list, strlen(list), "c", value, sizeof value, &n));
    assert_string_equal(value, "\xef\xbf\xbd");
    assert_false(baggage_find(list, strlen(list), "p", value, sizeof value, &n));
    assert_true(baggage_find(list, strlen(list), "a", value, 2, &n));
    assert_int_equal(n, 6);
    assert_true(strlen(value) < 2);

    struct text t;
    text_init(&t, 2 * BAGGAGE_MAX);
    assert_true(baggage_with("a=1;p,b=2", 9, "a", "x, %\xc3\xa4", &t));
    assert_string_equal(text_string(&t), "b=2,a=x%2C%20%25%C3%A4");
    text_clear(&t);
    assert_true(baggage_with("a=1;p,b=2", 9, "b", NULL, &t));
    assert_string_equal(text_string(&t), "a=1;p");
    text_done(&t);
}

static void contexts_of_b3_are_read(void **state)
{
    sonde_context c = {0};
    assert_true(propagation_b3(TRACE "-" SPAN "-1-05e3ac9a4f6e3b90", &c));
    assert_int_equal(c.trace_id[0], 0x0a);
    assert_int_equal(c.span_id[7], 0x31);
    assert_int_equal(c.flags, SONDE_CONTEXT_SAMPLED);
    assert_true(propagation_b3("8448eb211c80319c-" SPAN "-d", &c)); /* 64 bits: the right half */
    assert_int_equal(c.trace_id[7], 0);
    assert_int_equal(c.trace_id[8], 0x84);
    assert_int_equal(c.flags, SONDE_CONTEXT_SAMPLED);
    assert_true(propagation_b3(TRACE "-" SPAN "-0", &c));
    assert_int_equal(c.flags, 0);
    assert_true(propagation_b3("0", &c));
    assert_int_equal(c.flags, 0);
    assert_true(sonde_context_valid(&c));
    assert_false(propagation_b3("1", &c));
    assert_false(propagation_b3(TRACE "-" SPAN "-2", &c));
    assert_false(propagation_b3(TRACE "-0000000000000000-1", &c));
    assert_false(propagation_b3("x-" SPAN, &c));
    assert_true(propagation_b3_multi(TRACE, SPAN, NULL, "1", &c));
    assert_int_equal(c.flags, SONDE_CONTEXT_SAMPLED);
    assert_true(propagation_b3_multi(TRACE, SPAN, "0", NULL, &c));
    assert_int_equal(c.flags, 0);
    assert_false(propagation_b3_multi(TRACE, NULL, "1", NULL, &c));
    assert_false(propagation_b3_multi(NULL, NULL, NULL, NULL, &c));
}

static void contexts_of_jaeger_and_sentry_are_read(void **state)
{
    sonde_context c = {0};
    assert_true(propagation_uber("5af7183fb1d4cf5f:6b221d5bc9e6496c:0:1", &c));
    assert_int_equal(c.trace_id[8], 0x5a);
    assert_int_equal(c.flags, SONDE_CONTEXT_SAMPLED);
    assert_true(propagation_uber("1%3A2%3A0%3A0", &c));
    assert_int_equal(c.trace_id[15], 1);
    assert_int_equal(c.span_id[7], 2);
    assert_int_equal(c.flags, 0);
    assert_false(propagation_uber("1:2:0", &c));
    assert_false(propagation_uber("1:0:0:1", &c));
    assert_false(propagation_uber("1:2:0:zz", &c));
    assert_true(propagation_sentry(TRACE "-" SPAN "-1", &c));
    assert_int_equal(c.flags, SONDE_CONTEXT_SAMPLED);
    assert_true(propagation_sentry(TRACE "-" SPAN "-0", &c));
    assert_int_equal(c.flags, 0);
    assert_true(propagation_sentry(TRACE "-" SPAN, &c));
    assert_false(propagation_sentry("8448eb211c80319c-" SPAN "-1", &c));
}

static void thresholds_are_those_of_the_standard(void **state)
{
    char text[SAMPLER_TEXT_MAX];
    static const struct {
        double rate;
        const char *text;
    } cases[] = {{1, "0"},        {0.5, "8"},        {0.25, "c"}, {0.1, "e666"},
                 {0.01, "fd70a"}, {0.001, "ffbe77"}, {0.75, "4"}, {1.0 / 3, "aaab"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t t = sampler_of_rate(cases[i].rate), back;
        assert_int_equal(sampler_text(t, text), strlen(cases[i].text));
        assert_string_equal(text, cases[i].text);
        assert_true(sampler_parse(text, strlen(text), &back));
        assert_int_equal(back, t);
        double error = sampler_rate_of(t) / cases[i].rate - 1;
        assert_true(error < 0.0005 && error > -0.0005);
    }
    assert_int_equal(sampler_of_rate(0), SAMPLER_NEVER);
    assert_int_equal(sampler_of_rate(-1), SAMPLER_NEVER);
    uint64_t t;
    assert_false(sampler_parse("", 0, &t));
    assert_false(sampler_parse("123456789012345", 15, &t));
    assert_false(sampler_parse("E6", 2, &t));
}

/* Random ids of a fixed seed. */
static uint64_t next_random(uint64_t *seed)
{
    *seed += 0x9e3779b97f4a7c15;
    uint64_t z = *seed;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static void the_sampler_keeps_the_share_it_is_told_and_smaller_ones_within_it(void **state)
{
    enum { N = 200000 };
    static const double rates[] = {0.9, 0.5, 0.1, 0.01};
    uint64_t seed = 42, kept[4] = {0};
    for (int i = 0; i < N; i++) {
        uint8_t id[16];
        uint64_t words[2] = {next_random(&seed), next_random(&seed)};
        memcpy(id, words, sizeof id);
        bool before = true;
        for (int r = 0; r < 4; r++) {
            bool now = sampler_random(id) >= sampler_of_rate(rates[r]);
            assert_true(before || !now); /* kept by a small rate: kept by all larger ones */
            kept[r] += now;
            before = now;
        }
    }
    for (int r = 0; r < 4; r++) { /* five standard deviations */
        double mean = N * rates[r], most = 5 * __builtin_sqrt(mean * (1 - rates[r]));
        assert_true((double)kept[r] > mean - most && (double)kept[r] < mean + most);
    }
}

static void the_adaptive_rate_holds_the_bound_and_comes_back_slowly(void **state)
{
    struct sampler_load l = {0};
    assert_true(sampler_adapt(&l, 0, 1000000, 1) == 1);
    l = (struct sampler_load){0};
    assert_true(sampler_adapt(&l, 10, 5, 1) == 1);
    double rate = sampler_adapt(&l, 10, 1000, 1);
    assert_true(rate > 0.0099 && rate < 0.0101);
    double later = sampler_adapt(&l, 10, 0, 1); /* a pause does not open the gate at once */
    assert_true(later > rate && later < 2 * rate);
    for (int i = 0; i < 60; i++) {
        later = sampler_adapt(&l, 10, 0, 1);
    }
    assert_true(later == 1);
}

static void a_threshold_rides_in_a_context(void **state)
{
    sonde_context c = {0};
    uint64_t t;
    assert_false(sampler_from(&c, &t));
    sampler_into(&c, 0);
    assert_true(sampler_from(&c, &t));
    assert_int_equal(t, 0);
    sampler_into(&c, (uint64_t)0xe6 << 48);
    assert_true(sampler_from(&c, &t));
    assert_int_equal(t, (uint64_t)0xe6 << 48);
    assert_int_equal(c.flags, 0);
}

static void a_threshold_that_contradicts_the_flag_is_not_believed(void **state)
{
    const char *parent = "00-0000000000000001"
                         "00800000000000ff-" SPAN "-01";
    char text[TRACESTATE_MAX];
    uint64_t t;
    sonde_propagation *p = sonde_propagation_of(parent, "ot=th:8,a=1", NULL);
    sonde_context c = sonde_propagation_context(p);
    assert_true(sampler_from(&c, &t)); /* 0x800000000000ff is not below 0x80.. */
    assert_int_equal(propagation_state(&c, p, text), 11);
    sonde_propagation_free(p);
    p = sonde_propagation_of(parent, "ot=th:9,a=1", NULL);
    c = sonde_propagation_context(p);
    assert_false(sampler_from(&c, &t));
    size_t n = propagation_state(&c, p, text);
    assert_int_equal(n, 3);
    assert_memory_equal(text, "a=1", n);
    sonde_propagation_free(p);
}

static void without_a_good_traceparent_tracestate_is_not_taken(void **state)
{
    assert_null(sonde_propagation_of("00-bad", "a=1", NULL));
    assert_null(sonde_propagation_of(NULL, NULL, NULL));
    sonde_propagation *p = sonde_propagation_of("00-bad", "a=1", "k=v");
    assert_non_null(p);
    assert_int_equal(p->state_n, 0);
    assert_int_equal(p->baggage_n, 3);
    sonde_propagation_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(traceparents_of_the_standard_are_read_and_written_back),
        cmocka_unit_test(a_later_version_is_read_by_its_first_55_characters),
        cmocka_unit_test(traceparents_that_break_a_rule_are_refused),
        cmocka_unit_test(members_of_tracestate_keep_their_order_and_lose_blanks),
        cmocka_unit_test(a_tracestate_that_breaks_a_rule_is_left_out_whole),
        cmocka_unit_test(tracestate_holds_32_members_and_512_bytes),
        cmocka_unit_test(thresholds_and_random_numbers_of_ot_are_read),
        cmocka_unit_test(forgetting_a_threshold_leaves_the_rest_of_tracestate),
        cmocka_unit_test(baggage_is_read_and_bad_members_are_left_out),
        cmocka_unit_test(baggage_holds_64_members_and_8192_bytes),
        cmocka_unit_test(values_of_baggage_are_decoded_and_encoded),
        cmocka_unit_test(contexts_of_b3_are_read),
        cmocka_unit_test(contexts_of_jaeger_and_sentry_are_read),
        cmocka_unit_test(thresholds_are_those_of_the_standard),
        cmocka_unit_test(the_sampler_keeps_the_share_it_is_told_and_smaller_ones_within_it),
        cmocka_unit_test(the_adaptive_rate_holds_the_bound_and_comes_back_slowly),
        cmocka_unit_test(a_threshold_rides_in_a_context),
        cmocka_unit_test(a_threshold_that_contradicts_the_flag_is_not_believed),
        cmocka_unit_test(without_a_good_traceparent_tracestate_is_not_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
