#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/must.h"
#include "os/thread.h"
#include "store/state/state.h"

enum { THREADS = 4, WRITES = 40, MANY = 2000 };

static const char *const STEPS[] = {
    "CREATE TABLE note (id INTEGER PRIMARY KEY, name TEXT UNIQUE, size REAL, body BLOB)",
    "CREATE TABLE note_word (word TEXT, n INTEGER, PRIMARY KEY (word, n)) WITHOUT ROWID;"
    "CREATE INDEX note_size ON note (size)",
};
static const struct state_schema SCHEMA = {"note", STEPS, 2};
static const char *const INSERT = "INSERT INTO note (name, size, body) VALUES (?1, ?2, ?3)";

struct bench {
    char folder[64], path[160];
    struct state *s;
};

static void begin(struct bench *b)
{
    struct why why = {0};
    b->s = NULL;
    if (state_open(b->path, &b->s, &why) != 0 || state_prepare(b->s, &SCHEMA, &why) != 0)
        fail_msg("%s", why.text);
}

static int set_up(void **state)
{
    static struct bench b;
    b = (struct bench){.folder = "/tmp/state-XXXXXX"};
    assert_non_null(mkdtemp(b.folder));
    snprintf(b.path, sizeof b.path, "%s/state.db", b.folder);
    begin(&b);
    *state = &b;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *b = *state;
    state_close(b->s);
    char name[400];
    DIR *d = opendir(b->folder);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        snprintf(name, sizeof name, "%s/%s", b->folder, e->d_name);
        if (e->d_name[0] != '.')
            unlink(name);
    }
    closedir(d);
    assert_int_equal(rmdir(b->folder), 0);
    return 0;
}

/* ---- statements */

struct text {
    const char *name;
    size_t copies;
};

static int put(void *context, struct state_tx *tx, struct why *why)
{
    const struct text *t = context;
    char body[600];
    memset(body, 'x', sizeof body);
    int err = 0;
    for (size_t i = 0; i < t->copies && err == 0; i++) {
        char name[64];
        int n = snprintf(name, sizeof name, t->copies == 1 ? "%s" : "%s-%zu", t->name, i);
        struct state_value v[] = {state_text(str_of(name, (size_t)n)), state_real(0.5),
                                  state_blob(str_of(body, sizeof body))};
        err = state_run(tx, INSERT, v, 3, NULL, NULL, why);
    }
    return err;
}

static int write_note(struct state *s, const char *name, size_t copies, struct why *why)
{
    return state_write(s, put, &(struct text){name, copies}, why);
}

static int take_int(void *context, const struct state_value *columns, size_t n)
{
    assert_int_equal(columns[0].type, STATE_INT);
    *(int64_t *)context = columns[0].integer;
    return 0;
}

static int count(void *context, struct state_tx *tx, struct why *why)
{
    return state_run(tx, "SELECT count(*) FROM note", NULL, 0, take_int, context, why);
}

static int64_t notes(struct state *s)
{
    int64_t n = -1;
    struct why why = {0};
    if (state_read(s, count, &n, &why) != 0)
        fail_msg("%s", why.text);
    return n;
}

static int take_all_types(void *context, const struct state_value *c, size_t n)
{
    *(bool *)context = true;
    assert_int_equal(n, 5);
    assert_int_equal(c[0].type, STATE_NULL);
    assert_int_equal(c[1].integer, INT64_MIN);
    assert_true(c[2].real == 0.25);
    assert_int_equal(c[3].type, STATE_TEXT);
    assert_int_equal(c[3].bytes.n, 0);
    assert_int_equal(c[4].type, STATE_BLOB);
    assert_memory_equal(c[4].bytes.p, "a\0b", 3);
    return 0;
}

static int all_types(void *context, struct state_tx *tx, struct why *why)
{
    struct state_value v[] = {state_null(), state_int(INT64_MIN), state_real(0.25),
                              state_text((struct str){0}), state_blob(str_of("a\0b", 3))};
    bool seen = false;
    assert_int_equal(state_run(tx, "SELECT ?1, ?2, ?3, ?4, ?5", v, 5, take_all_types, &seen, why),
                     0);
    assert_true(seen);
    return 0;
}

