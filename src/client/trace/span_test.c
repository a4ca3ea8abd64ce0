#include "client/trace/span.h"

#include <sys/wait.h>
#include <unistd.h>

#include "client/core/command.h"
#include "client/core/lost.h"
#include "client/core/setting.h"
#include "client/trace/capture_test.h"
#include "client/trace/current.h"
#include "client/trace/sampler.h"

static int start(void **state)
{
    size_t n;
    capture_start(NULL, NULL);
    free(capture_take(0, &n));
    return 0;
}

static int start_small(void **state)
{
    size_t n;
    capture_start("trace.open_max=16", "trace.attributes_max=3");
    free(capture_take(0, &n));
    return 0;
}

static int end(void **state)
{
    assert_false(sonde_context_valid(&(sonde_context){0}));
    return sonde_shutdown(5000);
}

static char *hex_of(const uint8_t *bytes, size_t n)
{
    static char text[4][33];
    static int next;
    char *to = text[next++ % 4];
    for (size_t i = 0; i < n; i++) {
        snprintf(to + 2 * i, 3, "%02x", bytes[i]);
    }
    return to;
}

/* The dump has the line. */
static void has(const char *dump, const char *line)
{
    if (!strstr(dump, line)) {
        fail_msg("not found: %s in\n%.6000s", line, dump);
    }
}

static void hasnt(const char *dump, const char *line)
{
    if (strstr(dump, line)) {
        fail_msg("found: %s in\n%.6000s", line, dump);
    }
}

static void nothing_is_traced_before_the_start_and_after_the_end(void **state)
{
    assert_null(sonde_span_start("early", SONDE_SPAN_SERVER));
    sonde_span_set_int(NULL, "a", 1);
    sonde_span_event(NULL, "e", NULL, 0);
    sonde_span_end(NULL);
    sonde_context_detach(NULL);
    assert_null(sonde_context_attach(&(sonde_context){.trace_id = {1}, .span_id = {1}}));
    assert_null(sonde_propagation_current());
    assert_int_equal(sonde_propagation_write(NULL, NULL, NULL), 0);
    assert_int_equal(sonde_baggage_set("a", "b"), SONDE_ERROR_STATE);
    capture_start(NULL, NULL);
    sonde_span *open = sonde_span_start("open", SONDE_SPAN_SERVER);
    assert_non_null(open);
    sonde_shutdown(5000);
    sonde_span_set_int(open, "late", 1);
    sonde_span_end(open);
    sonde_span_end(open);
    assert_null(sonde_span_start("late", SONDE_SPAN_SERVER));
}

