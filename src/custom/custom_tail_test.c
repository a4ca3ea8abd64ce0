#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "custom/custom_tail.h"

enum { LONG_MS = 10000, LINE_MAX_BYTES = 64 };

struct bench {
    char folder[64], path[128], other[128], pattern[128];
    struct disk *disk;
    struct custom_tail *tail;
    struct buf lines;
};

static void note_line(void *context, struct str line)
{
    struct bench *b = context;
    buf_put_str(&b->lines, line);
    buf_put_c(&b->lines, '|');
}

static void begin(struct bench *b, bool from_beginning)
{
    const struct custom_tail_plan plan = {.name = "x:y",
                                          .pattern = b->pattern,
                                          .from_beginning = from_beginning,
                                          .line_max = LINE_MAX_BYTES,
                                          .files_max = 3,
                                          .disk = b->disk,
                                          .clock = &clock_real};
    b->tail = custom_tail_new(&plan);
}

static void set_up(struct bench *b)
{
    *b = (struct bench){.folder = "/tmp/custom-tail-XXXXXX"};
    assert_non_null(mkdtemp(b->folder));
    snprintf(b->path, sizeof b->path, "%s/a.log", b->folder);
    snprintf(b->other, sizeof b->other, "%s/0.log", b->folder);
    snprintf(b->pattern, sizeof b->pattern, "%s/*.log", b->folder);
    assert_int_equal(disk_real_open(b->folder, &b->disk, NULL), 0);
    buf_init(&b->lines, 1 << 20);
}

static void tear_down(struct bench *b)
{
    custom_tail_free(b->tail);
    assert_int_equal(disk_remove_tree(b->disk, "custom"), 0);
    disk_free(b->disk);
    unlink(b->path);
    unlink(b->other);
    assert_int_equal(rmdir(b->folder), 0);
    buf_done(&b->lines);
}