static void values_of_every_type_come_back_as_they_went(void **state)
{
    struct bench *b = *state;
    assert_int_equal(state_write(b->s, all_types, NULL, NULL), 0);
    assert_int_equal(state_read(b->s, all_types, NULL, NULL), 0);
}

static int stop_at_second(void *context, const struct state_value *columns, size_t n)
{
    return ++*(int *)context == 2 ? 7 : 0;
}

static int insert_and_list(void *context, struct state_tx *tx, struct why *why)
{
    int seen = 0;
    assert_int_equal(put(&(struct text){"a", 3}, tx, why), 0);
    assert_int_equal(state_inserted(tx), 3);
    assert_int_equal(state_run(tx, "SELECT id FROM note", NULL, 0, stop_at_second, &seen, why), 7);
    assert_int_equal(seen, 2);
    assert_int_equal(state_run(tx, "UPDATE note SET size = 1", NULL, 0, NULL, NULL, why), 0);
    assert_int_equal(state_changed(tx), 3);
    return 0;
}

static void a_row_that_says_so_ends_the_statement(void **state)
{
    struct bench *b = *state;
    assert_int_equal(state_write(b->s, insert_and_list, NULL, NULL), 0);
    assert_int_equal(notes(b->s), 3);
}

struct nest {
    struct state_tx *tx;
    int depth, rows;
};

static const char *const NESTED = "SELECT 1 UNION SELECT 2";

static int nest(void *context, const struct state_value *columns, size_t n)
{
    struct nest *at = context;
    at->rows++;
    if (at->depth == 2)
        return 0;
    at->depth++;
    assert_int_equal(state_run(at->tx, NESTED, NULL, 0, nest, at, NULL), 0);
    at->depth--;
    return 0;
}

static int run_nested(void *context, struct state_tx *tx, struct why *why)
{
    struct nest at = {.tx = tx};
    assert_int_equal(state_run(tx, NESTED, NULL, 0, nest, &at, why), 0);
    assert_int_equal(at.rows, 2 + 4 + 8);
    return 0;
}

static void a_statement_may_be_asked_again_by_its_own_rows(void **state)
{
    struct bench *b = *state;
    assert_int_equal(state_read(b->s, run_nested, NULL, NULL), 0);
}

static int put_twice_and_go_on(void *context, struct state_tx *tx, struct why *why)
{
    assert_int_equal(put(&(struct text){"a", 1}, tx, why), 0);
    assert_int_equal(put(&(struct text){"a", 1}, tx, why), -ERR_EXISTS);
    return put(&(struct text){"b", 1}, tx, why);
}

static void what_is_there_already_is_said_and_the_transaction_may_go_on(void **state)
{
    struct bench *b = *state;
    assert_int_equal(state_write(b->s, put_twice_and_go_on, NULL, NULL), 0);
    assert_int_equal(notes(b->s), 2);
}

static int put_and_fail(void *context, struct state_tx *tx, struct why *why)
{
    assert_int_equal(put(&(struct text){"a", 1}, tx, why), 0);
    return why_set(why, ERR_CANCELED, "changed my mind");
}

static void a_transaction_that_fails_leaves_nothing(void **state)
{
    struct bench *b = *state;
    struct why why = {0};
    assert_int_equal(state_write(b->s, put_and_fail, NULL, &why), -ERR_CANCELED);
    assert_string_equal(why.text, "changed my mind");
    assert_int_equal(notes(b->s), 0);
    assert_int_equal(state_writable(b->s, NULL), 0);
}

static void who_reads_cannot_write(void **state)
{
    struct bench *b = *state;
    assert_int_equal(state_read(b->s, put, &(struct text){"a", 1}, NULL), -ERR_DENIED);
    assert_int_equal(notes(b->s), 0);
}

static int read_twice(void *context, struct state_tx *tx, struct why *why)
{
    int64_t n = -1;
    assert_int_equal(count(&n, tx, why), 0);
    assert_int_equal(n, 0);
    assert_int_equal(write_note(context, "a", 1, NULL), 0);
    assert_int_equal(count(&n, tx, why), 0);
    assert_int_equal(n, 0);
    return 0;
}