static void a_span_arrives_with_all_that_was_said(void **state)
{
    size_t n;
    sonde_link link = {.context = {.trace_id = {0xaa}, .span_id = {0xbb}, .flags = 1}};
    sonde_attr attrs[] = {sonde_attr_string("at.start", "yes"), sonde_attr_bool("flag", true)};
    link.attrs = attrs;
    link.attrs_n = 1;
    sonde_span_options o = SONDE_SPAN_OPTIONS_INIT;
    o.kind = SONDE_SPAN_CONSUMER;
    o.attrs = attrs;
    o.attrs_n = 2;
    o.links = &link;
    o.links_n = 1;
    o.start_unix_ns = 1700000000000000000;
    sonde_span *s = sonde_span_start_with("take", &o);
    sonde_span_set_string(s, "text", "some\xc3\xa4");
    sonde_span_set_int(s, "number", -5);
    sonde_span_set_double(s, "share", 0.25);
    sonde_span_set_int(s, "number", 6); /* the last one counts */
    sonde_span_set_string(s, "password", "hunter2");
    sonde_span_event(s, "retry", attrs, 2);
    sonde_span_set_error(s, "io", "the disk of a@b.org is full");
    sonde_span_rename(s, "taken");
    sonde_context c = sonde_span_context(s);
    sonde_span_end_at(s, 1700000001000000000);
    char *d = capture_take(0, &n), line[100];
    assert_int_equal(n, 1);
    has(d, "1.1.1.1=service.name\n1.1.1.2{\n1.1.1.2.1=shop\n");
    has(d, "1.1.1.1=service.version\n1.1.1.2{\n1.1.1.2.1=1.2\n");
    has(d, "1.1.1.1=deployment.environment.name\n");
    has(d, "1.1.1.1=service.instance.id\n1.1.1.2{\n1.1.1.2.1=shop-1\n");
    has(d, "1.1.1.1=process.pid\n");
    has(d, "1.1.1.1=host.name\n");
    has(d, "1.1.1.1=telemetry.sdk.name\n1.1.1.2{\n1.1.1.2.1=sonde\n");
    snprintf(line, sizeof line, "1.2.2.1=%s\n", hex_of(c.trace_id, 16));
    has(d, line);
    has(d, "1.2.2.3=ot=th:0\n");
    hasnt(d, "1.2.2.4=");
    has(d, "1.2.2.5=taken\n1.2.2.6=5\n1.2.2.7=1700000000000000000\n1.2.2.8=1700000001000000000\n");
    has(d, "1.2.2.9.1=at.start\n1.2.2.9.2{\n1.2.2.9.2.1=yes\n");
    has(d, "1.2.2.9.1=flag\n1.2.2.9.2{\n1.2.2.9.2.2=1\n");
    has(d, "1.2.2.9.1=text\n1.2.2.9.2{\n1.2.2.9.2.1=736f6d65c3a4\n");
    has(d, "1.2.2.9.1=number\n1.2.2.9.2{\n1.2.2.9.2.3=6\n");
    has(d, "1.2.2.9.1=share\n1.2.2.9.2{\n1.2.2.9.2.4=0.25\n");
    has(d, "1.2.2.9.1=password\n1.2.2.9.2{\n1.2.2.9.2.1=[filtered]\n");
    assert_int_equal(capture_count(d, "1.2.2.9{"), 6);
    has(d, "1.2.2.11.2=retry\n1.2.2.11.3{\n1.2.2.11.3.1=at.start\n");
    has(d, "1.2.2.11.2=exception\n");
    has(d, "1.2.2.13.2=bb00000000000000\n1.2.2.13.4{\n1.2.2.13.4.1=at.start\n");
    has(d, "1.2.2.15{\n1.2.2.15.2=the disk of [email] is full\n1.2.2.15.3=2\n");
    has(d, "1.2.2.16=259\n"); /* sampled, random; it is known whether the parent is remote */
    free(d);
}

static void children_are_in_the_trace_of_what_the_thread_works_in(void **state)
{
    size_t n;
    sonde_span *a = sonde_span_start("a", SONDE_SPAN_SERVER);
    sonde_context of_a = sonde_span_context(a), now = sonde_context_current();
    assert_memory_equal(&of_a, &now, sizeof now);
    sonde_span *b = sonde_span_start("b", SONDE_SPAN_CLIENT);
    sonde_context of_b = sonde_span_context(b);
    assert_memory_equal(of_a.trace_id, of_b.trace_id, 16);
    sonde_span_end(b);
    now = sonde_context_current();
    assert_memory_equal(&of_a, &now, sizeof now);
    sonde_span_end(a);
    now = sonde_context_current();
    assert_false(sonde_context_valid(&now));
    char *d = capture_take(0, &n), line[100];
    assert_int_equal(n, 2);
    snprintf(line, sizeof line, "1.2.2.4=%s\n1.2.2.5=b\n", hex_of(of_a.span_id, 8));
    has(d, line);
    free(d);
}

static void spans_may_end_in_any_order(void **state)
{
    size_t n;
    sonde_span *a = sonde_span_start("a", 1), *b = sonde_span_start("b", 1),
               *c = sonde_span_start("c", 1);
    sonde_context of_c = sonde_span_context(c);
    sonde_span_end(b);
    sonde_context now = sonde_context_current();
    assert_memory_equal(&now, &of_c, sizeof now);
    sonde_span_end(a);
    now = sonde_context_current();
    assert_memory_equal(&now, &of_c, sizeof now);
    sonde_span_end(c);
    now = sonde_context_current();
    assert_false(sonde_context_valid(&now));
    sonde_span_end(c); /* dead handles do nothing */
    sonde_span_set_int(a, "x", 1);
    free(capture_take(0, &n));
    assert_int_equal(n, 3);
}