static void put(const char *path, const char *mode, const char *text)
{
    FILE *f = fopen(path, mode);
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void assert_reads(struct bench *b, const char *expected)
{
    buf_clear(&b->lines);
    assert_int_equal(custom_tail_read(b->tail, note_line, b, LONG_MS, NULL), 0);
    buf_put_c(&b->lines, '\0');
    assert_string_equal(b->lines.p, expected);
}

static void begin_again(struct bench *b, bool from_beginning)
{
    custom_tail_free(b->tail);
    begin(b, from_beginning);
}

static void whole_lines_are_given_once(void **state)
{
    struct bench b;
    set_up(&b);
    put(b.path, "w", "one\r\ntwo\nthr");
    begin(&b, true);
    assert_reads(&b, "one|two|");
    assert_reads(&b, "");
    put(b.path, "a", "ee\n\n");
    assert_reads(&b, "three||");
    tear_down(&b);
}

static void what_was_there_before_is_passed_over_unless_asked_for(void **state)
{
    struct bench b;
    set_up(&b);
    put(b.path, "w", "old\n");
    begin(&b, false);
    assert_reads(&b, "");
    put(b.path, "a", "new\n");
    put(b.other, "w", "another file\n");
    assert_reads(&b, "another file|new|");
    tear_down(&b);
}

static void a_renamed_file_is_read_to_its_end_and_not_again(void **state)
{
    struct bench b;
    set_up(&b);
    put(b.path, "w", "one\n");
    begin(&b, true);
    assert_reads(&b, "one|");
    put(b.path, "a", "two\n");
    assert_int_equal(rename(b.path, b.other), 0);
    put(b.path, "w", "three\n");
    assert_reads(&b, "two|three|");
    assert_reads(&b, "");
    tear_down(&b);
}

static void a_file_that_is_moved_out_of_sight_is_read_to_its_end(void **state)
{
    struct bench b;
    char away[160];
    set_up(&b);
    snprintf(away, sizeof away, "%s.1", b.path);
    put(b.path, "w", "one\n");
    begin(&b, true);
    assert_reads(&b, "one|");
    put(b.path, "a", "two\n");
    assert_int_equal(rename(b.path, away), 0);
    put(b.path, "w", "three\n");
    assert_reads(&b, "two|three|");
    unlink(away);
    tear_down(&b);
}

static void a_truncated_file_is_read_from_its_start(void **state)
{
    struct bench b;
    set_up(&b);
    put(b.path, "w", "one\ntwo\n");
    begin(&b, true);
    assert_reads(&b, "one|two|");
    put(b.path, "w", "new\n");
    assert_reads(&b, "new|");
    put(b.path, "w", "longer and other\nthan before\n");
    assert_reads(&b, "longer and other|than before|");
    tear_down(&b);
}

static void places_are_remembered_over_restarts(void **state)
{
    struct bench b;
    set_up(&b);
    put(b.path, "w", "one\n");
    begin(&b, true);
    assert_reads(&b, "one|");
    put(b.path, "a", "two\n");
    begin_again(&b, true);
    assert_reads(&b, "two|");
    /* Another file in its place, while nobody looked. */
    put(b.path, "w", "new and longer\nthan the old\n");
    begin_again(&b, false);
    assert_reads(&b, "new and longer|than the old|");
    tear_down(&b);
}

static void a_damaged_memory_is_none(void **state)
{
    struct bench b;
    char memory[160];
    set_up(&b);
    snprintf(memory, sizeof memory, "%s/custom/log-x-y.json", b.folder);
    put(b.path, "w", "one\n");
    begin(&b, true);
    assert_reads(&b, "one|");
    custom_tail_free(b.tail);
    put(memory, "w", "{\"files\":[");
    begin(&b, false);
    assert_reads(&b, "");
    custom_tail_free(b.tail);
    put(memory, "w", "{\"pattern\":\"/another\",\"files\":[{\"path\":\"/x\",\"offset\":-1}]}");
    begin(&b, true);
    assert_reads(&b, "one|");
    tear_down(&b);
}

static void a_line_that_is_too_long_is_counted_and_passed_over(void **state)
{
    struct bench b;
    char text[LINE_MAX_BYTES * 3];
    set_up(&b);
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    put(b.path, "w", text);
    begin(&b, true);
    assert_reads(&b, "");
    put(b.path, "a", "tail of it\nshort\n");
    assert_reads(&b, "short|");
    assert_int_equal(custom_tail_long(b.tail), 1);
    tear_down(&b);
}

static void what_cannot_be_read_is_told(void **state)
{
    struct bench b;
    struct why why = {0};
    set_up(&b);
    begin(&b, true);
    assert_int_equal(custom_tail_read(b.tail, note_line, &b, LONG_MS, &why), -ERR_NOENT);
    assert_non_null(strstr(why.text, "no file"));
    assert_int_equal(mkdir(b.other, 0700), 0);
    put(b.path, "w", "one\n");
    buf_clear(&b.lines);
    assert_int_equal(custom_tail_read(b.tail, note_line, &b, LONG_MS, &why), -ERR_UNSUPPORTED);
    assert_true(str_eq(buf_str(&b.lines), STR("one|")));
    assert_int_equal(rmdir(b.other), 0);
    tear_down(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_lines_are_given_once),
        cmocka_unit_test(what_was_there_before_is_passed_over_unless_asked_for),
        cmocka_unit_test(a_renamed_file_is_read_to_its_end_and_not_again),
        cmocka_unit_test(a_file_that_is_moved_out_of_sight_is_read_to_its_end),
        cmocka_unit_test(a_truncated_file_is_read_from_its_start),
        cmocka_unit_test(places_are_remembered_over_restarts),
        cmocka_unit_test(a_damaged_memory_is_none),
        cmocka_unit_test(a_line_that_is_too_long_is_counted_and_passed_over),
        cmocka_unit_test(what_cannot_be_read_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
