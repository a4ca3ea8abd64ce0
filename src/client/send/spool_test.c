#include "client/send/stand_in.h"

#include <fcntl.h>
#include <sys/file.h>
#include <time.h>

#include "client/core/identity.h"
#include "client/core/intern.h"
#include "client/core/lost.h"
#include "client/core/setting.h"
#include "client/core/ticks.h"
#include "client/send/lines.h"
#include "client/send/queue.h"
#include "client/send/remote.h"

static struct stand_in in;

/* The library's settings alone: the queue and the spool are driven by the test. */
static void load(const char *more)
{
    const char *const settings[] = {in.spool, "socket=none", more, NULL};
    char problem[SETTING_PROBLEM_MAX];
    sonde_options options = SONDE_OPTIONS_INIT;
    options.service = "shop";
    options.settings = settings;
    assert_int_equal(setting_load(&options, problem), 0);
    identity_load();
    spool_start();
}

static int begin(void **state)
{
    stand_in_init(&in);
    load(NULL);
    return 0;
}

static int end(void **state)
{
    queue_stop(false);
    spool_stop();
    stand_in_done(&in);
    return 0;
}

static void put(enum frame_kind kind, const char *category, const char *text, size_t n)
{
    struct outgoing what = {.kind = kind, .items = 1, .category = category};
    struct text t;
    text_init(&t, 8 << 20);
    char *room = text_room(&t, n);
    memset(room, 'x', n);
    memcpy(room, text, strlen(text) < n ? strlen(text) : n);
    t.len = n;
    queue_put(&what, &t);
    text_done(&t);
}

/* The next one's first bytes; "" for none. It is taken. */
static const char *take(enum spool_kind kind)
{
    static char first[16];
    struct text t;
    text_init(&t, SPOOL_FILE_MAX);
    struct queue_entry *e = queue_next(kind, QUEUE_DAEMON);
    memset(first, 0, sizeof first);
    if (e && queue_read(e, QUEUE_DAEMON, &t) == 0) {
        memcpy(first, t.bytes, t.len < 5 ? t.len : 5);
        queue_taken(e, QUEUE_DAEMON);
    }
    text_done(&t);
    return first;
}

static struct queue_stats stats(void)
{
    struct queue_stats s;
    queue_stats(&s);
    return s;
}

static void names_of_files_say_what_is_in_them(void **state)
{
    struct spool_name name = {.unix_ns = 1764000000123456789,
                              .id = 0xabcdef0123456789,
                              .items = 4294967295u,
                              .kind = SPOOL_LOGS,
                              .taken = 2},
                      read;
    char text[SPOOL_NAME_MAX];
    snprintf(name.category, sizeof name.category, "log_item");
    spool_name_write(&name, text);
    assert_string_equal(text, "187afca76f25cd15-abcdef0123456789.logs.log_item.4294967295.2");
    assert_true(spool_name_read(text, &read));
    assert_int_equal(read.unix_ns, name.unix_ns);
    assert_int_equal(read.id, name.id);
    assert_int_equal(read.items, name.items);
    assert_int_equal(read.kind, name.kind);
    assert_int_equal(read.taken, name.taken);
    assert_string_equal(read.category, name.category);
    static const char *const bad[] = {
        "",
        "lock",
        "tmp-187b04f1ee8a0515-abcdef0123456789.logs.x.1.0",
        "187b04f1ee8a0515-abcdef0123456789.logs.x.1.4",
        "187b04f1ee8a0515-abcdef0123456789.logs.x.1",
        "187b04f1ee8a0515-abcdef0123456789.other.x.1.0",
        "187b04f1ee8a0515-abcdef0123456789.logs.x.4294967296.0",
        "f87b04f1ee8a0515-abcdef0123456789.logs.x.1.0",
        "187b04f1ee8a0515-abcdef0123456789.logs..1.0",
        "187b04f1ee8a0515-abcdef0123456789.logs.x.1.00",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(spool_name_read(bad[i], &read));
    }
}