static void contexts_are_attached_and_detached_in_any_order(void **state)
{
    size_t n;
    sonde_context one = {.trace_id = {1}, .span_id = {1}, .flags = 1};
    sonde_context two = {.trace_id = {2}, .span_id = {2}, .flags = 1}, none = {0};
    sonde_scope *a = sonde_context_attach(&one), *b = sonde_context_attach(&two);
    sonde_context now = sonde_context_current();
    assert_memory_equal(now.trace_id, two.trace_id, 16);
    sonde_context_detach(a);
    now = sonde_context_current();
    assert_memory_equal(now.trace_id, two.trace_id, 16);
    sonde_scope *nothing = sonde_context_attach(&none);
    sonde_span *root = sonde_span_start("root", 1);
    now = sonde_span_context(root);
    assert_memory_not_equal(now.trace_id, two.trace_id, 16);
    sonde_span_end(root);
    sonde_context_detach(nothing);
    sonde_span *child = sonde_span_start("child", 1);
    now = sonde_span_context(child);
    assert_memory_equal(now.trace_id, two.trace_id, 16);
    sonde_span_end(child);
    sonde_context_detach(b);
    sonde_context_detach(b);
    now = sonde_context_current();
    assert_false(sonde_context_valid(&now));
    free(capture_take(0, &n));
    assert_int_equal(n, 2);
}

struct headers {
    char parent[64], state[600], baggage[600];
};

static void set_header(void *user, const char *name, const char *value)
{
    struct headers *h = user;
    char *to = strcmp(name, "traceparent") == 0  ? h->parent
               : strcmp(name, "tracestate") == 0 ? h->state
                                                 : h->baggage;
    snprintf(to, to == h->parent ? sizeof h->parent : sizeof h->state, "%s", value);
}

static const char *get_header(void *user, const char *name)
{
    const char *const *pairs = user;
    for (; pairs[0]; pairs += 2) {
        if (strcmp(pairs[0], name) == 0) {
            return pairs[1];
        }
    }
    return NULL;
}

static void what_came_from_another_process_goes_on_to_the_next(void **state)
{
    const char *in[] = {"traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                        "tracestate",  "vendor=x,ot=th:4",
                        "baggage",     "user=ann;meta, b = %C3%A4",
                        NULL};
    size_t n;
    sonde_propagation *p = sonde_propagation_read(get_header, in);
    assert_non_null(p);
    sonde_span_options o = SONDE_SPAN_OPTIONS_INIT;
    o.kind = SONDE_SPAN_SERVER;
    o.remote = p;
    sonde_span *s = sonde_span_start_with("serve", &o);
    sonde_propagation_free(p); /* the span holds it */
    sonde_span *inner = sonde_span_start("call", SONDE_SPAN_CLIENT);
    char value[32];
    assert_int_equal(sonde_baggage_get("b", value, sizeof value), 2);
    assert_string_equal(value, "\xc3\xa4");
    assert_int_equal(sonde_baggage_get("c", value, sizeof value), SONDE_ERROR_NOT_FOUND);
    assert_int_equal(sonde_baggage_set("c", "1 2"), 0);
    assert_int_equal(sonde_baggage_set("bad key", "1"), SONDE_ERROR_ARGUMENT);
    struct headers h = {"", "", ""};
    assert_int_equal(sonde_propagation_write(NULL, set_header, &h), 3);
    assert_int_equal(strncmp(h.parent, "00-0af7651916cd43dd8448eb211c80319c-", 36), 0);
    assert_string_equal(h.parent + 52, "-01");
    assert_string_equal(h.state, "vendor=x,ot=th:4");
    assert_string_equal(h.baggage, "user=ann;meta,b=%C3%A4,c=1%202");
    sonde_span_end(inner);
    assert_int_equal(sonde_propagation_write(s, set_header, &h), 3);
    assert_string_equal(h.baggage, "user=ann;meta,b=%C3%A4");
    sonde_span_end(s);
    char *d = capture_take(0, &n);
    assert_int_equal(n, 2);
    has(d, "1.2.2.3=vendor=x,ot=th:4\n1.2.2.4=b7ad6b7169203331\n1.2.2.5=serve\n");
    assert_int_equal(capture_count(d, "1.2.2.16=769\n"), 1); /* the parent is remote */
    assert_int_equal(capture_count(d, "1.2.2.16=257\n"), 1);
    free(d);
}

