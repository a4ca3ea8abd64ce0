#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/buf.h"
#include "os/append_file.h"
#include "os/disk.h"
#include "os/file.h"
#include "watch/notice.h"
#include "watch/spool.h"
#include "watch/tail.h"

struct place {
    char folder[64], path[96];
};

static int make_place(void **state)
{
    struct place *p = test_calloc(1, sizeof *p);
    snprintf(p->folder, sizeof p->folder, "/tmp/spool-test-XXXXXX");
    if (!mkdtemp(p->folder))
        return -1;
    snprintf(p->path, sizeof p->path, "%s/x.log", p->folder);
    *state = p;
    return 0;
}

static int drop_place(void **state)
{
    struct place *p = *state;
    struct disk *d;
    struct why why;
    char *name = strrchr(p->folder, '/') + 1;
    if (disk_real_open("/tmp", &d, &why) != 0 || disk_remove_tree(d, name) != 0)
        return -1;
    disk_free(d);
    test_free(p);
    return 0;
}

static size_t size_of(const char *path)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    size_t n = file_read(path, &b, NULL) == 0 ? b.n : SIZE_MAX;
    buf_done(&b);
    return n;
}

static void a_file_is_rotated_at_lines_and_old_ones_go(void **state)
{
    struct place *p = *state;
    struct append_file f;
    char old[120];
    append_file_init(&f, p->path, 100, 3);
    for (int i = 0; i < 100; i++) {
        char line[16];
        size_t n;
        int len = snprintf(line, sizeof line, "line %04d\n", i);
        assert_int_equal(append_file_write(&f, str_of(line, (size_t)len), &n), 0);
        assert_int_equal(n, len);
    }
    append_file_done(&f);
    assert_true(size_of(p->path) <= 100);
    for (int i = 1; i <= 3; i++) {
        snprintf(old, sizeof old, "%s.%d", p->path, i);
        if (i < 3)
            assert_int_equal(size_of(old), 100);
        else
            assert_true(size_of(old) == SIZE_MAX);
    }
    struct buf b;
    buf_init(&b, 1000);
    append_file_tail(p->path, 120, &b);
    assert_int_equal(b.n, 120);
    assert_true(str_ends(buf_str(&b), STR("line 0098\nline 0099\n")));
    buf_done(&b);
}

static void what_is_put_is_on_the_disk_after_a_flush(void **state)
{
    struct place *p = *state;
    struct spool *s = spool_new();
    struct spool_file *f = spool_file_new(s, p->path, 1 << 20, 2);
    for (int i = 0; i < 1000; i++)
        spool_put(f, STR("0123456789"));
    spool_flush(s);
    assert_int_equal(size_of(p->path) + spool_dropped(f), 10000);
    assert_int_equal(spool_error(f), 0);
    char path[120];
    snprintf(path, sizeof path, "%s/whole", p->folder);
    for (int i = 0; i < 50; i++)
        spool_replace(s, path, i < 49 ? STR("older") : STR("the newest"), i % 2);
    spool_flush(s);
    assert_int_equal(size_of(path), strlen("the newest"));
    spool_file_free(f);
    spool_free(s);
}

static void what_the_disk_refuses_is_counted(void **state)
{
    (void)state;
    struct spool *s = spool_new();
    struct spool_file *full = spool_file_new(s, "/dev/full", 1 << 20, 1);
    struct spool_file *none = spool_file_new(s, "/nonexistent/x", 1 << 20, 1);
    spool_put(full, STR("12345"));
    spool_put(none, STR("123"));
    spool_flush(s);
    assert_int_equal(spool_dropped(full), 5);
    assert_int_equal(spool_error(full), -ERR_FULL);
    assert_int_equal(spool_dropped(none), 3);
    assert_int_equal(spool_error(none), -ERR_NOENT);
    spool_file_free(full);
    spool_file_free(none);
    spool_free(s);
}

static void a_tail_keeps_the_last_bytes_of_any_stream(void **state)
{
    (void)state;
    struct tail t = {0};
    struct arena a;
    static char all[300000];
    size_t n = 0;
    arena_init(&a);
    for (unsigned step = 1; n + step < sizeof all; step = step * 3 % 7001 + 1) {
        for (unsigned i = 0; i < step; i++)
            all[n + i] = (char)('a' + (n + i) % 23);
        tail_add(&t, str_of(all + n, step));
        n += step;
        struct str kept = tail_copy(&t, TAIL_MAX, &a);
        size_t wanted = MIN(n, t.capacity);
        assert_int_equal(kept.n, wanted);
        assert_memory_equal(kept.p, all + n - wanted, wanted);
        arena_reset(&a);
    }
    assert_int_equal(t.capacity, TAIL_MAX);
    assert_int_equal(t.total, n);
    tail_done(&t);
    arena_done(&a);
    assert_true(str_eq(tail_lines(STR("a\nb\nc\n"), 2, 100), STR("b\nc\n")));
    assert_true(str_eq(tail_lines(STR("a\nb\nc"), 2, 100), STR("b\nc")));
    assert_true(str_eq(tail_lines(STR("a\nb"), 9, 100), STR("a\nb")));
    assert_true(str_eq(tail_lines(STR("a\nb"), 0, 100), STR("")));
    assert_true(str_eq(tail_lines(STR(""), 3, 100), STR("")));
}

static void a_notice_is_read_as_sd_notify_says(void **state)
{
    (void)state;
    struct notice n = notice_read(STR("READY=1\nSTATUS=up = fine\nWATCHDOG=1\nMAINPID=12\n"
                                      "WATCHDOG_USEC=2500000\nEXTEND_TIMEOUT_USEC=1\nERRNO=2\n"
                                      "UNKNOWN=3\nnonsense"));
    assert_true(n.keeper.ready && n.keeper.beat && !n.keeper.trigger && !n.keeper.stopping);
    assert_true(str_eq(n.status, STR("up = fine")));
    assert_int_equal(n.main_pid, 12);
    assert_int_equal(n.errnum, 2);
    assert_int_equal(n.keeper.heartbeat_ms, 2500);
    assert_int_equal(n.keeper.extend_ms, 1);
    n = notice_read(STR("WATCHDOG=trigger\nSTOPPING=1\nRELOADING=1\nMAINPID=-4\n"
                        "WATCHDOG_USEC=99999999999999999999\nREADY=0"));
    assert_true(n.keeper.trigger && n.keeper.stopping && n.keeper.reloading && !n.keeper.ready);
    assert_int_equal(n.main_pid, 0);
    assert_int_equal(n.keeper.heartbeat_ms, 0);
    assert_null(n.status.p);
    n = notice_read(STR(""));
    assert_false(n.keeper.ready || n.keeper.beat);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_is_rotated_at_lines_and_old_ones_go, make_place,
                                        drop_place),
        cmocka_unit_test_setup_teardown(what_is_put_is_on_the_disk_after_a_flush, make_place,
                                        drop_place),
        cmocka_unit_test(what_the_disk_refuses_is_counted),
        cmocka_unit_test(a_tail_keeps_the_last_bytes_of_any_stream),
        cmocka_unit_test(a_notice_is_read_as_sd_notify_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
