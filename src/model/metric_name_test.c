#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "base/cases_test.h"
#include "model/labels.h"

/* The text behind "key": in a line of the table; the few escapes that it has are of one byte. */
static struct str value_of(struct str line, const char *key, char *room)
{
    size_t at = str_search(line, str_c(key)), n = 0;
    assert_true(at < line.n);
    const char *p = line.p + at + strlen(key);
    while (*p != '"')
        p++;
    for (p++; *p != '"'; p++) {
        if (*p == '\\') { /* \u00c5: a byte, as the table says */
            char hex[5] = {p[2], p[3], p[4], p[5], 0};
            room[n++] = (char)strtoul(hex, NULL, 16);
            p += 5;
        } else {
            room[n++] = *p;
        }
    }
    return str_of(room, n);
}

static bool said(struct str line, const char *text)
{
    return str_search(line, str_c(text)) < line.n;
}

static void names_are_plain_or_not_as_published(void **state)
{
    struct cases c;
    char room[1024];
    (void)state;
    cases_begin(&c, "vectors/metric_name_validity.jsonl");
    while (cases_next(&c)) {
        bool bytes = said(c.line, "\"latin1\"");
        struct str name = value_of(c.line, bytes ? "\"latin1\":" : "\"mn\":", room);
        struct buf key;
        struct why why;
        buf_init(&key, 1024);
        struct label label = {LABEL_METRIC, name};
        bool encoded = labels_encode(&label, 1, &key, &why) == 0;
        cases_count(&c, metric_name_plain(name) == said(c.line, "\"legacyValid\": true") &&
                            encoded == said(c.line, "\"utf8Valid\": true"));
        buf_done(&key);
    }
    cases_end(&c, 5);
}

static void a_plain_name_begins_with_no_digit(void **state)
{
    (void)state;
    assert_true(metric_name_plain(STR("a:b_9")));
    assert_false(metric_name_plain(STR("9a")));
    assert_false(metric_name_plain(STR("")));
    assert_false(label_name_plain(STR("a:b")));
    assert_true(label_name_plain(STR("_9")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_plain_or_not_as_published),
        cmocka_unit_test(a_plain_name_begins_with_no_digit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