static void a_trace_that_another_process_does_not_keep_is_not_kept_here(void **state)
{
    size_t n;
    sonde_propagation *p =
        sonde_propagation_of("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", NULL, NULL);
    sonde_scope *scope = sonde_propagation_attach(p);
    assert_null(sonde_span_start("child", 1));
    sonde_context_detach(scope);
    sonde_span_options o = SONDE_SPAN_OPTIONS_INIT;
    o.remote = p;
    sonde_span *s = sonde_span_start_with("serve", &o);
    assert_non_null(s);
    assert_false(sonde_span_recording(s));
    assert_null(sonde_span_start("child", 1));
    sonde_span_set_int(s, "a", 1);
    struct headers h = {"", "", ""};
    assert_int_equal(sonde_propagation_write(s, set_header, &h), 1);
    assert_string_equal(h.parent + 52, "-00");
    sonde_span_end(s);
    sonde_propagation_free(p);
    free(capture_take(0, &n));
    assert_int_equal(n, 0);
}

static void the_rate_changes_while_it_runs_and_is_written_down(void **state)
{
    size_t n;
    char problem[SETTING_PROBLEM_MAX], answer[2000];
    assert_int_equal(setting_set("trace.sample_rate", "0", problem), 0);
    for (int i = 0; i < 100; i++) {
        sonde_span *s = sonde_span_start("none", 1);
        assert_false(sonde_span_recording(s));
        sonde_span_end(s);
    }
    assert_int_equal(sonde_query("sampling 0.5", answer, sizeof answer, NULL), 0);
    assert_non_null(strstr(answer, "\"threshold\":\"8\""));
    unsigned kept = 0;
    for (int i = 0; i < 1000; i++) {
        sonde_span *s = sonde_span_start("half", 1);
        kept += sonde_span_recording(s);
        sonde_span_end(s);
    }
    assert_true(kept > 350 && kept < 650); /* nine standard deviations */
    char *d = capture_take(0, &n);
    assert_int_equal(n, kept);
    assert_int_equal(capture_count(d, "1.2.2.3=ot=th:8\n"), kept);
    free(d);
    assert_int_equal(sonde_query("sampling 1.5", answer, sizeof answer, NULL),
                     SONDE_ERROR_ARGUMENT);
    struct text t;
    text_init(&t, 10000);
    assert_int_equal(command_run("sampling 1", 10, COMMAND_VIEWER, &t), SONDE_ERROR_DENIED);
    text_done(&t);
    assert_int_equal(sonde_query("sampling 1", answer, sizeof answer, NULL), 0);
}

static void *end_it(void *span)
{
    sonde_span_set_string(span, "ended.by", "another");
    sonde_span_end(span);
    return NULL;
}

static void a_span_may_end_on_another_thread(void **state)
{
    size_t n;
    pthread_t t;
    sonde_span *outer = sonde_span_start("outer", 1), *s = sonde_span_start("moved", 1);
    sonde_context of_outer = sonde_span_context(outer);
    assert_int_equal(pthread_create(&t, NULL, end_it, s), 0);
    pthread_join(t, NULL);
    sonde_context now = sonde_context_current(); /* and the thread that began it knows */
    assert_memory_equal(&now, &of_outer, sizeof now);
    sonde_span_end(outer);
    char *d = capture_take(0, &n);
    assert_int_equal(n, 2);
    has(d, "1.2.2.9.1=ended.by\n");
    free(d);
}

static void *begin_it(void *ret)
{
    *(sonde_span **)ret = sonde_span_start("begun", 1);
    return NULL;
}

static void a_span_outlives_the_thread_that_began_it(void **state)
{
    size_t n;
    pthread_t t;
    sonde_span *s = NULL;
    assert_int_equal(pthread_create(&t, NULL, begin_it, &s), 0);
    pthread_join(t, NULL);
    assert_non_null(s);
    sonde_scope *scope = sonde_span_attach(s);
    sonde_span *child = sonde_span_start("child", 1);
    sonde_span_end(child);
    sonde_context_detach(scope);
    sonde_span_end(s);
    char *d = capture_take(0, &n);
    assert_int_equal(n, 2);
    has(d, "1.2.2.5=begun\n");
    free(d);
}

static void a_span_of_many_words_is_whole(void **state)
{
    size_t n;
    char key[32], value[201];
    memset(value, 'v', 200);
    value[200] = 0;
    sonde_span *s = sonde_span_start("large", 1);
    for (int i = 0; i < 60; i++) {
        snprintf(key, sizeof key, "key%d", i);
        sonde_span_set_string(s, key, value);
    }
    sonde_span_end(s);
    char *d = capture_take(0, &n);
    assert_int_equal(capture_count(d, "1.2.2.9{"), 60);
    hasnt(d, "1.2.2.10=");
    has(d, "1.2.2.9.1=key59\n");
    free(d);
    s = sonde_span_start("too large", 1);
    for (int i = 0; i < 150; i++) {
        snprintf(key, sizeof key, "key%d", i);
        sonde_span_set_string(s, key, value);
    }
    sonde_span_end(s);
    d = capture_take(0, &n);
    size_t kept = capture_count(d, "1.2.2.9{");
    char line[40];
    snprintf(line, sizeof line, "1.2.2.10=%zu\n", 150 - kept);
    assert_true(kept > 60 && kept < 128);
    has(d, line);
    free(d);
}

