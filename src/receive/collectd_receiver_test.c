#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/stat.h"
#include "crypt/digest.h"
#include "model/batch.h"
#include "receive/collectd_receiver.h"

/* ---- a sink in memory */

static struct {
    struct sink sink;
    struct buf seen;
    size_t commits;
    int append_err;
} store;

static int store_tenant(struct sink *s, struct str name, struct tenant **ret, struct why *why)
{
    *ret = (struct tenant *)(void *)&store;
    return 0;
}

static int store_append(struct sink *s, size_t lane, struct tenant *t, struct batch *b,
                        struct why *why)
{
    if (store.append_err)
        return store.append_err;
    for (size_t i = 0; i < b->n; i++) {
        labels_print(b->key[i], &store.seen);
        buf_printf(&store.seen, " %g @%lld\n", b->value[i], (long long)b->ts_ms[i]);
        b->err[i] = 0;
    }
    return (int)b->n;
}

static int store_metadata(struct sink *s, size_t lane, struct tenant *t, const struct metadata *m)
{
    buf_printf(&store.seen, STR_FMT " is a %s\n", STR_ARG(m->metric), metric_type_text(m->type));
    return 0;
}

static void store_commit(struct sink *s, size_t lane, void (*done)(void *context, int err),
                         void *context)
{
    store.commits++;
    done(context, 0);
}

static const struct sink_ops OPS = {.tenant = store_tenant,
                                    .append = store_append,
                                    .metadata = store_metadata,
                                    .commit = store_commit};

/* ---- a receiver, and files for it */

static struct collectd_receiver *receiver;
static struct collectd_settings settings;
static struct clock_manual now;
static char users_path[64], types_path[64];

