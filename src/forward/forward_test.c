/* The whole way: lanes of several threads -> tap -> queue on a simulated disk -> requests -> a
 * server on a thread that reads them by our own reader. */
#include "forward/forward.h"

#include <stdio.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/vec.h"
#include "codec/rw1.h"
#include "net/loopback_test.h"
#include "os/disk_sim.h"
#include "pack/pack.h"

enum { SERIES = 40, LANES = 3, BODY_MAX = 1 << 20, PATIENCE_MS = 10000 };

static struct {
    struct loopback at;
    char url[100];
    pthread_mutex_t lock; /* guards what is below */
    int64_t last[LANES][SERIES];
    size_t rows, backwards, twice;
    int status; /* to answer; 0: what is right */
} site;

static struct disk *disk;
static struct forward *forward;

/* ---- the server */
static void keep(const struct batch *b)
{
    for (size_t i = 0; i < b->n; i++) {
        uint64_t lane = 0, series = 0;
        assert_true(str_u64(labels_get(b->key[i], STR("lane")), &lane));
        assert_true(str_u64(labels_get(b->key[i], STR("series")), &series));
        int64_t *last = &site.last[lane][series];
        site.backwards += b->ts_ms[i] < *last;
        site.twice += b->ts_ms[i] == *last;
        *last = MAX(*last, b->ts_ms[i]);
        site.rows++;
    }
}

static void on_write(struct http_request *r, void *context)
{
    static struct batch b;
    static struct sides s;
    struct buf plain;
    struct rw1_reader reader;
    thread_lock(&site.lock);
    int status = site.status;
    if (status == 0) {
        buf_init(&plain, 64 << 20);
        assert_int_equal(pack_unpack(PACK_SNAPPY, http_body(r), &plain, 32 << 20, NULL), 0);
        assert_non_null(buf_reserve(&plain, CODEC_SLACK));
        rw1_init(&reader);
        rw1_begin(&reader, buf_str(&plain));
        while (rw1_next(&reader, &b, &s, NULL) == 1)
            keep(&b);
        rw1_done(&reader);
        buf_done(&plain);
    }
    thread_unlock(&site.lock);
    http_reply(r, status ? status : 204, STR(""), STR(""));
}

static size_t rows_there(void)
{
    thread_lock(&site.lock);
    size_t n = site.rows;
    thread_unlock(&site.lock);
    return n;
}

static void answer_with(int status)
{
    thread_lock(&site.lock);
    site.status = status;
    thread_unlock(&site.lock);
}

static void wait_for(size_t rows)
{
    for (int i = 0; rows_there() < rows; i++) {
        if (i == PATIENCE_MS / 5)
            fail_msg("%zu rows of %zu", rows_there(), rows);
        usleep(5000);
    }
}

/* ---- a store that takes every row but those of negative times */
static int take_tenant(struct sink *s, struct str name, struct tenant **ret, struct why *why)
{
    static char tenants[2];
    *ret = (struct tenant *)(void *)&tenants[str_eq(name, STR("default"))];
    return 0;
}

static int take_batch(struct sink *s, size_t lane, struct tenant *t, struct batch *b,
                      struct why *why)
{
    int taken = 0;
    for (size_t i = 0; i < b->n; i++) {
        b->err[i] = b->ts_ms[i] < 0 ? -ERR_OLD : 0;
        taken += b->err[i] == 0;
    }
    return taken;
}

static int take_exemplar(struct sink *s, size_t lane, struct tenant *t, const struct exemplar *e,
                         struct why *why)
{
    return 0;
}

static int take_metadata(struct sink *s, size_t lane, struct tenant *t, const struct metadata *m)
{
    return 0;
}

static void take_commit(struct sink *s, size_t lane, void (*done)(void *context, int err),
                        void *context)
{
    done(context, 0);
}

static const struct sink_ops TAKES = {take_tenant, take_batch, take_exemplar, take_metadata,
                                      take_commit};
static struct sink store = {&TAKES};

static void nothing(void *context, int err)
{
}

/* ---- what is tested */
static void say(void *context, const char *text)
{
}

static void open_forward(void)
{
    forward = forward_new(&(struct forward_config){
        .next = &store, .disk = disk, .key_file = "", .clock = &clock_real, .warn = say});
}

static struct forward_options_write row;

static void reload(bool any)
{
    struct why why = {0};
    option_defaults(&forward_options_write_table, &row);
    row.url = site.url;
    row.batch_deadline_ms = 20;
    row.request_rows_max = 100;
    struct forward_plan plan = {
        .settings = {.queue_bytes_max = 64 << 20, .remote_writes = {&row, any ? 1 : 0}}};
    if (forward_reload(forward, &plan, &why))
        fail_msg("%s", why.text);
}

/* One row of each series of a lane. */
static void write_round(size_t lane, int64_t ts_ms, const char *tenant_name)
{
    struct sink *sink = forward_sink(forward);
    struct tenant *tenant;
    struct batch *b = mem_new(sizeof *b);
    struct buf keys[SERIES];
    assert_int_equal(sink->ops->tenant(sink, str_c(tenant_name), &tenant, NULL), 0);
    for (size_t i = 0; i < SERIES; i++) {
        char text[2][20];
        snprintf(text[0], sizeof text[0], "%zu", lane);
        snprintf(text[1], sizeof text[1], "%zu", i);
        buf_init(&keys[i], 1000);
        labels_put(&keys[i], LABEL_METRIC, STR("m"));
        labels_put(&keys[i], STR("lane"), str_c(text[0]));
        labels_put(&keys[i], STR("series"), str_c(text[1]));
        b->key[i] = buf_str(&keys[i]);
        b->ts_ms[i] = ts_ms;
        b->value[i] = (double)ts_ms;
    }
    b->n = SERIES;
    (void)sink->ops->append(sink, lane, tenant, b, NULL);
    sink->ops->commit(sink, lane, nothing, NULL);
    for (size_t i = 0; i < SERIES; i++)
        buf_done(&keys[i]);
    mem_free(b);
}

