#include "net/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void addresses_are_read_and_written(void **state)
{
    static const struct {
        const char *in, *out; /* NULL: refused */
        bool loopback;
    } rows[] = {
        {"127.0.0.1:7663", "127.0.0.1:7663", true},
        {"localhost:1", "127.0.0.1:1", true},
        {"127.9.8.7:0", "127.9.8.7:0", true},
        {"0.0.0.0:80", "0.0.0.0:80", false},
        {"10.0.0.1:65535", "10.0.0.1:65535", false},
        {"[::1]:0", "[::1]:0", true},
        {"[::ffff:127.0.0.1]:5", "[::ffff:127.0.0.1]:5", true},
        {"[2001:db8::1]:9", "[2001:db8::1]:9", false},
        {"*:7663", "[::]:7663", false},
        {"unix:/run/sonde.sock", "unix:/run/sonde.sock", true},
        {"", NULL, false},
        {"7663", NULL, false},
        {":7663", NULL, false},
        {"127.0.0.1", NULL, false},
        {"127.0.0.1:", NULL, false},
        {"127.0.0.1:65536", NULL, false},
        {"127.0.0.1:-1", NULL, false},
        {"127.0.0.1:8x", NULL, false},
        {"::1:80", NULL, false},
        {"[::1]", NULL, false},
        {"[127.0.0.1]:80", NULL, false},
        {"example.net:80", NULL, false},
        {"unix:", NULL, false},
        {"unix:/a/very/long/path/that/does/not/fit/into/the/hundred/and/eight/bytes/of/an/address/"
         "of/a/unix/socket/of/linux",
         NULL, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct address a;
        struct why why = {0};
        int err = address_parse(str_c(rows[i].in), &a, &why);
        if ((err == 0) != (rows[i].out != NULL))
            fail_msg("%s: %d", rows[i].in, err);
        if (err) {
            assert_int_equal(err, -ERR_FORMAT);
            assert_int_not_equal(why.text[0], 0);
            continue;
        }
        assert_string_equal(a.text, rows[i].out);
        assert_int_equal(address_is_loopback(&a), rows[i].loopback);
    }
}

static void a_few_sockets_share_the_port_that_was_free(void **state)
{
    struct address a;
    int fds[3], fd;
    assert_int_equal(address_parse(STR("127.0.0.1:0"), &a, NULL), 0);
    assert_int_equal(address_listen(&a, 3, fds, NULL), 0);
    assert_int_not_equal(address_port(&a), 0);
    char text[40];
    snprintf(text, sizeof text, "127.0.0.1:%u", address_port(&a));
    assert_string_equal(a.text, text);
    assert_int_equal(address_connect(&a, &fd, NULL), 0);
    close(fd);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    struct why why;
    assert_int_equal(address_connect(&a, &fd, &why), -ERR_CLOSED);
}

static void a_taken_port_is_said_to_be_taken(void **state)
{
    struct address a;
    int fd, other, two[2];
    struct why why;
    assert_int_equal(address_parse(STR("127.0.0.1:0"), &a, NULL), 0);
    assert_int_equal(address_listen(&a, 1, &fd, NULL), 0);
    assert_int_equal(address_listen(&a, 1, &other, &why), -ERR_BUSY);
    assert_non_null(strstr(why.text, a.text));
    close(fd);
    assert_int_equal(address_listen(&a, 2, two, NULL), 0);
    assert_int_equal(address_listen(&a, 2, &other, &why), -ERR_BUSY);
    close(two[0]);
    close(two[1]);
}

static void a_left_over_unix_socket_is_replaced_but_no_other_file(void **state)
{
    char text[100];
    struct address a;
    int fds[2], fd;
    snprintf(text, sizeof text, "unix:/tmp/sonde-address-test-%d", (int)getpid());
    const char *path = text + 5;
    assert_int_equal(address_parse(str_c(text), &a, NULL), 0);
    assert_int_equal(address_listen(&a, 2, fds, NULL), 0);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0660);
    assert_int_equal(address_listen(&a, 1, &fd, NULL), -ERR_BUSY); /* it is alive */
    close(fds[0]);
    close(fds[1]);
    assert_int_equal(address_listen(&a, 1, &fd, NULL), 0);
    close(fd);
    unlink(path);

    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(address_listen(&a, 1, &fd, NULL), -ERR_BUSY);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read_and_written),
        cmocka_unit_test(a_few_sockets_share_the_port_that_was_free),
        cmocka_unit_test(a_taken_port_is_said_to_be_taken),
        cmocka_unit_test(a_left_over_unix_socket_is_replaced_but_no_other_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
