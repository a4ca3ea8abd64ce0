#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "net/loopback_test.h"
#include "notify/message_testbed.h"
#include "notify/outbox_inside.h"

enum { PATIENCE_MS = 20000, BODY_MAX = 1 << 20, MANY = 1000, RECEIVERS = 8 };

/* ---- a site whose paths behave */

static struct {
    pthread_mutex_t lock;
    int asked[8]; /* by letter of the path, a.. */
    int busy;     /* answers of /b that are 429 before it is well */
    struct buf seen;
} site;

static int asked(int way)
{
    thread_lock(&site.lock);
    int n = site.asked[way];
    thread_unlock(&site.lock);
    return n;
}

static void note(struct http_request *r, int way)
{
    thread_lock(&site.lock);
    site.asked[way]++;
    struct str body = http_body(r);
    size_t at = str_search(body, STR("\"groupKey\":\""));
    struct str key = str_sub(body, at + 12, body.n);
    buf_put_str(&site.seen, str_sub(key, 0, str_find(key, '"')));
    buf_put_c(&site.seen, str_search(body, STR("\"status\":\"firing\"")) < body.n ? '+' : '-');
    buf_put_c(&site.seen, ' ');
    thread_unlock(&site.lock);
}

static void answer(struct http_request *r, int status)
{
    http_reply(r, status, STR("text/plain"), STR("said"));
}

static void take(struct http_request *r, void *context)
{
    note(r, 0);
    answer(r, 200);
}

static void be_busy(struct http_request *r, void *context)
{
    thread_lock(&site.lock);
    bool busy = site.busy > 0;
    site.busy -= busy;
    thread_unlock(&site.lock);
    note(r, 1);
    if (busy)
        http_reply_header(r, STR("Retry-After"), STR("1"));
    answer(r, busy ? 429 : 200);
}

static void refuse(struct http_request *r, void *context)
{
    note(r, 2);
    answer(r, 400);
}

static struct {
    struct http_request *v[64];
    size_t n;
} hanging; /* the site's thread */

static void let_all_go(void *unused)
{
    while (hanging.n > 0)
        answer(hanging.v[--hanging.n], 200);
}

static void hang(struct http_request *r, void *context)
{
    note(r, 3);
    assert_true(hanging.n < COUNTOF(hanging.v));
    hanging.v[hanging.n++] = r;
}

static void choke(struct http_request *r, void *context)
{
    struct str body = http_body(r);
    bool poison = str_search(body, STR("poison")) < body.n;
    note(r, 4);
    answer(r, poison ? 500 : 200);
}

static const struct http_route ROUTES[] = {
    {HTTP_POST, "/a", BODY_MAX, take, NULL},   {HTTP_POST, "/b", BODY_MAX, be_busy, NULL},
    {HTTP_POST, "/c", BODY_MAX, refuse, NULL}, {HTTP_POST, "/d", BODY_MAX, hang, NULL},
    {HTTP_POST, "/e", BODY_MAX, choke, NULL},
};

/* ---- the outbox over it */

static struct {
    struct loopback server;
    struct arena arena;
    struct state *state;
    struct outbox *outbox;
    struct outbox_config config;
    struct notify_globals globals;
    struct notify_integration integrations[RECEIVERS];
    const char *names[RECEIVERS];
    size_t n;
    const char *gone; /* a receiver that is not there any more */
    char folder[64], path[128];
} bed;

/* What came, in order; the server's thread may be at it. */
static const char *seen(void)
{
    thread_lock(&site.lock);
    struct str text = arena_str(&bed.arena, buf_str(&site.seen));
    thread_unlock(&site.lock);
    return text.p;
}

static const struct notify_integration *find(void *context, struct str receiver, struct str kind,
                                             uint32_t index)
{
    const struct notify_integration *found = NULL;
    thread_lock(&site.lock);
    for (size_t i = 0; i < bed.n && !found; i++)
        if (str_eq(receiver, str_c(bed.names[i])) && bed.names[i] != bed.gone)
            found = &bed.integrations[i];
    thread_unlock(&site.lock);
    return found;
}

/* From now on the first one is called as the one that hangs is. */
static void exchange_receivers(void)
{
    thread_lock(&site.lock);
    bed.names[3] = "elsewhere";
    bed.names[0] = "hanging";
    thread_unlock(&site.lock);
}

