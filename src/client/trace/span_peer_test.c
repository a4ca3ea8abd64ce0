/* Spans and log records as a daemon gets them over its socket, read by the daemon's own walker of
 * protobuf, field by field beside requests that OpenTelemetry's JavaScript SDK has sent
 * (payloads/001 and 003 of $SONDE_CASES). */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/wire/frame.h"
#include "codec/wire.h"
#include "sonde/log.h"
#include "sonde/span.h"

enum { WAIT_MS = 10000, PATHS_MAX = 200, PATH_MAX_BYTES = 48, BODY_MAX = 1 << 20 };

/* Which fields a request has: numbers that lead to them, and the type on the wire. */
struct fields {
    size_t n;
    char path[PATHS_MAX][PATH_MAX_BYTES];
};

static const char *const trace_messages[] = {
    "1",        "1.1",        "1.1.1",        "1.1.1.2",  "1.2",        "1.2.1",
    "1.2.2",    "1.2.2.9",    "1.2.2.9.2",    "1.2.2.11", "1.2.2.11.3", "1.2.2.11.3.2",
    "1.2.2.13", "1.2.2.13.4", "1.2.2.13.4.2", "1.2.2.15", NULL};
static const char *const log_messages[] = {"1",       "1.1",       "1.1.1", "1.1.1.2",
                                           "1.2",     "1.2.1",     "1.2.2", "1.2.2.5",
                                           "1.2.2.6", "1.2.2.6.2", NULL};

static bool listed(const char *const *list, const char *path)
{
    for (; *list; list++) {
        if (strcmp(*list, path) == 0) {
            return true;
        }
    }
    return false;
}

static bool known(const struct fields *f, const char *path)
{
    for (size_t i = 0; i < f->n; i++) {
        if (strcmp(f->path[i], path) == 0) {
            return true;
        }
    }
    return false;
}

static void walk(const char *const *messages, const char *in, const uint8_t *p, size_t n,
                 struct fields *ret)
{
    const uint8_t *end = p + n;
    struct wire_field field;
    while (p < end) {
        char path[PATH_MAX_BYTES - 16], typed[PATH_MAX_BYTES];
        p = wire_next(p, end, &field);
        assert_non_null(p);
        snprintf(path, sizeof path, "%s%s%u", in, *in ? "." : "", field.number);
        snprintf(typed, sizeof typed, "%s:%u", path, field.type);
        if (!known(ret, typed)) {
            assert_true(ret->n < PATHS_MAX);
            memcpy(ret->path[ret->n++], typed, sizeof typed);
        }
        if (listed(messages, path)) {
            assert_int_equal(field.type, WIRE_BYTES);
            walk(messages, path, field.p, field.n, ret);
        }
    }
}

static int server = -1, peer = -1;
static char folder[] = "/tmp/sonde-span-peer-XXXXXX", path_of[80], setting_of[100], spool_of[100];

static int start(void **state)
{
    if (!mkdtemp(folder)) {
        return -1;
    }
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(path_of, sizeof path_of, "%s/socket", folder);
    snprintf(a.sun_path, sizeof a.sun_path, "%s", path_of);
    snprintf(setting_of, sizeof setting_of, "socket=%s", path_of);
    snprintf(spool_of, sizeof spool_of, "spool.dir=%s/spool", folder);
    server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(server, (struct sockaddr *)&a, sizeof a) != 0 || listen(server, 4) != 0) {
        return -1;
    }
    const char *settings[] = {setting_of, spool_of, "export.interval_ms=100", "session.auto=false",
                              NULL};
    sonde_options o = SONDE_OPTIONS_INIT;
    o.service = "shop";
    o.release = "1.2";
    o.settings = settings;
    return sonde_init(&o);
}

static int end(void **state)
{
    close(peer);
    close(server);
    sonde_shutdown(100);
    unlink(path_of);
    char line[160];
    snprintf(line, sizeof line, "%s/spool", folder);
    rmdir(line); /* what the library left there is in /tmp */
    rmdir(folder);
    return 0;
}

static void take(void *to, size_t n)
{
    for (size_t at = 0; at < n;) {
        struct pollfd p = {.fd = peer, .events = POLLIN};
        assert_int_equal(poll(&p, 1, WAIT_MS), 1);
        ssize_t got = recv(peer, (char *)to + at, n - at, 0);
        assert_true(got > 0);
        at += (size_t)got;
    }
}

static void say(enum frame_kind kind, uint64_t sequence, const char *payload)
{
    struct frame_header h = {.length = (uint32_t)strlen(payload),
                             .kind = (uint8_t)kind,
                             .version = FRAME_VERSION,
                             .sequence = sequence};
    assert_int_equal(send(peer, &h, sizeof h, MSG_NOSIGNAL), sizeof h);
    assert_int_equal(send(peer, payload, h.length, MSG_NOSIGNAL), h.length);
}

