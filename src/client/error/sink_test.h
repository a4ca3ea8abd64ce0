/* client/error/sink_test.h - for tests: the library started without a daemon, and what it hands out
 * caught and read. */
#ifndef CLIENT_ERROR_SINK_TEST_H
#define CLIENT_ERROR_SINK_TEST_H

#include <ftw.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "client/core/outgoing.h"
#include "client/core/setting.h"
#include "client/core/text.h"
#include "sonde/error.h"

enum { SINK_MAX = 16384, SINK_SETTINGS_MAX = 16 };

struct sink_item {
    char type[24], category[16];
    json_t *header, *item_header, *body; /* body NULL: no JSON */
};

static struct {
    pthread_mutex_t lock;
    struct sink_item items[SINK_MAX];
    size_t n;
    char folder[64];
} sink = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Reads an envelope by the grammar, strictly: lengths are right, a line break ends each item. */
static void sink_read(const char *category, const char *s, size_t n)
{
    const char *end = memchr(s, '\n', n);
    assert_non_null(end);
    json_t *header = json_loadb(s, (size_t)(end - s), 0, NULL);
    assert_non_null(header);
    const char *at = end + 1;
    while (at < s + n) {
        end = memchr(at, '\n', (size_t)(s + n - at));
        assert_non_null(end);
        json_t *head = json_loadb(at, (size_t)(end - at), 0, NULL);
        assert_non_null(head);
        size_t length = (size_t)json_integer_value(json_object_get(head, "length"));
        assert_true(end + 1 + length < s + n);
        assert_int_equal(end[1 + length], '\n');
        assert_true(sink.n < SINK_MAX);
        struct sink_item *i = &sink.items[sink.n++];
        snprintf(i->type, sizeof i->type, "%s", json_string_value(json_object_get(head, "type")));
        snprintf(i->category, sizeof i->category, "%s", category);
        i->header = json_incref(header);
        i->item_header = head;
        json_error_t error;
        i->body = json_loadb(end + 1, length, 0, &error);
        if (!i->body) {
            print_message("%s\n%.*s\n", error.text, (int)length, end + 1);
        }
        at = end + 1 + length + 1;
    }
    json_decref(header);
}

static void sink_put(const struct outgoing *what, const struct text *payload)
{
    if (what->kind == FRAME_ENVELOPE) {
        pthread_mutex_lock(&sink.lock);
        sink_read(what->category, payload->bytes, payload->len);
        pthread_mutex_unlock(&sink.lock);
    }
}

static bool sink_idle(void)
{
    return true;
}

static bool sink_connected(void)
{
    return false;
}

static void sink_clear(void)
{
    pthread_mutex_lock(&sink.lock);
    for (size_t i = 0; i < sink.n; i++) {
        json_decref(sink.items[i].header);
        json_decref(sink.items[i].item_header);
        json_decref(sink.items[i].body);
    }
    sink.n = 0;
    pthread_mutex_unlock(&sink.lock);
}

static int sink_remove(const char *path, const struct stat *st, int kind, struct FTW *place)
{
    return remove(path);
}

static void sink_remove_folder(void)
{
    (void)nftw(sink.folder, sink_remove, 16, FTW_DEPTH | FTW_PHYS); /* none may have been made */
}

/* Starts the library with these settings, NULL at the end. */
static void sink_start(const char *first, ...)
{
    static const struct outgoing_ops ops = {sink_put, sink_idle, sink_connected};
    static char folder[96];
    const char *settings[SINK_SETTINGS_MAX] = {NULL};
    size_t n = 0;
    const struct setting_row *rows;
    size_t rows_n = setting_rows(&rows);
    snprintf(sink.folder, sizeof sink.folder, "/tmp/sonde-error-test-%d", (int)getpid());
    snprintf(folder, sizeof folder, "spool.dir=%s", sink.folder);
    for (size_t i = 0; i < rows_n; i++) { /* of modules that this test does not need */
        if (strcmp(rows[i].key, "socket") == 0) {
            settings[n++] = "socket=";
        } else if (strcmp(rows[i].key, "spool.dir") == 0) {
            settings[n++] = folder;
        } else if (strcmp(rows[i].key, "crash.enabled") == 0) {
            settings[n++] = "crash.enabled=false";
        }
    }
    va_list more;
    va_start(more, first);
    for (const char *s = first; s && n < SINK_SETTINGS_MAX - 1; s = va_arg(more, const char *)) {
        settings[n++] = s;
    }
    va_end(more);
    sonde_options o = SONDE_OPTIONS_INIT;
    o.service = "shop";
    o.release = "shop@1.4.2";
    o.environment = "test";
    o.settings = settings;
    static bool hooked;
    if (!hooked) {
        hooked = true;
        atexit(sink_remove_folder); /* for tests that shut down by themselves */
    }
    sink_clear();
    (void)sonde_shutdown(1000); /* of a test that failed */
    int err = sonde_init(&o);
    if (err) {
        print_message("%s\n", sonde_last_problem());
    }
    assert_int_equal(err, 0);
    outgoing_set(&ops);
}

__attribute__((unused)) static void sink_stop(void)
{
    assert_int_equal(sonde_shutdown(5000), 0);
    sink_remove_folder();
}

/* The i-th item of that type; NULL where there are not so many. */
static const struct sink_item *sink_get(const char *type, size_t i)
{
    const struct sink_item *found = NULL;
    pthread_mutex_lock(&sink.lock);
    for (size_t k = 0; k < sink.n && !found; k++) {
        if (strcmp(sink.items[k].type, type) == 0 && i-- == 0) {
            found = &sink.items[k];
        }
    }
    pthread_mutex_unlock(&sink.lock);
    return found;
}

__attribute__((unused)) static size_t sink_count(const char *type)
{
    size_t n = 0;
    while (sink_get(type, n)) {
        n++;
    }
    return n;
}

/* The i-th event, after a flush. */
__attribute__((unused)) static json_t *sink_event(size_t i)
{
    (void)sonde_flush(5000);
    const struct sink_item *item = sink_get("event", i);
    return item ? item->body : NULL;
}

/* "a.b.0.c" within a document; NULL where it is not. */
static json_t *sink_at(json_t *j, const char *path)
{
    char word[64];
    while (j && *path) {
        size_t n = strcspn(path, ".");
        snprintf(word, sizeof word, "%.*s", (int)n, path);
        j = json_is_array(j) ? json_array_get(j, strtoul(word, NULL, 10))
                             : json_object_get(j, word);
        path += n + (path[n] == '.');
    }
    return j;
}

__attribute__((unused)) static const char *sink_string(json_t *j, const char *path)
{
    const char *s = json_string_value(sink_at(j, path));
    return s ? s : "(none)";
}

#endif