static void add_receiver(const char *name, const char *path)
{
    struct notify_reading reading = {
        .globals = &bed.globals, .arena = &bed.arena, .folder = "/", .receiver = str_c(name)};
    struct notify_row row;
    struct why why;
    option_defaults(&notify_row_options, &row);
    row.name = name;
    row.kind = "webhook";
    row.url = arena_printf(&bed.arena, "http://127.0.0.1:%u%s", bed.server.port, path).p;
    assert_int_equal(notifier_read_row(&reading, &row, &bed.integrations[bed.n], &why), 0);
    bed.names[bed.n++] = name;
}

static int set_up(void **state)
{
    static const struct http_config config = {.routes = ROUTES, .routes_n = COUNTOF(ROUTES)};
    struct why why;
    memset(&bed, 0, sizeof bed);
    memset(&site, 0, sizeof site);
    thread_lock_init(&site.lock);
    buf_init(&site.seen, BODY_MAX);
    arena_init(&bed.arena);
    loopback_start(&bed.server, &config);
    bed.globals.http = fetch_settings_default;
    add_receiver("well", "/a");
    add_receiver("busy", "/b");
    add_receiver("strict", "/c");
    add_receiver("hanging", "/d");
    add_receiver("choking", "/e");
    snprintf(bed.folder, sizeof bed.folder, "/tmp/sonde-outbox-XXXXXX");
    assert_non_null(mkdtemp(bed.folder));
    snprintf(bed.path, sizeof bed.path, "%s/state.db", bed.folder);
    assert_int_equal(state_open(bed.path, &bed.state, &why), 0);
    bed.config = (struct outbox_config){
        .state = bed.state,
        .clock = &clock_real,
        .receivers = {.find = find, .templates = wording_set_new(&bed.arena)},
        .rate_per_minute = 1000000,
    };
    return 0;
}

static void open_outbox(void)
{
    struct why why;
    assert_int_equal(outbox_new(&bed.config, &bed.outbox, &why), 0);
}

static int tear_down(void **state)
{
    static const char *const endings[] = {"", "-wal", "-shm", "-lock", ".lock"};
    char file[200];
    outbox_free(bed.outbox);
    state_close(bed.state);
    loop_post(bed.server.loop, let_all_go, NULL);
    usleep(50000);
    loopback_stop(&bed.server);
    for (size_t i = 0; i < COUNTOF(endings); i++) {
        snprintf(file, sizeof file, "%s%s", bed.path, endings[i]);
        (void)unlink(file); /* not all of them are there */
    }
    assert_int_equal(rmdir(bed.folder), 0);
    buf_done(&site.seen);
    arena_done(&bed.arena);
    return 0;
}

/* ---- messages */

struct adding {
    struct message message;
    size_t n;
    bool same_group;
};

static int add_all(void *context, struct state_tx *tx, struct why *why)
{
    struct adding *a = context;
    int err = 0;
    for (size_t i = 0; i < a->n && !err; i++) {
        struct message m = a->message;
        char id[64], key[64];
        snprintf(id, sizeof id, "m-%zu", i);
        snprintf(key, sizeof key, "g%zu", i);
        m.id = str_c(id);
        if (!a->same_group)
            m.group_key = str_c(key);
        err = outbox_add(tx, &m, why);
    }
    return err;
}

static void add(const char *receiver, const char *group, size_t firing, size_t n)
{
    struct adding a = {.message = message_testbed(&bed.arena, firing), .n = n};
    struct why why = {0};
    a.message.receiver = str_c(receiver);
    a.message.time_ms = clock_wall_ms(&clock_real);
    a.same_group = group != NULL;
    if (group)
        a.message.group_key = str_c(group);
    if (state_write(bed.state, add_all, &a, &why) != 0)
        fail_msg("%s", why.text);
}

static int64_t ms_now(void)
{
    return clock_monotonic_ns(&clock_real) / 1000000;
}

static struct outbox_row row_of(const char *receiver)
{
    struct outbox_row *rows;
    size_t n;
    outbox_view(bed.outbox, &bed.arena, &rows, &n);
    for (size_t i = 0; i < n; i++)
        if (str_eq(rows[i].receiver, str_c(receiver)))
            return rows[i];
    return (struct outbox_row){.last_error = STR("")};
}

static void wait_sent(const char *receiver, uint64_t sent)
{
    for (int64_t end = ms_now() + PATIENCE_MS; row_of(receiver).sent < sent;) {
        if (ms_now() > end)
            fail_msg("%s: not %d sent in time", receiver, (int)sent);
        usleep(5000);
    }
}