struct writer {
    struct thread thread;
    size_t lane;
    int64_t from, rounds;
};

static void write_rounds(void *context)
{
    struct writer *w = context;
    for (int64_t i = 0; i < w->rounds; i++)
        write_round(w->lane, w->from + i, "default");
}

static void write_on_all_lanes(int64_t from, int64_t rounds)
{
    struct writer writers[LANES] = {0};
    for (size_t i = 0; i < LANES; i++) {
        writers[i] = (struct writer){.lane = i, .from = from, .rounds = rounds};
        thread_start(&writers[i].thread, "writer", write_rounds, &writers[i]);
    }
    for (size_t i = 0; i < LANES; i++)
        thread_join(&writers[i].thread);
}

static int open_all(void **state)
{
    static const struct http_route routes[] = {{HTTP_POST, "/w", BODY_MAX, on_write, NULL}};
    static const struct http_config config = {.routes = routes, .routes_n = 1};
    memset(site.last, 0, sizeof site.last);
    site.rows = site.backwards = site.twice = 0;
    site.status = 0;
    thread_lock_init(&site.lock);
    loopback_start(&site.at, &config);
    snprintf(site.url, sizeof site.url, "http://127.0.0.1:%u/w", site.at.port);
    disk = disk_sim_new(5, 0);
    open_forward();
    return 0;
}

static int close_all(void **state)
{
    forward_free(forward);
    disk_free(disk);
    loopback_stop(&site.at);
    pthread_mutex_destroy(&site.lock);
    return 0;
}

static void rows_of_all_lanes_arrive_once_and_in_order(void **state)
{
    reload(true);
    write_on_all_lanes(1, 50);
    wait_for(LANES * SERIES * 50);
    assert_int_equal(site.backwards + site.twice, 0);
    write_round(0, 100, "other");  /* another tenant's */
    write_round(0, -5, "default"); /* which the store refuses */
    write_round(0, 101, "default");
    wait_for(LANES * SERIES * 50 + SERIES);
    usleep(50000);
    assert_int_equal(rows_there(), LANES * SERIES * 50 + SERIES);
}

static void reloads_lose_and_repeat_nothing(void **state)
{
    reload(true);
    struct writer writers[LANES] = {0};
    for (size_t i = 0; i < LANES; i++) {
        writers[i] = (struct writer){.lane = i, .from = 1, .rounds = 400};
        thread_start(&writers[i].thread, "writer", write_rounds, &writers[i]);
    }
    for (int i = 0; i < 5; i++) {
        usleep(20000);
        reload(true);
    }
    for (size_t i = 0; i < LANES; i++)
        thread_join(&writers[i].thread);
    write_on_all_lanes(1000, 1);
    wait_for(LANES * SERIES * 401);
    assert_int_equal(site.backwards + site.twice, 0);
    assert_int_equal(rows_there(), LANES * SERIES * 401);
}

static void what_waits_is_sent_after_a_restart(void **state)
{
    reload(true);
    answer_with(503);
    write_on_all_lanes(1, 20);
    forward_free(forward);
    assert_int_equal(rows_there(), 0);
    answer_with(0);
    open_forward();
    reload(true);
    wait_for(LANES * SERIES * 20);
    assert_int_equal(site.backwards + site.twice, 0);
    write_on_all_lanes(100, 1);
    wait_for(LANES * SERIES * 21);
}

static void a_loss_of_power_costs_what_was_not_synced(void **state)
{
    reload(true);
    answer_with(503);
    write_on_all_lanes(1, 20);
    usleep(1200000); /* a tick syncs it */
    write_on_all_lanes(50, 1);
    disk_sim_power_off(disk);
    forward_free(forward);
    disk_sim_power_on(disk, DISK_SIM_LOSE);
    answer_with(0);
    open_forward();
    reload(true);
    wait_for(LANES * SERIES * 20);
    write_on_all_lanes(100, 1);
    wait_for(LANES * SERIES * 21);
    assert_int_equal(site.backwards + site.twice, 0);
}

static void nothing_is_kept_where_nothing_is_sent(void **state)
{
    reload(false);
    write_on_all_lanes(1, 5);
    struct disk_sim_stats stats = disk_sim_stats(disk);
    assert_int_equal(stats.bytes_written, 0);
    reload(true); /* from now on */
    write_on_all_lanes(10, 1);
    wait_for(LANES * SERIES);
    reload(false);
    write_on_all_lanes(20, 1);
    usleep(50000);
    assert_int_equal(rows_there(), LANES * SERIES);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, open_all, close_all)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(rows_of_all_lanes_arrive_once_and_in_order),
        CASE(reloads_lose_and_repeat_nothing),
        CASE(what_waits_is_sent_after_a_restart),
        CASE(a_loss_of_power_costs_what_was_not_synced),
        CASE(nothing_is_kept_where_nothing_is_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
