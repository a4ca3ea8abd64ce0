/* The engine in a process that is killed again and again at any moment, over a database in a file:
 * what was answered is there, what was decided is in the queue once, and who looks afterwards finds
 * the same as if nobody had been killed. */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "alert/alert_testbed.h"

enum { ROUNDS = 25, ALERTS_N = 200 };

/* The queue: a table beside the engine's, as the outbox has one. */
static int queue(void *context, struct state_tx *tx, const struct message *m, struct why *why)
{
    static const char *const SQL = "INSERT INTO queue VALUES(?1, ?2, ?3)";
    struct buf who;
    (void)context;
    buf_init(&who, BED_TEXT_MAX);
    for (size_t k = 0; k < m->n; k++) {
        bed_put_name(&who, m->alerts[k].labels);
        buf_put_str(&who, m->alerts[k].resolved ? STR("(r) ") : STR(" "));
    }
    const struct state_value v[] = {state_text(m->id), state_text(buf_str(&who)),
                                    state_int((int64_t)m->reason)};
    int err = state_run(tx, SQL, v, 3, NULL, NULL, why);
    buf_done(&who);
    return err;
}

struct shelf { /* what the killed process has been answered, shared with who kills it */
    _Atomic int posted, silenced, acknowledged;
};

static struct shelf *shelf_new(void)
{
    struct shelf *s =
        mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(s != MAP_FAILED);
    return s;
}

static void open_over(struct bed *b, const char *path, const struct plan_route *root)
{
    static const char *const TEAM[] = {"team"};
    static const char *const STEPS[] = {
        "CREATE TABLE queue(id TEXT PRIMARY KEY, who TEXT NOT NULL, reason INTEGER NOT NULL)"};
    static const struct state_schema SCHEMA = {"queue", STEPS, 1};
    struct why why = {0};
    b->plan.root = root;
    b->plan.receivers = bed_receivers(b, TEAM, 1);
    b->plan.receivers_n = 1;
    b->plan.resolve_timeout_ms = 3600000;
    assert_int_equal(state_open(path, &b->state, &why), 0);
    assert_int_equal(state_prepare(b->state, &SCHEMA, &why), 0);
    const struct alert_config config = {
        .state = b->state, .clock = &clock_real, .plan = &b->plan, .add = queue};
    if (alert_new(&config, &b->alerting, &why) != 0)
        fail_msg("%s", why.text);
}

static void post_one(struct bed *b, int k)
{
    char text[64];
    struct buf key;
    struct why why = {0};
    buf_init(&key, 1000);
    snprintf(text, sizeof text, "alertname=A%d,instance=%d", k % 7, k);
    bed_key(text, &key);
    const struct alert_posted v = {.labels = buf_str(&key)};
    assert_int_equal(alert_post(b->alerting, &v, 1, &why), 0);
    buf_done(&key);
}

/* Alerts, acknowledgements and silences, one after the other, until it is killed. */
static void live(struct bed *b, struct shelf *s)
{
    struct why why = {0};
    alert_start(b->alerting);
    for (int k = s->posted; k < ALERTS_N; k++) {
        char name[64];
        post_one(b, k);
        snprintf(name, sizeof name, "alertname=A%d,instance=%d", k % 7, k);
        if (k % 5 == 0) {
            assert_int_equal(alert_act(b->alerting, bed_fingerprint(name), ALERT_ACKNOWLEDGE,
                                       STR("anna"), STR(""), &why),
                             0);
            s->acknowledged = k / 5 + 1;
        }
        if (k % 4 == 0) {
            struct arena arena;
            struct str id;
            struct alert_silence v = {.matchers = bed_match(b, "nothing=\"here\""),
                                      .ends_ms = clock_wall_ms(&clock_real) + 3600000};
            arena_init(&arena);
            assert_int_equal(alert_silence_set(b->alerting, &v, &arena, &id, &why), 0);
            s->silenced = k / 4 + 1;
            arena_done(&arena);
        }
        s->posted = k + 1; /* else it is done again by the next */
        usleep(1000);
    }
    for (;;)
        pause();
}

static int count_row(void *context, const struct state_value *c, size_t n)
{
    (void)n;
    *(int64_t *)context = c[0].integer;
    return 0;
}

struct question {
    const char *sql;
    int64_t answer;
};

static int ask(void *context, struct state_tx *tx, struct why *why)
{
    struct question *q = context;
    return state_run(tx, q->sql, NULL, 0, count_row, &q->answer, why);
}

static int64_t number(struct bed *b, const char *sql)
{
    struct question q = {.sql = sql};
    struct why why = {0};
    if (state_read(b->state, ask, &q, &why) != 0)
        fail_msg("%s", why.text);
    return q.answer;
}

static void kill_once(const char *path, const struct plan_route *root, struct shelf *s,
                      struct rand *r)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct bed b = {0};
        open_over(&b, path, root);
        live(&b, s);
        _exit(0);
    }
    usleep((useconds_t)(2000 + rand_below(r, 30000)));
    assert_int_equal(kill(child, SIGKILL), 0);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
}

static void look(const char *path, const struct plan_route *root, const struct shelf *s)
{
    struct bed b = {0};
    struct arena arena;
    struct alert_filter all = {0};
    struct alert_row *v;
    struct alert_silence *silences;
    size_t n, m, known = 0;
    arena_init(&arena);
    open_over(&b, path, root);
    assert_int_equal(alert_list(b.alerting, &all, &arena, &v, &n, NULL), 0);
    assert_in_range(n, (uint64_t)s->posted, ALERTS_N);
    for (size_t k = 0; k < n; k++)
        known += v[k].acknowledged;
    assert_true(known >= (size_t)s->acknowledged);
    assert_int_equal(alert_silence_list(b.alerting, &arena, &silences, &m, NULL), 0);
    assert_true(m >= (size_t)s->silenced);
    /* Nothing is in the queue twice (the key says so), and the log of what was told and the queue
     * say the same: whom the log does not know was not told. */
    (void)alert_run(b.alerting);
    int64_t told = number(&b, "SELECT count(*) FROM alert_told");
    int64_t groups = number(&b, "SELECT count(*) FROM (SELECT DISTINCT reason, who FROM queue)");
    int64_t rows = number(&b, "SELECT count(*) FROM queue");
    assert_int_equal(groups, rows);
    assert_true(told <= rows);
    alert_free(b.alerting);
    state_close(b.state);
    arena_done(&b.plan.arena);
    arena_done(&arena);
}

static void a_killed_process_loses_nothing_that_it_answered_and_tells_nothing_twice(void **state)
{
    (void)state;
    struct plan_route root = bed_route("team", (const char *const[]){"alertname", NULL});
    char folder[] = "/tmp/sonde-alert-kill-XXXXXX", path[64], command[96];
    struct rand r;
    root.group_wait_ms = 5;
    root.group_interval_ms = 5;
    rand_init(&r, 5);
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/state.db", folder);
    struct shelf *s = shelf_new();
    for (int k = 0; k < ROUNDS; k++) {
        kill_once(path, &root, s, &r);
        if (k % 5 == 4)
            look(path, &root, s);
    }
    assert_true(s->posted > 0);
    static const char *const MORE[] = {"", "-wal", "-shm", "-lock"};
    for (size_t k = 0; k < COUNTOF(MORE); k++) {
        snprintf(command, sizeof command, "%s%s", path, MORE[k]);
        (void)unlink(command);
    }
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(munmap(s, sizeof *s), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_killed_process_loses_nothing_that_it_answered_and_tells_nothing_twice),
    };
    return cmocka_run_group_tests_name("alert killed", tests, NULL, NULL);
}