/* The payload of the next frame of a kind; the caller frees it. */
static uint8_t *frame_of(enum frame_kind kind, size_t *ret_n)
{
    for (int frames = 0; frames < 200; frames++) {
        struct frame_header h;
        take(&h, sizeof h);
        assert_true(h.length <= FRAME_PAYLOAD_MAX);
        uint8_t *payload = malloc(h.length + 1);
        assert_non_null(payload);
        take(payload, h.length);
        if (h.kind == FRAME_HELLO) {
            say(FRAME_WELCOME, 1, "server=peer 1\n");
        } else if (h.flags & FRAME_ACK_WANTED) {
            say(FRAME_ACK, h.sequence, "");
        }
        if (h.kind == kind) {
            *ret_n = h.length;
            return payload;
        }
        free(payload);
    }
    fail_msg("no frame of kind %d came", kind);
    return NULL;
}

static uint8_t *captured(const char *name, size_t *ret_n)
{
    const char *cases = getenv("SONDE_CASES");
    char path[300];
    snprintf(path, sizeof path, "%s/payloads/%s", cases ? cases : "../shared", name);
    FILE *f = fopen(path, "rb");
    if (!f) {
        return NULL;
    }
    uint8_t *bytes = malloc(BODY_MAX);
    assert_non_null(bytes);
    *ret_n = fread(bytes, 1, BODY_MAX, f);
    fclose(f);
    return bytes;
}

static void write_everything(void)
{
    sonde_attr attrs[] = {sonde_attr_string("a", "x"), sonde_attr_int("b", 2),
                          sonde_attr_double("c", 0.5), sonde_attr_bool("d", true)};
    sonde_link link = {.context = {.trace_id = {1}, .span_id = {2}, .flags = 1}};
    link.attrs = attrs;
    link.attrs_n = 2;
    sonde_span *s = sonde_span_start("GET /cart", SONDE_SPAN_SERVER);
    sonde_span *inner = sonde_span_start("query", SONDE_SPAN_CLIENT);
    sonde_span_set_attrs(inner, attrs, 4);
    sonde_span_event(inner, "retry", attrs, 4);
    sonde_span_link(inner, &link);
    sonde_span_set_status(inner, SONDE_SPAN_ERROR, "no");
    sonde_log_attrs(SONDE_LEVEL_WARNING, "db", "slow", attrs, 4);
    sonde_span_end(inner);
    sonde_span_end(s);
}

/* Fields that the SDK sends and this library does not, with the reason. */
static const char *const not_ours[] = {
    "1.2.2.9.2.5:2", /* arrays as values: there is no such attribute here */
    "1.1.2:0",
    "1.2.2.10:0", /* counts of what was dropped: sent where they are not zero */
    "1.2.2.12:0",
    "1.2.2.14:0",
    "1.2.2.11.4:0",
    "1.2.2.13.5:0",
    "1.2.2.7:0",
    "1.2.2.5.6:2",  /* a structured body: the message of a record is text here */
    "1.2.2.13.3:2", /* tracestate of a link */
    NULL};

static void compare(const char *const *messages, const char *name, const uint8_t *ours,
                    size_t ours_n)
{
    static struct fields of_us, of_them;
    of_us.n = of_them.n = 0;
    walk(messages, "", ours, ours_n, &of_us);
    size_t n = 0;
    uint8_t *theirs = captured(name, &n);
    if (!theirs) {
        print_message("skipped 1: no %s\n", name);
        skip();
    }
    walk(messages, "", theirs, n, &of_them);
    assert_true(of_them.n > 15);
    for (size_t i = 0; i < of_them.n; i++) {
        bool missing = !known(&of_us, of_them.path[i]) && !listed(not_ours, of_them.path[i]);
        if (missing) {
            print_message("%s has the field %s, which is not sent\n", name, of_them.path[i]);
        }
        assert_false(missing);
    }
    free(theirs);
}

static void spans_have_the_fields_that_the_official_sdk_sends(void **state)
{
    struct pollfd p = {.fd = server, .events = POLLIN};
    assert_int_equal(poll(&p, 1, WAIT_MS), 1);
    peer = accept(server, NULL, NULL);
    assert_true(peer >= 0);
    write_everything();
    size_t n;
    uint8_t *request = frame_of(FRAME_SPANS, &n);
    compare(trace_messages, "001_otlp_traces_proto.body", request, n);
    free(request);
}

static void records_have_the_fields_that_the_official_sdk_sends(void **state)
{
    assert_true(peer >= 0);
    write_everything();
    size_t n;
    uint8_t *request = frame_of(FRAME_LOGS, &n);
    compare(log_messages, "003_otlp_logs_proto.body", request, n);
    free(request);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_have_the_fields_that_the_official_sdk_sends),
        cmocka_unit_test(records_have_the_fields_that_the_official_sdk_sends),
    };
    return cmocka_run_group_tests(tests, start, end);
}
