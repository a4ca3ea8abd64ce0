#include "receive/pushgateway.h"

#include <stdio.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena_test.h"
#include "base/mem.h"
#include "receive/pushgateway_body.h"

static struct pushgateway_groups *groups;

static int begin(void **state)
{
    groups = pushgateway_groups_new(3, 1 << 16);
    return arena_test_begin(state);
}

static int end(void **state)
{
    pushgateway_groups_free(groups);
    return arena_test_end(state);
}

/* The labels of a path, or what is wrong with it. */
static const char *grouping_text(const char *path)
{
    static char text[1024];
    struct pushgateway_grouping g = {0};
    struct why why = {0};
    int n = 0;
    if (pushgateway_grouping_of(str_c(path), &arena, &g, &why) != 0)
        return why.err == -ERR_FORMAT ? "bad" : "other";
    text[0] = 0;
    for (size_t i = 0; i < g.n; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, STR_FMT "=" STR_FMT ";",
                      STR_ARG(g.labels[i].name), STR_ARG(g.labels[i].value));
    return text;
}

static void a_path_names_the_labels_of_a_group(void **state)
{
    static const struct {
        const char *path, *wanted;
    } CASES[] = {
        {"/metrics/job/a", "job=a;"},
        {"/metrics/job/a/", "job=a;"},
        {"/metrics/job/a/z/1/b/2", "b=2;job=a;z=1;"},
        {"/metrics/job@base64/YS9i", "job=a/b;"},
        {"/metrics/job/a/path@base64/L3Zhci90bXA", "job=a;path=/var/tmp;"},
        {"/metrics/job/a/path@base64/L3Zhci90bXA=", "job=a;path=/var/tmp;"},
        {"/metrics/job/a/e@base64/=", "e=;job=a;"},
        {"/metrics/job/a/job/b", "job=a;"},
        {"/metrics/job/a/x/1/x/2", "job=a;x=2;"},
        {"/metrics/job/", "bad"},
        {"/metrics/job@base64/=", "bad"},
        {"/metrics/job/a/odd", "bad"},
        {"/metrics/job/a/0x/y", "bad"},
        {"/metrics/job/a/__x/y", "bad"},
        {"/metrics/job/a/b-c/y", "bad"},
        {"/metrics/job@base64/!", "bad"},
        {"/metrics/job@base64/Y", "bad"},
        {"/metrics/job@base64/gICA", "bad"}, /* no UTF-8 */
    };
    (void)state;
    for (size_t i = 0; i < COUNTOF(CASES); i++)
        assert_string_equal(grouping_text(CASES[i].path), CASES[i].wanted);
}

/* A push to /metrics/PATH; 0, or the error. */
static int push(const char *path, bool replace, const char *body, int64_t now_ms)
{
    struct pushgateway_grouping g = {.tenant = STR("default")};
    struct pushgateway_family **families;
    struct why why = {0};
    size_t n;
    struct str whole = arena_printf(&arena, "/metrics/%s", path);
    assert_int_equal(pushgateway_grouping_of(whole, &arena, &g, NULL), 0);
    int err = pushgateway_body_read(str_c(body), PUSHGATEWAY_TEXT, &g, &families, &n, &why);
    if (err != 0)
        return err;
    err = pushgateway_groups_push(groups, &g, replace, families, n, now_ms, -1, &why);
    mem_free(families);
    return err;
}

static void put_series(void *context, struct pushgateway_group *group)
{
    struct buf *out = context;
    for (size_t i = 0; i < group->families.n; i++)
        for (size_t k = 0; k < group->families.v[i]->n; k++) {
            labels_print(group->families.v[i]->v[k].key, out);
            buf_printf(out, " %g\n", group->families.v[i]->v[k].value);
        }
    buf_printf(out, "pushed %lld failed %lld\n", (long long)group->pushed_ms,
               (long long)group->failed_ms);
}

static const char *all(void)
{
    struct buf out;
    buf_init(&out, 1 << 16);
    pushgateway_groups_each(groups, false, put_series, &out);
    struct str text = arena_str(&arena, buf_str(&out));
    buf_done(&out);
    return text.n ? text.p : "";
}