static void who_reads_sees_one_moment_and_holds_up_no_writer(void **state)
{
    struct bench *b = *state;
    assert_int_equal(state_read(b->s, read_twice, b->s, NULL), 0);
    assert_int_equal(notes(b->s), 1);
}

static void a_database_in_memory_works_the_same(void **state)
{
    struct state *s;
    int64_t n = -1;
    assert_int_equal(state_open(":memory:", &s, NULL), 0);
    assert_int_equal(state_prepare(s, &SCHEMA, NULL), 0);
    assert_int_equal(write_note(s, "a", 2, NULL), 0);
    assert_int_equal(state_read(s, count, &n, NULL), 0);
    assert_int_equal(n, 2);
    state_close(s);
}

/* ---- schemas */

static void a_schema_grows_by_its_steps_and_keeps_what_is_there(void **state)
{
    static const char *const MORE[] = {"must not run again", "nor this",
                                       "ALTER TABLE note ADD COLUMN tag TEXT DEFAULT 'none'"};
    struct bench *b = *state;
    struct state_schema more = {"note", MORE, 3};
    assert_int_equal(write_note(b->s, "a", 1, NULL), 0);
    assert_int_equal(state_prepare(b->s, &more, NULL), 0);
    assert_int_equal(state_prepare(b->s, &more, NULL), 0);
    assert_int_equal(notes(b->s), 1);
}

static void a_database_of_a_newer_program_is_refused_with_both_versions(void **state)
{
    struct bench *b = *state;
    struct state_schema older = {"note", STEPS, 1};
    struct why why = {0};
    assert_int_equal(state_prepare(b->s, &older, &why), -ERR_FORMAT);
    assert_non_null(strstr(why.text, "note is at version 2 of its tables, this program knows 1"));
}

static int look_for_half(void *context, struct state_tx *tx, struct why *why)
{
    return state_run(tx, "SELECT * FROM half", NULL, 0, NULL, NULL, why);
}

static void a_step_that_fails_leaves_the_version_before(void **state)
{
    static const char *const BAD[] = {"CREATE TABLE half (a)", "CREATE TABLE half (a)"};
    struct bench *b = *state;
    struct state_schema bad = {"half", BAD, 2};
    assert_int_not_equal(state_prepare(b->s, &bad, NULL), 0);
    assert_int_equal(state_read(b->s, look_for_half, NULL, NULL), -ERR_STATE);
}

/* ---- processes */

/* Forks a child that gets the bench without its database; what it returns is its exit status. */
static pid_t in_child(struct bench *b, int (*f)(struct bench *b, int pipe_out), int *ret_pipe)
{
    int ends[2];
    state_close(b->s);
    b->s = NULL;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(ends[0]);
        _exit(f(b, ends[1]));
    }
    close(ends[1]);
    *ret_pipe = ends[0];
    return pid;
}