static void limits_are_held_and_what_is_lost_is_counted_in_the_span(void **state)
{
    size_t n;
    sonde_span *s = sonde_span_start("limited", 1);
    for (int i = 0; i < 10; i++) {
        char key[8];
        snprintf(key, sizeof key, "k%d", i);
        sonde_span_set_int(s, key, i);
    }
    for (int i = 0; i < 130; i++) {
        sonde_span_event(s, "e", NULL, 0);
    }
    sonde_span_end(s);
    char *d = capture_take(0, &n);
    assert_int_equal(capture_count(d, "1.2.2.9{"), 3);
    has(d, "1.2.2.10=7\n");
    assert_int_equal(capture_count(d, "1.2.2.11{"), 128);
    has(d, "1.2.2.12=2\n");
    free(d);
}

static void forgotten_spans_are_given_up_and_counted(void **state)
{
    size_t n;
    uint64_t lost = lost_count(LOST_SPAN, LOST_QUEUE_FULL), before = span_counts().forgotten;
    sonde_span *spans[100];
    for (int i = 0; i < 100; i++) {
        spans[i] = sonde_span_start("forgotten", 1);
        assert_non_null(spans[i]);
    }
    uint64_t forgotten = span_counts().forgotten - before;
    assert_true(forgotten >= 100 - 16 - 8 && forgotten < 100);
    assert_int_equal(lost_count(LOST_SPAN, LOST_QUEUE_FULL) - lost, forgotten);
    for (int i = 100; i--;) {
        sonde_span_end(spans[i]);
    }
    free(capture_take(0, &n));
    assert_int_equal(n, 100 - forgotten);
    sonde_context now = sonde_context_current();
    assert_false(sonde_context_valid(&now));
}

static void open_spans_are_listed_with_their_attributes(void **state)
{
    size_t n;
    char answer[8000];
    struct current_span list[4];
    sonde_span *a = sonde_span_start("outer", SONDE_SPAN_SERVER);
    sonde_span *b = sonde_span_start("inner", SONDE_SPAN_CLIENT);
    sonde_span_set_string(b, "db.system", "sqlite");
    sonde_span_set_string(b, "api_key", "secret");
    assert_int_equal(current_each(list, 4, 0), 2);
    assert_string_equal(list[0].name, "outer");
    assert_string_equal(list[1].name, "inner");
    assert_int_equal(list[1].tid, gettid());
    assert_int_equal(current_each(list, 1, gettid()), 2);
    assert_string_equal(list[0].name, "outer");
    assert_int_equal(current_each(list, 4, 1), 0);
    assert_int_equal(current_raw(list, 4), 2);
    assert_string_equal(list[1].name, "inner");
    assert_int_equal(sonde_query("spans", answer, sizeof answer, NULL), 0);
    has(answer, "{\"open\":2,\"spans\":[{\"name\":\"outer\",\"kind\":\"server\"");
    has(answer, "\"attributes\":{\"db.system\":\"sqlite\",\"api_key\":\"[filtered]\"}");
    sonde_span_end(b);
    sonde_span_end(a);
    assert_int_equal(current_each(list, 4, 0), 0);
    free(capture_take(0, &n));
}