static int count_row(void *context, const struct state_value *c, size_t n)
{
    *(int64_t *)context = c[0].integer;
    return 0;
}

static int count(void *context, struct state_tx *tx, struct why *why)
{
    return state_run(tx, "SELECT count(*) FROM outbox_messages", NULL, 0, count_row, context, why);
}

static int64_t rows_left(void)
{
    int64_t n = -1;
    assert_int_equal(state_read(bed.state, count, &n, NULL), 0);
    return n;
}

static void wait_rows(int64_t wanted)
{
    for (int64_t end = ms_now() + PATIENCE_MS; rows_left() != wanted;) {
        if (ms_now() > end)
            fail_msg("%d rows are left, not %d", (int)rows_left(), (int)wanted);
        usleep(5000);
    }
}

/* ---- cases */

static void one_receiver_that_hangs_delays_none_of_a_thousand_messages(void **state)
{
    open_outbox();
    add("hanging", NULL, 3, 10);
    add("well", NULL, 3, MANY);
    int64_t began = ms_now();
    outbox_start(bed.outbox);
    wait_sent("well", MANY);
    print_message("%d messages in %d ms\n", MANY, (int)(ms_now() - began));
    assert_true(ms_now() - began < 9000); /* the one that hangs takes ten seconds */
    assert_int_equal(row_of("hanging").sent, 0);
    wait_rows(10);
}

static void a_busy_receiver_is_asked_again_when_it_says_so(void **state)
{
    site.busy = 1;
    open_outbox();
    outbox_start(bed.outbox);
    add("busy", "g", 3, 1);
    int64_t began = ms_now();
    outbox_wake(bed.outbox);
    wait_sent("busy", 1);
    assert_true(ms_now() - began >= 900); /* Retry-After: 1 */
    assert_int_equal(asked(1), 2);
    assert_int_equal(row_of("busy").failed, 1);
    assert_int_equal(row_of("busy").last_error.n, 0);
    wait_rows(0);
}

static void what_is_refused_is_dropped_and_not_tried_again(void **state)
{
    open_outbox();
    outbox_start(bed.outbox);
    add("strict", NULL, 3, 2);
    outbox_wake(bed.outbox);
    wait_rows(0);
    assert_int_equal(asked(2), 2);
    assert_int_equal(row_of("strict").dropped, 2);
    assert_non_null(strstr(arena_str(&bed.arena, row_of("strict").last_error).p, "400"));
    assert_null(strstr(arena_str(&bed.arena, row_of("strict").last_error).p, "/c"));
}

static void messages_of_a_group_keep_their_order(void **state)
{
    open_outbox();
    add("well", "g", 3, 1);
    add("well", "g", 0, 1);
    add("well", "g", 2, 1);
    outbox_start(bed.outbox);
    wait_sent("well", 3);
    assert_string_equal(seen(), "g+ g- g+ ");
}

static void a_later_message_replaces_an_earlier_one_that_says_no_more(void **state)
{
    open_outbox();
    add("well", "g", 3, 5); /* the same five times, before anything is sent */
    add("well", "g", 0, 1); /* resolved is another thing */
    outbox_start(bed.outbox);
    wait_sent("well", 2);
    wait_rows(0);
    assert_string_equal(seen(), "g+ g- ");
}

static void a_message_that_the_receiver_chokes_on_holds_up_no_other(void **state)
{
    struct adding a = {.message = message_testbed(&bed.arena, 3), .n = 1, .same_group = true};
    a.message.receiver = STR("choking");
    a.message.group_key = STR("poison");
    a.message.time_ms = clock_wall_ms(&clock_real);
    open_outbox();
    assert_int_equal(state_write(bed.state, add_all, &a, NULL), 0);
    add("choking", NULL, 3, 50);
    outbox_start(bed.outbox);
    wait_sent("choking", 50);
    wait_rows(1);
    assert_int_equal(row_of("choking").waiting, 1);
    assert_true(row_of("choking").failed >= 1);
}

static void what_was_not_sent_is_sent_after_a_restart(void **state)
{
    open_outbox();
    add("hanging", "g", 3, 1);
    outbox_start(bed.outbox);
    for (int i = 0; i < 1000 && asked(3) == 0; i++)
        usleep(5000);
    outbox_free(bed.outbox); /* in the middle of it */
    assert_int_equal(rows_left(), 1);
    exchange_receivers(); /* the receiver is well now */
    open_outbox();
    outbox_start(bed.outbox);
    wait_sent("hanging", 1);
    wait_rows(0);
}