static int status_of(pid_t pid)
{
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

struct dying {
    struct state *s;
    int out;
};

static int hang_inside(void *context, struct state_tx *tx, struct why *why)
{
    struct dying *d = context;
    if (put(&(struct text){"open", MANY}, tx, why) != 0 || write(d->out, "i", 1) != 1)
        return -ERR_IO;
    for (;;)
        pause();
}

/* Tells of each transaction that has returned, then hangs in the middle of a large one. */
static int write_and_hang(struct bench *b, int out)
{
    struct dying d = {.out = out};
    if (state_open(b->path, &d.s, NULL) != 0)
        return 1;
    for (int i = 0; i < 5; i++) {
        char name[16];
        snprintf(name, sizeof name, "done%d", i);
        if (write_note(d.s, name, 1, NULL) != 0 || write(out, "d", 1) != 1)
            return 1;
    }
    return state_write(d.s, hang_inside, &d, NULL);
}

static void what_was_written_survives_a_kill_and_what_was_not_is_gone(void **state)
{
    struct bench *b = *state;
    int in;
    pid_t pid = in_child(b, write_and_hang, &in);
    char said[6];
    for (size_t n = 0; n < sizeof said;) {
        ssize_t got = read(in, said + n, sizeof said - n);
        assert_true(got > 0);
        n += (size_t)got;
    }
    assert_memory_equal(said, "dddddi", 6);
    kill(pid, SIGKILL);
    assert_true(WIFSIGNALED(status_of(pid)));
    close(in);
    begin(b);
    assert_string_equal(state_problem(b->s), "");
    assert_int_equal(notes(b->s), 5);
}

static int write_for_ever(struct bench *b, int out)
{
    struct state *s;
    if (state_open(b->path, &s, NULL) != 0)
        return 1;
    for (uint32_t i = 0;; i++) {
        char name[32];
        snprintf(name, sizeof name, "%d-%u", (int)getpid(), i);
        if (write_note(s, name, 1, NULL) != 0 || write(out, &i, sizeof i) != sizeof i)
            return 1;
    }
}

static void kills_at_any_moment_lose_nothing_that_was_acknowledged(void **state)
{
    struct bench *b = *state;
    for (int round = 0; round < 5; round++) {
        int in;
        uint32_t said = 0, i;
        int64_t before = notes(b->s);
        pid_t pid = in_child(b, write_for_ever, &in);
        usleep(30000 + 17000 * (unsigned)round);
        kill(pid, SIGKILL);
        assert_true(WIFSIGNALED(status_of(pid)));
        while (read(in, &i, sizeof i) == sizeof i)
            said = i + 1;
        close(in);
        begin(b);
        assert_in_range(notes(b->s), before + said, before + said + 1);
        assert_string_equal(state_problem(b->s), "");
    }
}

static int hold_open(struct bench *b, int out)
{
    struct state *s;
    if (state_open(b->path, &s, NULL) != 0 || write(out, "o", 1) != 1)
        return 1;
    for (;;)
        pause();
}

static void a_second_process_is_told_that_it_is_in_use_until_the_first_has_ended(void **state)
{
    struct bench *b = *state;
    int in;
    char said;
    struct why why = {0};
    pid_t pid = in_child(b, hold_open, &in);
    assert_int_equal(read(in, &said, 1), 1);
    assert_int_equal(state_open(b->path, &b->s, &why), -ERR_BUSY);
    assert_non_null(strstr(why.text, "another process has it open"));
    kill(pid, SIGKILL);
    assert_true(WIFSIGNALED(status_of(pid)));
    close(in);
    begin(b);
}

/* ---- a full disk */

static int fill(struct bench *b, int out)
{
    struct state *s;
    struct why why = {0};
    int err = 0;
    signal(SIGXFSZ, SIG_IGN);
    if (state_open(b->path, &s, NULL) != 0 ||
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){1 << 20, RLIM_INFINITY}) != 0)
        return 100;
    for (int i = 0; i < 200 && err == 0; i++) {
        char name[16];
        snprintf(name, sizeof name, "n%d", i);
        err = write_note(s, name, 50, &why);
    }
    if (err != -ERR_FULL || state_writable(s, NULL) != -ERR_FULL)
        return fprintf(stderr, "%d %s\n", err, why.text), 101;
    if (state_read(s, count, &(int64_t){0}, NULL) != 0)
        return 102;
    if (setrlimit(RLIMIT_FSIZE, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY}) != 0)
        return 103;
    if (state_probe(s, NULL) != 0 || state_writable(s, NULL) != 0)
        return 104;
    if (write_note(s, "after", 1, NULL) != 0)
        return 105;
    state_close(s);
    return 0;
}

static void a_full_disk_is_said_and_writing_goes_on_when_there_is_room(void **state)
{
    struct bench *b = *state;
    int in;
    pid_t pid = in_child(b, fill, &in);
    int status = status_of(pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    close(in);
    begin(b);
    assert_string_equal(state_problem(b->s), "");
    assert_int_equal(notes(b->s) % 50, 1);
}

static int set_pages_max(void *context, struct state_tx *tx, struct why *why)
{
    return state_run(tx, "PRAGMA max_page_count = 30", NULL, 0, NULL, NULL, why);
}

static int fill_and_go_on(void *context, struct state_tx *tx, struct why *why)
{
    assert_int_equal(put(&(struct text){"big", MANY}, tx, why), -ERR_FULL);
    int err = put(&(struct text){"small", 1}, tx, why);
    *(int *)context = err;
    return 0;
}

static void who_goes_on_after_the_disk_was_full_writes_nothing_by_halves(void **state)
{
    struct bench *b = *state;
    int inner = 0;
    assert_int_equal(state_read(b->s, set_pages_max, NULL, NULL), 0);
    assert_int_equal(state_write(b->s, set_pages_max, NULL, NULL), 0);
    int err = state_write(b->s, fill_and_go_on, &inner, NULL);
    assert_true(inner == 0 || err == -ERR_FULL);
    assert_int_equal(notes(b->s), err == 0 ? 1 : 0);
}

/* ---- damage */

static void scribble(const char *path, long at, size_t n)
{
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, at, SEEK_SET), 0);
    for (size_t i = 0; i < n; i++)
        assert_true(fputc(0xa5, f) != EOF);
    assert_int_equal(fclose(f), 0);
}