static void the_oldest_goes_where_the_spool_is_full(void **state)
{
    spool_stop();
    load("spool.bytes=10000");
    uint64_t lost = lost_count(LOST_ERROR, LOST_QUEUE_FULL);
    char name[12];
    for (int i = 0; i < 12; i++) {
        snprintf(name, sizeof name, "%04d:", i);
        put(FRAME_ENVELOPE, "error", name, 1000);
    }
    assert_int_equal(stats().disk_bytes[SPOOL_ENVELOPE], 10000);
    assert_int_equal(stand_in_files(&in, ".envelope."), 10);
    assert_int_equal(lost_count(LOST_ERROR, LOST_QUEUE_FULL), lost + 2);
    assert_string_equal(take(SPOOL_ENVELOPE), "0002:");
    put(FRAME_LOGS, NULL, "logs", 9000); /* each kind has its own bound */
    queue_spill(true);
    assert_int_equal(stats().disk_bytes[SPOOL_LOGS], 9000);
    assert_int_equal(stats().disk_bytes[SPOOL_ENVELOPE], 9000);
    put(FRAME_ENVELOPE, "error", "big", 20000); /* more than all room: in memory */
    assert_int_equal(stats().memory_bytes, 20000);
    assert_int_equal(stand_in_files(&in, ".envelope."), 9);
}

static void memory_is_bounded_by_going_to_disk(void **state)
{
    spool_stop();
    load("send.memory_bytes=20000");
    for (int i = 0; i < 100; i++) {
        char name[12];
        snprintf(name, sizeof name, "%04d:", i);
        put(FRAME_SPANS, NULL, name, 1000);
        assert_true(stats().memory_bytes <= 20000);
    }
    assert_int_equal(stats().disk_files[SPOOL_SPANS], 80);
    for (int i = 0; i < 100; i++) { /* in the order in which they came, from both */
        char name[12];
        snprintf(name, sizeof name, "%04d:", i);
        assert_string_equal(take(SPOOL_SPANS), name);
    }
    assert_string_equal(take(SPOOL_SPANS), "");
    assert_int_equal(stats().memory_bytes + stats().disk_bytes[SPOOL_SPANS], 0);
}

static void without_a_disk_memory_is_still_bounded(void **state)
{
    spool_stop();
    load("send.memory_bytes=20000");
    spool_stop();
    setting.spool_bytes = 0; /* as a disk that takes nothing */
    uint64_t lost = lost_count(LOST_ERROR, LOST_QUEUE_FULL);
    for (int i = 0; i < 50; i++) {
        put(FRAME_ENVELOPE, "error", "x", 1000);
        assert_true(stats().memory_bytes <= 20000);
    }
    assert_int_equal(lost_count(LOST_ERROR, LOST_QUEUE_FULL), lost + 30);
    assert_int_equal(stand_in_files(&in, ".envelope."), 0);
}

/* A folder as a process that was killed leaves it. */
static void leave_behind(const char *folder, const char *file, const char *text)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", spool_path(), folder);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/%s/%s", spool_path(), folder, file);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void what_was_left_is_taken_over_once_and_in_order(void **state)
{
    char name[2][SPOOL_NAME_MAX];
    for (int i = 0; i < 2; i++) {
        struct spool_name n = {.unix_ns = ticks_unix_now_ns() - (2 - i) * 1000000,
                               .id = 5,
                               .items = 1,
                               .category = "error"};
        spool_name_write(&n, name[i]);
    }
    leave_behind("run-1", name[1], "late");
    leave_behind("run-2", name[0], "early");
    leave_behind("run-2", "tmp-torn", "half");    /* its writer died before it was whole */
    leave_behind("run-2", "foreign.txt", "mine"); /* nobody knows it: it stays */
    put(FRAME_ENVELOPE, "error", "own", 3);
    queue_adopt();
    assert_int_equal(stats().disk_files[SPOOL_ENVELOPE], 3);
    queue_adopt();
    assert_int_equal(stats().disk_files[SPOOL_ENVELOPE], 3);
    assert_string_equal(take(SPOOL_ENVELOPE), "early");
    assert_string_equal(take(SPOOL_ENVELOPE), "late");
    assert_string_equal(take(SPOOL_ENVELOPE), "own");
    assert_int_equal(stand_in_files(&in, "torn"), 0);
    assert_int_equal(stand_in_files(&in, "foreign"), 1);
}