static void put_replaces_all_and_post_the_same_names(void **state)
{
    (void)state;
    assert_int_equal(push("job/a", true, "x 1\ny{job=\"other\",l=\"m\"} 2\n", 5), 0);
    assert_string_equal(all(), "x{job=\"a\"} 1\ny{job=\"a\", l=\"m\"} 2\npushed 5 failed 0\n");
    assert_int_equal(push("job/a", false, "x 3\n", 6), 0);
    assert_string_equal(all(), "y{job=\"a\", l=\"m\"} 2\nx{job=\"a\"} 3\npushed 6 failed 0\n");
    assert_int_equal(push("job/a", true, "z 4\n", 7), 0);
    assert_string_equal(all(), "z{job=\"a\"} 4\npushed 7 failed 0\n");
}

static void what_ended_is_told_once(void **state)
{
    struct pushgateway_ended *ended;
    (void)state;
    assert_int_equal(push("job/a", true, "x 1\ny 2\nz 3\n", 5), 0);
    assert_int_equal(pushgateway_groups_ended(groups, &arena, &ended), 0);
    assert_int_equal(push("job/a", true, "x 1\n", 5), 0); /* x is there again */
    assert_int_equal(pushgateway_groups_ended(groups, &arena, &ended), 2);
    assert_int_equal(pushgateway_groups_ended(groups, &arena, &ended), 0);
}

static void contradictions_are_refused_and_noted(void **state)
{
    (void)state;
    assert_int_equal(push("job/a", true, "# TYPE x gauge\nx 1\n", 5), 0);
    assert_int_equal(push("job/b", true, "# TYPE x counter\nx 1\n", 6), -ERR_FORMAT);
    assert_int_equal(push("job/b", true, "d 1\nd 2\n", 7), -ERR_FORMAT);
    assert_int_equal(push("job/b", true, "t 1 5\n", 8), -ERR_FORMAT);
    assert_int_equal(push("job/b", true, "broken{\n", 8), -ERR_FORMAT);
    assert_non_null(strstr(all(), "pushed 0 failed 7\n"));
    /* The same series in another group. */
    assert_int_equal(push("job/c/l/m", true, "s 1\n", 9), 0);
    assert_int_equal(push("job/c", true, "s{l=\"m\"} 1\n", 9), -ERR_LIMIT);  /* a fourth group */
    assert_int_equal(push("job/a", false, "# TYPE x counter\nx 1\n", 9), 0); /* its own alone */
}

static void limits_hold(void **state)
{
    struct buf body;
    (void)state;
    buf_init(&body, 1 << 20);
    for (int i = 0; i < 2000; i++)
        buf_printf(&body, "m{i=\"%d\"} 1\n", i);
    buf_put_c(&body, 0);
    assert_int_equal(push("job/a", true, body.p, 5), -ERR_LIMIT);
    buf_done(&body);
    assert_int_equal(pushgateway_groups_n(groups), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(push(arena_printf(&arena, "job/%d", i).p, true, "", 5), 0);
    assert_int_equal(push("job/3", true, "", 5), -ERR_LIMIT);
}

static void what_is_saved_is_loaded_and_damage_is_not(void **state)
{
    struct buf bytes;
    (void)state;
    buf_init(&bytes, 1 << 20);
    assert_int_equal(push("job/a/b/c", true, "# HELP x some\n# TYPE x counter\nx 1\ny 2\n", 5), 0);
    assert_int_equal(push("job/d", true, "x_total 1 5\n", 6), -ERR_FORMAT);
    const char *before = all();
    pushgateway_groups_save(groups, &bytes);
    assert_false(pushgateway_groups_changed(groups));
    for (size_t i = 0; i <= bytes.n; i++) {
        struct pushgateway_groups *fresh = pushgateway_groups_new(3, 1 << 16);
        struct why why = {0};
        if (i < bytes.n)
            bytes.p[i] ^= 1;
        int err = pushgateway_groups_load(fresh, buf_str(&bytes), &why);
        assert_int_equal(err == 0, i == bytes.n);
        assert_int_equal(pushgateway_groups_n(fresh), i == bytes.n ? 1 : 0);
        if (i < bytes.n) {
            bytes.p[i] ^= 1;
            pushgateway_groups_free(fresh);
        } else {
            pushgateway_groups_free(groups);
            groups = fresh;
        }
    }
    assert_string_equal(all(), before);
    buf_done(&bytes);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_path_names_the_labels_of_a_group),
        CASE(put_replaces_all_and_post_the_same_names),
        CASE(what_ended_is_told_once),
        CASE(contradictions_are_refused_and_noted),
        CASE(limits_hold),
        CASE(what_is_saved_is_loaded_and_damage_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