static size_t files_like(const struct bench *b, const char *part)
{
    size_t n = 0;
    DIR *d = opendir(b->folder);
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        n += strstr(e->d_name, part) != NULL;
    closedir(d);
    return n;
}

static int put_words(void *context, struct state_tx *tx, struct why *why)
{
    int err = 0;
    for (int i = 0; i < MANY && err == 0; i++) {
        struct state_value v[] = {state_text(STR("word")), state_int(i)};
        err = state_run(tx, "INSERT INTO note_word VALUES (?1, ?2)", v, 2, NULL, NULL, why);
    }
    return err;
}

static int count_words(void *context, struct state_tx *tx, struct why *why)
{
    return state_run(tx, "SELECT count(*) FROM note_word", NULL, 0, take_int, context, why);
}

static void a_damaged_database_is_set_aside_and_what_can_be_read_is_carried_over(void **state)
{
    struct bench *b = *state;
    int64_t words = 0;
    struct stat st;
    assert_int_equal(write_note(b->s, "n", MANY, NULL), 0);
    assert_int_equal(state_write(b->s, put_words, NULL, NULL), 0);
    state_close(b->s);
    assert_int_equal(stat(b->path, &st), 0);
    assert_true(st.st_size > 40 * 4096);
    scribble(b->path, st.st_size / 4096 / 2 * 4096, 4096);
    begin(b);
    assert_non_null(strstr(state_problem(b->s), "state.db was damaged ("));
    assert_non_null(strstr(state_problem(b->s), "set aside as state.db.damaged-2"));
    assert_in_range(notes(b->s), MANY - 40, MANY);
    assert_int_equal(state_read(b->s, count_words, &words, NULL), 0);
    assert_in_range(words, MANY - 900, MANY);
    assert_in_range(files_like(b, ".damaged-"), 1, 3);
    assert_int_equal(files_like(b, ".new"), 0);
    assert_int_equal(write_note(b->s, "after", 1, NULL), 0);
    state_close(b->s);
    begin(b);
    assert_string_equal(state_problem(b->s), "");
}

static void a_file_that_is_no_database_is_set_aside_whole(void **state)
{
    struct bench *b = *state;
    assert_int_equal(write_note(b->s, "n", 20, NULL), 0);
    state_close(b->s);
    scribble(b->path, 0, 4096);
    begin(b);
    assert_non_null(strstr(state_problem(b->s), "0 rows were carried over"));
    assert_non_null(strstr(state_problem(b->s), "some could not be read"));
    assert_int_equal(notes(b->s), 0);
}

static void a_crash_while_one_is_replaced_is_finished_at_the_next_start(void **state)
{
    struct bench *b = *state;
    char other[200], stray[200];
    struct why why = {0};
    assert_int_equal(write_note(b->s, "n", 20, NULL), 0);
    snprintf(other, sizeof other, "%s.new", b->path);
    snprintf(stray, sizeof stray, "%s-wal", b->path);
    assert_int_equal(state_copy(b->s, other, &why), 0);
    assert_int_equal(write_note(b->s, "m", 20, NULL), 0);
    state_close(b->s);
    begin(b); /* both are there: the new one was not finished */
    assert_int_equal(notes(b->s), 40);
    assert_int_equal(files_like(b, ".new"), 0);
    assert_int_equal(state_copy(b->s, other, &why), 0);
    state_close(b->s);
    unlink(b->path);
    FILE *f = fopen(stray, "wb"); /* of the one that is gone */
    assert_true(fputs("stray", f) >= 0);
    fclose(f);
    begin(b);
    assert_int_equal(notes(b->s), 40);
    assert_int_equal(files_like(b, ".damaged-"), 1);
}