static void what_a_living_process_has_is_left_alone(void **state)
{
    struct spool_name n = {
        .unix_ns = ticks_unix_now_ns(), .id = 5, .items = 1, .category = "error"};
    char name[SPOOL_NAME_MAX], path[300];
    spool_name_write(&n, name);
    leave_behind("run-1", name, "theirs");
    leave_behind("run-1", "lock", "");
    snprintf(path, sizeof path, "%s/run-1/lock", spool_path());
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    queue_adopt();
    assert_int_equal(stats().disk_files[SPOOL_ENVELOPE], 0);
    close(fd); /* now it is gone */
    queue_adopt();
    assert_string_equal(take(SPOOL_ENVELOPE), "their");
}

static void what_is_too_old_goes(void **state)
{
    struct spool_name n = {.unix_ns = ticks_unix_now_ns() - 8 * 86400 * (int64_t)1000000000,
                           .id = 5,
                           .items = 3,
                           .kind = SPOOL_SPANS,
                           .category = "none"};
    char name[SPOOL_NAME_MAX];
    uint64_t lost = lost_count(LOST_SPAN, LOST_QUEUE_FULL);
    spool_name_write(&n, name);
    leave_behind("run-1", name, "old");
    queue_adopt();
    assert_int_equal(stats().disk_files[SPOOL_SPANS], 0);
    assert_int_equal(stand_in_files(&in, ".spans."), 0);
    assert_int_equal(lost_count(LOST_SPAN, LOST_QUEUE_FULL), lost + 3);
}

static void two_takers_get_it_where_both_must(void **state)
{
    queue_need(SPOOL_ENVELOPE, QUEUE_DAEMON | QUEUE_DIRECT);
    put(FRAME_ENVELOPE, "error", "both", 4);
    assert_string_equal(take(SPOOL_ENVELOPE), "both");
    assert_string_equal(take(SPOOL_ENVELOPE), "");
    assert_int_equal(stand_in_files(&in, ".error.1.1"), 1); /* its name says who has it */
    struct queue_entry *e = queue_next(SPOOL_ENVELOPE, QUEUE_DIRECT);
    assert_non_null(e);
    queue_taken(e, QUEUE_DIRECT);
    assert_int_equal(stand_in_files(&in, ".envelope."), 0);
    put(FRAME_ENVELOPE, "error", "first", 5);
    e = queue_next(SPOOL_ENVELOPE, QUEUE_DIRECT);
    queue_drop(e, QUEUE_DIRECT, LOST_REFUSED); /* the other shall have it all the same */
    assert_string_equal(take(SPOOL_ENVELOPE), "first");
    queue_need(SPOOL_ENVELOPE, 0);
    put(FRAME_ENVELOPE, "error", "one", 3);
    e = queue_next(SPOOL_ENVELOPE, QUEUE_DIRECT);
    assert_string_equal(take(SPOOL_ENVELOPE), ""); /* lent: nobody else sends it meanwhile */
    queue_back(e, QUEUE_DIRECT);
    assert_string_equal(take(SPOOL_ENVELOPE), "one");
}

static void a_removed_folder_and_a_removed_file_do_no_harm(void **state)
{
    put(FRAME_ENVELOPE, "error", "gone", 4);
    nftw(spool_path(), stand_in_remove, 16, FTW_DEPTH | FTW_PHYS);
    assert_string_equal(take(SPOOL_ENVELOPE), ""); /* counted, and on */
    mkdir(spool_path(), 0700);
    put(FRAME_ENVELOPE, "error", "again", 5);
    assert_int_equal(stand_in_files(&in, ".envelope."), 1);
    assert_string_equal(take(SPOOL_ENVELOPE), "again");
}