static void old_messages_and_those_to_nobody_are_dropped(void **state)
{
    bed.config.expire_ms = 60000;
    bed.gone = bed.names[2];
    open_outbox();
    struct adding a = {.message = message_testbed(&bed.arena, 3), .n = 1};
    a.message.receiver = STR("well"); /* of 2023 */
    assert_int_equal(state_write(bed.state, add_all, &a, NULL), 0);
    add("strict", NULL, 3, 1);
    outbox_start(bed.outbox);
    wait_rows(0);
    assert_int_equal(asked(0), 0);
    assert_int_equal(asked(2), 0);
    assert_int_equal(row_of("well").dropped, 1);
}

static void the_rate_of_a_receiver_is_kept(void **state)
{
    bed.config.rate_per_minute = 60;
    open_outbox();
    add("well", NULL, 3, 63);
    outbox_start(bed.outbox);
    wait_sent("well", 60);
    int64_t began = ms_now();
    wait_sent("well", 62);
    assert_true(ms_now() - began >= 900); /* one a second */
}

static void a_test_is_told_how_it_went(void **state)
{
    struct message m = message_testbed(&bed.arena, 3);
    struct why why;
    m.reason = MESSAGE_TEST;
    open_outbox();
    outbox_start(bed.outbox);
    m.receiver = STR("well");
    assert_int_equal(outbox_test(bed.outbox, &m, PATIENCE_MS, &why), 0);
    m.receiver = STR("strict");
    assert_int_equal(outbox_test(bed.outbox, &m, PATIENCE_MS, &why), -ERR_DENIED);
    assert_non_null(strstr(why.text, "400"));
    m.receiver = STR("hanging");
    assert_int_equal(outbox_test(bed.outbox, &m, 200, &why), -ERR_TIMEOUT);
    m.receiver = STR("unheard of");
    assert_int_equal(outbox_test(bed.outbox, &m, PATIENCE_MS, &why), -ERR_NOENT);
}

static void a_reload_ends_what_hangs_and_sends_it_the_new_way(void **state)
{
    open_outbox();
    add("hanging", "g", 3, 1);
    outbox_start(bed.outbox);
    for (int i = 0; i < 1000 && asked(3) == 0; i++)
        usleep(5000);
    exchange_receivers();
    outbox_reload(bed.outbox, &bed.config.receivers);
    wait_sent("hanging", 1);
    wait_rows(0);
}

static struct str context_of(void *context, const struct message *m, struct arena *a)
{
    return arena_printf(a, "deployed before %.*s", STR_ARG(m->group_key));
}

static void what_changed_is_asked_for_once_and_told(void **state)
{
    struct notify_reading reading = {.globals = &bed.globals, .arena = &bed.arena, .folder = "/"};
    struct notify_row row;
    struct why why;
    option_defaults(&notify_row_options, &row);
    row.kind = "webhook";
    row.url = arena_printf(&bed.arena, "http://127.0.0.1:%u/a", bed.server.port).p;
    row.template_text = "\"groupKey\":\"{{ .Context }}\"";
    assert_int_equal(notifier_read_row(&reading, &row, &bed.integrations[0], &why), 0);
    bed.config.context_of = context_of;
    open_outbox();
    add("well", "g", 3, 1);
    outbox_start(bed.outbox);
    wait_sent("well", 1);
    assert_string_equal(seen(), "deployed before g- ");
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(one_receiver_that_hangs_delays_none_of_a_thousand_messages),
        CASE(a_busy_receiver_is_asked_again_when_it_says_so),
        CASE(what_is_refused_is_dropped_and_not_tried_again),
        CASE(messages_of_a_group_keep_their_order),
        CASE(a_later_message_replaces_an_earlier_one_that_says_no_more),
        CASE(a_message_that_the_receiver_chokes_on_holds_up_no_other),
        CASE(what_was_not_sent_is_sent_after_a_restart),
        CASE(old_messages_and_those_to_nobody_are_dropped),
        CASE(the_rate_of_a_receiver_is_kept),
        CASE(a_test_is_told_how_it_went),
        CASE(a_reload_ends_what_hangs_and_sends_it_the_new_way),
        CASE(what_changed_is_asked_for_once_and_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