static void write_file(char *path, const char *text)
{
    snprintf(path, sizeof users_path, "/tmp/sonde-collectd-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static int open_with(const char *security, const char *users, const char *types, struct why *why)
{
    static const char *type_files[1];
    settings =
        (struct collectd_settings){.tenant = "default", .auth_file = "", .security = security};
    users_path[0] = types_path[0] = '\0';
    if (users != NULL) {
        write_file(users_path, users);
        settings.auth_file = users_path;
    }
    if (types != NULL) {
        write_file(types_path, types);
        type_files[0] = types_path;
        settings.types_db = (struct option_list){type_files, 1};
    }
    store.sink.ops = &OPS;
    store.commits = 0;
    store.append_err = 0;
    buf_init(&store.seen, 1 << 20);
    clock_manual_init(&now, 5000);
    struct collectd_plan plan = {
        .settings = &settings, .sink = &store.sink, .lane = 1, .clock = &now.clock};
    int err = collectd_settings_check(&settings, why);
    return err != 0 ? err : collectd_receiver_new(&plan, &receiver, why);
}

static void begin(const char *security, const char *users, const char *types)
{
    struct why why = {0};
    if (open_with(security, users, types, &why) != 0)
        fail_msg("%s", why.text);
}

static void end(void)
{
    collectd_receiver_free(receiver);
    receiver = NULL;
    buf_done(&store.seen);
    if (users_path[0])
        unlink(users_path);
    if (types_path[0])
        unlink(types_path);
}

static void wrote(const char *wanted)
{
    collectd_receiver_write(receiver);
    buf_put_c(&store.seen, '\0');
    assert_string_equal(store.seen.p, wanted);
    buf_clear(&store.seen);
}

/* ---- packets */

static void put_be(struct buf *b, uint64_t v, unsigned bytes)
{
    while (bytes-- > 0)
        buf_put_c(b, (char)(v >> (8 * bytes)));
}

static void put_text(struct buf *b, unsigned type, const char *s)
{
    put_be(b, type, 2);
    put_be(b, strlen(s) + 5, 2);
    buf_put(b, s, strlen(s) + 1);
}

/* host h, plugin p, type, one gauge */
static void put_gauge(struct buf *b, const char *type, double v)
{
    put_text(b, 0x0000, "h");
    put_text(b, 0x0002, "p");
    put_text(b, 0x0004, type);
    put_be(b, 0x0006, 2);
    put_be(b, 15, 2);
    put_be(b, 1, 2);
    put_be(b, 1, 1);
    buf_put_double_raw(b, v);
}

static void sign(struct buf *out, const char *user, const char *password, struct str packet)
{
    struct buf covered;
    uint8_t mac[DIGEST_SHA256_BYTES];
    buf_init(&covered, 65536);
    buf_put_str(&covered, str_c(user));
    buf_put_str(&covered, packet);
    assert_int_equal(digest_hmac_sha256(str_c(password), buf_str(&covered), mac), 0);
    put_be(out, 0x0200, 2);
    put_be(out, 4 + sizeof mac + strlen(user), 2);
    buf_put(out, mac, sizeof mac);
    buf_put_str(out, buf_str(&covered));
    buf_done(&covered);
}

/* OFB is its own inverse. */
static void encrypt(struct buf *out, const char *user, const char *password, struct str packet)
{
    struct buf plain;
    uint8_t key[DIGEST_KEY_BYTES], sha1[DIGEST_SHA1_BYTES], sealed[1000];
    const uint8_t iv[DIGEST_IV_BYTES] = {7, 8, 9};
    buf_init(&plain, sizeof sealed);
    assert_int_equal(digest_sha1(packet, sha1), 0);
    assert_int_equal(digest_sha256(str_c(password), key), 0);
    buf_put(&plain, sha1, sizeof sha1);
    buf_put_str(&plain, packet);
    assert_int_equal(digest_ofb_open(key, iv, buf_str(&plain), sealed), 0);
    put_be(out, 0x0210, 2);
    put_be(out, 4 + 2 + strlen(user) + sizeof iv + plain.n, 2);
    put_be(out, strlen(user), 2);
    buf_put_str(out, str_c(user));
    buf_put(out, iv, sizeof iv);
    buf_put(out, sealed, plain.n);
    buf_done(&plain);
}

struct sum {
    const char *labels;
    double value;
};

static void add_stat(void *context, const struct stat_sample *s)
{
    struct sum *sum = context;
    if (strcmp(s->family, "sonde_collectd_bad_packets_total") == 0 &&
        strcmp(s->labels, sum->labels) == 0)
        sum->value += s->value;
}

static double bad(const char *labels)
{
    struct sum sum = {labels, 0};
    stat_each(add_stat, &sum);
    return sum.value;
}

static struct buf plain, made;

static int set_up(void **state)
{
    buf_init(&plain, 65536);
    buf_init(&made, 65536);
    put_gauge(&plain, "t", 3);
    return 0;
}

static int tear_down(void **state)
{
    buf_done(&plain);
    buf_done(&made);
    return 0;
}

#define TAKEN "collectd_p_t is a gauge\ncollectd_p_t{instance=\"h\"} 3 @5000\n"

/* ---- cases */

static void values_are_written_once_and_metadata_first(void **state)
{
    begin("none", NULL, NULL);
    collectd_receiver_take(receiver, buf_str(&plain));
    wrote(TAKEN);
    assert_int_equal(store.commits, 1);
    wrote("");
    assert_int_equal(store.commits, 1);
    collectd_receiver_take(receiver, buf_str(&plain));
    wrote("collectd_p_t{instance=\"h\"} 3 @5000\n");
    end();
}

static void gauges_that_are_not_known_are_left_out(void **state)
{
    begin("none", NULL, NULL);
    put_gauge(&made, "t", __builtin_nan(""));
    collectd_receiver_take(receiver, buf_str(&made));
    wrote("");
    end();
}

static void types_of_ones_own_name_their_values(void **state)
{
    begin("none", NULL, "t  depth:GAUGE:0:U\n");
    collectd_receiver_take(receiver, buf_str(&plain));
    wrote("collectd_p_t_depth is a gauge\ncollectd_p_t_depth{instance=\"h\"} 3 @5000\n");
    end();
}

static void signed_packets_need_a_user_who_is_known(void **state)
{
    double before = bad("reason=\"signature\"");
    sign(&made, "ann", "secret", buf_str(&plain));
    begin("none", NULL, NULL);
    collectd_receiver_take(receiver, buf_str(&made));
    wrote("");
    end();
    begin("none", "# who\nbob: x\nann: secret\n", NULL);
    collectd_receiver_take(receiver, buf_str(&made));
    wrote(TAKEN);
    end();
    begin("none", "ann: other\n", NULL);
    collectd_receiver_take(receiver, buf_str(&made));
    wrote("");
    end();
    assert_true(bad("reason=\"signature\"") == before + 2);
}

static void a_changed_byte_breaks_the_signature(void **state)
{
    sign(&made, "ann", "secret", buf_str(&plain));
    begin("none", "ann: secret\n", NULL);
    double before = bad("reason=\"signature\"");
    made.p[made.n - 1] ^= 1;
    collectd_receiver_take(receiver, buf_str(&made));
    wrote("");
    assert_true(bad("reason=\"signature\"") == before + 1);
    end();
}

static void encrypted_packets_are_opened_by_their_user(void **state)
{
    encrypt(&made, "ann", "secret", buf_str(&plain));
    begin("encrypt", "ann: secret\n", NULL);
    collectd_receiver_take(receiver, buf_str(&made));
    wrote(TAKEN);
    end();
    begin("none", "ann: other\n", NULL);
    collectd_receiver_take(receiver, buf_str(&made));
    wrote("");
    end();
}

static void what_is_encrypted_twice_is_refused(void **state)
{
    struct buf once;
    buf_init(&once, 65536);
    encrypt(&once, "ann", "secret", buf_str(&plain));
    encrypt(&made, "ann", "secret", buf_str(&once));
    begin("none", "ann: secret\n", NULL);
    collectd_receiver_take(receiver, buf_str(&made));
    wrote("");
    end();
    buf_done(&once);
}

static void security_says_what_packets_must_be_at_least(void **state)
{
    static const struct {
        const char *security;
        bool plain_taken, signed_taken, encrypted_taken;
    } CASES[] = {
        {"none", true, true, true}, {"sign", false, true, true}, {"encrypt", false, false, true}};
    for (size_t i = 0; i < COUNTOF(CASES); i++) {
        double before = bad("reason=\"security\"");
        bool taken[3] = {CASES[i].plain_taken, CASES[i].signed_taken, CASES[i].encrypted_taken};
        for (int how = 0; how < 3; how++) {
            begin(CASES[i].security, "ann: secret\n", NULL);
            buf_clear(&made);
            if (how == 0)
                buf_put_str(&made, buf_str(&plain));
            else if (how == 1)
                sign(&made, "ann", "secret", buf_str(&plain));
            else
                encrypt(&made, "ann", "secret", buf_str(&plain));
            collectd_receiver_take(receiver, buf_str(&made));
            wrote(taken[how] ? TAKEN : "");
            end();
        }
        assert_true(bad("reason=\"security\"") == before + (double)i);
    }
}

static void what_stands_before_a_signature_names_nothing(void **state)
{
    struct buf bare, prefixed;
    buf_init(&bare, 65536);
    buf_init(&prefixed, 65536);
    /* The signed part says neither host nor plugin. */
    put_gauge(&bare, "t", 3);
    buf_shift(&bare, 2 * 6);
    put_text(&prefixed, 0x0000, "x");
    put_text(&prefixed, 0x0002, "x");
    sign(&prefixed, "ann", "secret", buf_str(&bare));
    begin("sign", "ann: secret\n", NULL);
    collectd_receiver_take(receiver, buf_str(&prefixed));
    wrote("");
    end();
    buf_done(&bare);
    buf_done(&prefixed);
}

static void settings_and_files_that_cannot_be_are_refused_with_a_reason(void **state)
{
    struct why why = {0};
    assert_int_equal(open_with("sign", NULL, NULL, &why), -ERR_FORMAT);
    assert_non_null(strstr(why.text, "collectd.auth_file must name a file of users"));
    end();
    assert_int_equal(open_with("sign", "ann\n", NULL, &why), -ERR_FORMAT);
    assert_non_null(strstr(why.text, "line 1 of /tmp/sonde-collectd-"));
    end();
    assert_int_equal(open_with("none", NULL, "t a:b\n", &why), -ERR_FORMAT);
    assert_non_null(strstr(why.text, "collectd.types_db: /tmp/sonde-collectd-"));
    end();
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(values_are_written_once_and_metadata_first),
        CASE(gauges_that_are_not_known_are_left_out),
        CASE(types_of_ones_own_name_their_values),
        CASE(signed_packets_need_a_user_who_is_known),
        CASE(a_changed_byte_breaks_the_signature),
        CASE(encrypted_packets_are_opened_by_their_user),
        CASE(what_is_encrypted_twice_is_refused),
        CASE(security_says_what_packets_must_be_at_least),
        CASE(what_stands_before_a_signature_names_nothing),
        CASE(settings_and_files_that_cannot_be_are_refused_with_a_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