static void strange_services_have_folders_of_their_own(void **state)
{
    static const char *const services[] = {"../../etc", ".", "a/b", "a b", "", "\xff\xfe"};
    char path[300];
    for (size_t i = 0; i < sizeof services / sizeof *services; i++) {
        identity.service = intern_text(services[i]);
        spool_start();
        snprintf(path, sizeof path, "%s/spool/", in.folder);
        assert_memory_equal(spool_path(), path, strlen(path));
        assert_null(strchr(spool_path() + strlen(path), '/'));
        assert_true(spool_path()[strlen(path)] != '.');
    }
}

static void lines_are_escaped_cut_and_found(void **state)
{
    struct text t;
    char value[20];
    text_init(&t, 4096);
    lines_add(&t, "a", "100%");
    lines_add(&t, "b", "x\ny\x80z");
    lines_add_i64(&t, "c", -5);
    assert_string_equal(text_string(&t), "a=100%25\nb=x?y?z\nc=-5\n");
    assert_true(lines_find(t.bytes, t.len, "a", value, sizeof value));
    assert_string_equal(value, "100%");
    assert_false(lines_find(t.bytes, t.len, "d", value, sizeof value));
    assert_int_equal(lines_find_u64("n=12\n", 5, "n", 10, 7), 10);
    assert_int_equal(lines_find_u64("n=x\n", 4, "n", 10, 7), 7);
    text_clear(&t);
    char big[400];
    memset(big, 'a', sizeof big - 1);
    big[sizeof big - 1] = 0;
    memcpy(big + LINES_VALUE_MAX - 1, "\xc3\xa4", 2); /* a character that does not fit whole */
    lines_add(&t, "k", big);
    assert_int_equal(t.len, 2 + LINES_VALUE_MAX - 1 + 1);
    text_done(&t);
}

static void a_daemon_may_ask_as_far_as_settings_say(void **state)
{
    assert_int_equal(remote_level("info", 4, COMMAND_ADMIN), COMMAND_VIEWER);
    assert_int_equal(remote_level(" flush  now", 11, COMMAND_ADMIN), COMMAND_OPERATOR);
    assert_int_equal(remote_level("flush", 5, COMMAND_VIEWER), COMMAND_VIEWER);
    assert_int_equal(remote_level("flushing", 8, COMMAND_ADMIN), COMMAND_VIEWER);
    assert_int_equal(remote_level("flus", 4, COMMAND_ADMIN), COMMAND_VIEWER);
    load("remote.allow=operations reset, x");
    assert_int_equal(remote_level("operations reset", 16, 1), COMMAND_OPERATOR);
    assert_int_equal(remote_level("operations  reset all", 21, 1), COMMAND_OPERATOR);
    assert_int_equal(remote_level("operations", 10, 1), COMMAND_VIEWER);
    assert_int_equal(remote_level("operations resets", 17, 1), COMMAND_VIEWER);
    assert_int_equal(remote_level("x", 1, 200), COMMAND_OPERATOR);
    load("remote.level=admin");
    assert_int_equal(remote_level("core", 4, COMMAND_OPERATOR), COMMAND_OPERATOR);
    assert_int_equal(remote_level("core", 4, COMMAND_ADMIN), COMMAND_ADMIN);
}

#define CASE(t) cmocka_unit_test_setup_teardown(t, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(names_of_files_say_what_is_in_them),
        CASE(the_oldest_goes_where_the_spool_is_full),
        CASE(memory_is_bounded_by_going_to_disk),
        CASE(without_a_disk_memory_is_still_bounded),
        CASE(what_was_left_is_taken_over_once_and_in_order),
        CASE(what_a_living_process_has_is_left_alone),
        CASE(what_is_too_old_goes),
        CASE(two_takers_get_it_where_both_must),
        CASE(a_removed_folder_and_a_removed_file_do_no_harm),
        CASE(strange_services_have_folders_of_their_own),
        CASE(lines_are_escaped_cut_and_found),
        CASE(a_daemon_may_ask_as_far_as_settings_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