static void a_forked_child_has_no_spans_of_its_parent(void **state)
{
    size_t n;
    sonde_span *s = sonde_span_start("parent", 1), *ended = sonde_span_start("ended", 1);
    sonde_span_end(ended);
    pid_t child = fork();
    if (child == 0) {
        struct current_span list[4];
        sonde_span_set_int(s, "child", 1);
        sonde_span_end(s);
        sonde_span *own = sonde_span_start("child", 1);
        bool good = own && current_each(list, 4, 0) == 1 && strcmp(list[0].name, "child") == 0;
        sonde_span_end(own);
        struct span_counts c = span_counts();
        sonde_flush(5000);
        good = good && capture_items[0] == 1 && strstr(capture_text[0], "1.2.2.5=child\n") &&
               c.started;
        _exit(good ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    sonde_span_end(s);
    char *d = capture_take(0, &n);
    assert_int_equal(n, 2);
    has(d, "1.2.2.5=parent\n");
    hasnt(d, "1.2.2.9.1=child\n");
    free(d);
}

enum { STRESS_THREADS = 8, STRESS_SPANS = 3000 };
static sonde_span *_Atomic handed[STRESS_THREADS];

static void *stress(void *number)
{
    size_t self = (size_t)(uintptr_t)number, other = (self + 1) % STRESS_THREADS;
    for (int i = 0; i < STRESS_SPANS; i++) {
        sonde_span *a = sonde_span_start("stress", SONDE_SPAN_SERVER);
        sonde_span_set_int(a, "i", i);
        sonde_span *b = sonde_span_start("inner", SONDE_SPAN_CLIENT);
        sonde_span_set_string(b, "some.key", "some value");
        sonde_span_event(b, "event", NULL, 0);
        if (i % 4 == 0) {
            sonde_span_end(atomic_exchange(&handed[other], b));
            sonde_span_end(atomic_exchange(&handed[self], NULL));
        } else {
            sonde_span_end(b);
        }
        sonde_span_end(a);
    }
    return NULL;
}

static void threads_that_hand_spans_to_each_other_lose_none_uncounted(void **state)
{
    pthread_t t[STRESS_THREADS];
    char answer[100];
    size_t n;
    struct current_span list[8];
    struct span_counts before = span_counts();
    for (size_t i = 0; i < STRESS_THREADS; i++) {
        assert_int_equal(pthread_create(&t[i], NULL, stress, (void *)(uintptr_t)i), 0);
    }
    for (int i = 0; i < 50; i++) {
        sonde_query("spans", answer, sizeof answer, NULL);
        current_raw(list, 8);
    }
    for (size_t i = 0; i < STRESS_THREADS; i++) {
        pthread_join(t[i], NULL);
    }
    for (size_t i = 0; i < STRESS_THREADS; i++) {
        sonde_span_end(atomic_exchange(&handed[i], NULL));
    }
    free(capture_take(0, &n));
    struct span_counts after = span_counts();
    assert_int_equal(after.started - before.started, 2 * STRESS_THREADS * STRESS_SPANS);
    assert_int_equal(after.sampled - before.sampled + after.dropped - before.dropped,
                     2 * STRESS_THREADS * STRESS_SPANS);
    assert_int_equal(n, after.sampled - before.sampled);
    assert_int_equal(current_each(list, 8, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_traced_before_the_start_and_after_the_end),
        cmocka_unit_test_setup_teardown(a_span_arrives_with_all_that_was_said, start, end),
        cmocka_unit_test_setup_teardown(children_are_in_the_trace_of_what_the_thread_works_in,
                                        start, end),
        cmocka_unit_test_setup_teardown(spans_may_end_in_any_order, start, end),
        cmocka_unit_test_setup_teardown(contexts_are_attached_and_detached_in_any_order, start,
                                        end),
        cmocka_unit_test_setup_teardown(what_came_from_another_process_goes_on_to_the_next, start,
                                        end),
        cmocka_unit_test_setup_teardown(a_trace_that_another_process_does_not_keep_is_not_kept_here,
                                        start, end),
        cmocka_unit_test_setup_teardown(the_rate_changes_while_it_runs_and_is_written_down, start,
                                        end),
        cmocka_unit_test_setup_teardown(a_span_may_end_on_another_thread, start, end),
        cmocka_unit_test_setup_teardown(a_span_outlives_the_thread_that_began_it, start, end),
        cmocka_unit_test_setup_teardown(a_span_of_many_words_is_whole, start, end),
        cmocka_unit_test_setup_teardown(limits_are_held_and_what_is_lost_is_counted_in_the_span,
                                        start_small, end),
        cmocka_unit_test_setup_teardown(open_spans_are_listed_with_their_attributes, start, end),
        cmocka_unit_test_setup_teardown(a_forked_child_has_no_spans_of_its_parent, start, end),
        cmocka_unit_test_setup_teardown(threads_that_hand_spans_to_each_other_lose_none_uncounted,
                                        start, end),
        cmocka_unit_test_setup_teardown(forgotten_spans_are_given_up_and_counted, start_small, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
