#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "model/labels.h"

enum { FILE_MAX = 1 << 16 };

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
    (void)state;
    const char *cases = getenv("SONDE_CASES");
    char path[1024], room[1024];
    snprintf(path, sizeof path, "%s/conformance/vectors/metric_name_validity.jsonl",
             cases ? cases : "../shared");
    FILE *f = fopen(path, "rb");
    if (!f) {
        printf("skipped: %s is not there\n", path);
        skip();
    }
    char *text = mem_new(FILE_MAX);
    struct str rest = {text, fread(text, 1, FILE_MAX, f)}, line;
    size_t rows = 0;
    fclose(f);
    for (; str_split(&rest, '\n', &line); rows += line.n > 0) {
        if (line.n == 0)
            continue;
        bool bytes = said(line, "\"latin1\"");
        struct str name = value_of(line, bytes ? "\"latin1\":" : "\"mn\":", room);
        struct buf key;
        struct why why;
        buf_init(&key, 1024);
        struct label label = {LABEL_METRIC, name};
        assert_int_equal(metric_name_plain(name), said(line, "\"legacyValid\": true"));
        assert_int_equal(labels_encode(&label, 1, &key, &why) == 0,
                         said(line, "\"utf8Valid\": true"));
        buf_done(&key);
    }
    mem_free(text);
    printf("metric_name_validity.jsonl: %zu\n", rows);
    assert_true(rows >= 5);
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
