#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "text/letter.h"

static void expect(void (*put)(struct str s, struct buf *out), const char *in, const char *wanted)
{
    struct buf b;
    buf_init(&b, 1024);
    put(str_c(in), &b);
    buf_put_c(&b, 0);
    assert_string_equal(b.p, wanted);
    buf_done(&b);
}

static void letters_of_all_alphabets_have_cases(void **state)
{
    (void)state;
    expect(letter_put_upper, "bAr123 \xc3\xa4\xc3\xb6\xc3\xbc \xce\xb1 \xd0\xb6",
           "BAR123 \xc3\x84\xc3\x96\xc3\x9c \xce\x91 \xd0\x96");
    expect(letter_put_lower, "bAr123 \xc3\x84 \xce\x91 \xd0\x96 \xf0\x90\x90\x80",
           "bar123 \xc3\xa4 \xce\xb1 \xd0\xb6 \xf0\x90\x90\xa8");
    expect(letter_put_upper, "\xc5\xbf", "S"); /* the long s */
    expect(letter_put_upper, "\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80",
           "\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80");
}

static void bytes_that_are_no_text_become_the_replacement(void **state)
{
    (void)state;
    expect(letter_put_lower,
           "A\xff"
           "B\xc3",
           "a\xef\xbf\xbd"
           "b\xef\xbf\xbd");
}

static void code_points_come_back_as_they_were(void **state)
{
    (void)state;
    const uint32_t some[] = {0,      'a',    0x7f,   0x80,    0x7ff,   0x800,
                             0xd7ff, 0xe000, 0xffff, 0x10000, 0x10ffff};
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        struct buf b;
        size_t n;
        buf_init(&b, 8);
        letter_put(some[i], &b);
        assert_int_equal(letter_next(buf_str(&b), &n), some[i]);
        assert_int_equal(n, b.n);
        buf_done(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_of_all_alphabets_have_cases),
        cmocka_unit_test(bytes_that_are_no_text_become_the_replacement),
        cmocka_unit_test(code_points_come_back_as_they_were),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