/* ---- copies */

static void a_copy_is_whole_and_needs_nothing_beside_it(void **state)
{
    struct bench *b = *state;
    char path[160];
    struct bench copy = *b;
    snprintf(path, sizeof path, "%s/copy.db", b->folder);
    assert_int_equal(write_note(b->s, "n", 30, NULL), 0);
    assert_int_equal(state_copy(b->s, path, NULL), 0);
    assert_int_equal(state_copy(b->s, path, NULL), -ERR_EXISTS);
    assert_int_equal(files_like(b, "copy.db"), 1);
    assert_int_equal(write_note(b->s, "m", 1, NULL), 0);
    snprintf(copy.path, sizeof copy.path, "%s", path);
    begin(&copy);
    assert_int_equal(notes(copy.s), 30);
    state_close(copy.s);
    assert_int_equal(notes(b->s), 31);
}

/* ---- threads */

struct crew {
    struct state *s;
    struct thread threads[2 * THREADS];
    _Atomic int at;
    _Atomic bool over;
};

static void write_many(void *context)
{
    struct crew *c = context;
    int me = c->at++;
    for (int i = 0; i < WRITES; i++) {
        char name[32];
        snprintf(name, sizeof name, "t%d-%d", me, i);
        must(write_note(c->s, name, 1, NULL) == 0);
    }
}

static void read_many(void *context)
{
    struct crew *c = context;
    int64_t last = 0;
    while (!c->over) {
        int64_t n = -1;
        must(state_read(c->s, count, &n, NULL) == 0 && n >= last);
        must(state_writable(c->s, NULL) == 0);
        last = n;
        usleep(500);
    }
}

static void many_threads_write_and_read_at_once(void **state)
{
    struct bench *b = *state;
    struct crew c = {.s = b->s};
    for (int i = 0; i < THREADS; i++)
        thread_start(&c.threads[i], "writer", write_many, &c);
    for (int i = THREADS; i < 2 * THREADS; i++)
        thread_start(&c.threads[i], "reader", read_many, &c);
    for (int i = 0; i < THREADS; i++)
        thread_join(&c.threads[i]);
    c.over = true;
    for (int i = THREADS; i < 2 * THREADS; i++)
        thread_join(&c.threads[i]);
    assert_int_equal(notes(b->s), THREADS * WRITES);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(values_of_every_type_come_back_as_they_went),
        CASE(a_row_that_says_so_ends_the_statement),
        CASE(a_statement_may_be_asked_again_by_its_own_rows),
        CASE(what_is_there_already_is_said_and_the_transaction_may_go_on),
        CASE(a_transaction_that_fails_leaves_nothing),
        CASE(who_reads_cannot_write),
        CASE(who_reads_sees_one_moment_and_holds_up_no_writer),
        CASE(a_database_in_memory_works_the_same),
        CASE(a_schema_grows_by_its_steps_and_keeps_what_is_there),
        CASE(a_database_of_a_newer_program_is_refused_with_both_versions),
        CASE(a_step_that_fails_leaves_the_version_before),
        CASE(what_was_written_survives_a_kill_and_what_was_not_is_gone),
        CASE(kills_at_any_moment_lose_nothing_that_was_acknowledged),
        CASE(a_second_process_is_told_that_it_is_in_use_until_the_first_has_ended),
        CASE(a_full_disk_is_said_and_writing_goes_on_when_there_is_room),
        CASE(who_goes_on_after_the_disk_was_full_writes_nothing_by_halves),
        CASE(a_damaged_database_is_set_aside_and_what_can_be_read_is_carried_over),
        CASE(a_file_that_is_no_database_is_set_aside_whole),
        CASE(a_crash_while_one_is_replaced_is_finished_at_the_next_start),
        CASE(a_copy_is_whole_and_needs_nothing_beside_it),
        CASE(many_threads_write_and_read_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
