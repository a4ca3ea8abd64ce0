#include "helper/symbols/event.h"

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/crash/report.h"
#include "client/stack/module_list.h"
#include "client/stack/symbol.h"
#include "helper/symbols/source_line.h"

struct looking {
    struct source_line *lines;
    const struct module_list *modules;
    size_t frames; /* looked at so far */
};

static bool refuse(char *problem, const char *sentence)
{
    snprintf(problem, EVENT_PROBLEM_MAX, "%s", sentence);
    return false;
}

/* An address as Sentry writes it: "0x1f00", or a number. */
static uint64_t address_of(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);
    if (json_is_string(v)) {
        return strtoull(json_string_value(v), NULL, 0);
    }
    return json_is_integer(v) ? (uint64_t)json_integer_value(v) : 0;
}

static unsigned nibble(char c)
{
    return c >= '0' && c <= '9'   ? (unsigned)(c - '0')
           : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
           : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10
                                  : 16;
}

static void build_id_of(const json_t *image, struct loaded_module *m)
{
    const char *code = json_string_value(json_object_get(image, "code_id"));
    size_t n = code ? strlen(code) / 2 : 0;
    for (size_t i = 0; i < n && i < MODULE_BUILD_ID_MAX; i++) {
        unsigned high = nibble(code[2 * i]), low = nibble(code[2 * i + 1]);
        if (high > 15 || low > 15) {
            return;
        }
        m->build_id[i] = (uint8_t)(high << 4 | low);
        m->build_id_n = (uint32_t)i + 1;
    }
}

static int by_address(const void *a, const void *b)
{
    const struct loaded_module *l = a, *m = b;
    return l->start < m->start ? -1 : l->start > m->start;
}

static struct module_list *modules_of(const json_t *event)
{
    const json_t *images = json_object_get(json_object_get(event, "debug_meta"), "images");
    struct module_list *l = calloc(1, sizeof *l + MODULE_LIST_MAX * sizeof *l->module);
    size_t n = json_array_size(images);
    for (size_t i = 0; l && i < n && l->n < MODULE_LIST_MAX; i++) {
        const json_t *image = json_array_get(images, i);
        const char *path = json_string_value(json_object_get(image, "code_file"));
        uint64_t size = address_of(image, "image_size");
        struct loaded_module *m = &l->module[l->n];
        m->start = address_of(image, "image_addr");
        if (!path || !m->start || !size || size > UINT64_MAX - m->start) {
            continue;
        }
        m->end = m->start + size;
        m->bias =
            m->start; /* of executables that may lie anywhere: all others have names already */
        snprintf(m->path, sizeof m->path, "%s", path);
        build_id_of(image, m);
        l->n++;
    }
    if (l) {
        qsort(l->module, l->n, sizeof *l->module, by_address);
    }
    return l;
}

static void put(json_t *frame, const char *key, const char *value)
{
    if (*value) {
        json_object_set_new(frame, key, json_string(value));
    }
}

static void put_found(json_t *frame, const struct source_line_frame *f, const char *package)
{
    put(frame, "function", f->function);
    if (*f->file) {
        const char *name = strrchr(f->file, '/');
        put(frame, "abs_path", f->file);
        put(frame, "filename", name ? name + 1 : f->file);
    }
    if (f->line > 0) {
        json_object_set_new(frame, "lineno", json_integer(f->line));
    }
    if (f->column > 0) {
        json_object_set_new(frame, "colno", json_integer(f->column));
    }
    const char *function = json_string_value(json_object_get(frame, "function"));
    json_object_set_new(frame, "in_app",
                        json_boolean(report_in_app(package, function ? function : "")));
}

/* Appends the frame to `to`, with those that were inlined there. */
static void append(struct looking *l, json_t *to, json_t *frame, bool is_return)
{
    struct source_line_frame found[SOURCE_LINE_INLINED_MAX];
    struct symbol s = {.name = ""};
    uint64_t address = address_of(frame, "instruction_addr");
    const struct loaded_module *m = module_list_find(l->modules, address - is_return);
    size_t n = 0;
    if (m && l->frames++ < EVENT_FRAMES_MAX) {
        n = source_line_find(l->lines, address, is_return, found, SOURCE_LINE_INLINED_MAX);
        if (n == 0 && !json_object_get(frame, "function") &&
            symbol_among(l->modules, address, is_return, &s)) {
            put(frame, "function", s.name);
        }
    }
    for (size_t i = n; i-- > 1;) { /* the outermost first */
        json_t *outer = json_deep_copy(frame);
        put_found(outer, &found[i], m->path);
        json_array_append_new(to, outer);
    }
    if (n) {
        put_found(frame, &found[0], m->path);
    }
    json_array_append(to, frame);
}

static void stack(struct looking *l, json_t *trace)
{
    json_t *frames = json_object_get(trace, "frames"), *done = json_array();
    size_t n = json_array_size(frames);
    const char *adjusted = json_string_value(json_object_get(trace, "instruction_addr_adjustment"));
    bool all = adjusted && strcmp(adjusted, "all") == 0;
    if (!json_is_array(frames) || !done) {
        json_decref(done);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        json_t *frame = json_array_get(frames, i);
        if (json_is_object(frame)) {
            append(l, done, frame, i + 1 < n || all);
        }
    }
    json_object_set_new(trace, "frames", done);
}

static void stacks(struct looking *l, const json_t *event, const char *key)
{
    const json_t *of = json_object_get(event, key);
    const json_t *values = json_is_array(of) ? of : json_object_get(of, "values");
    for (size_t i = 0; i < json_array_size(values); i++) {
        stack(l, json_object_get(json_array_get(values, i), "stacktrace"));
    }
}

static bool symbolise(json_t *event)
{
    struct module_list *modules = modules_of(event);
    struct looking l = {.modules = modules, .lines = modules ? source_line_new(modules) : NULL};
    if (l.lines) {
        stacks(&l, event, "exception");
        stacks(&l, event, "threads");
        stack(&l, json_object_get(event, "stacktrace"));
    }
    bool good = l.lines != NULL;
    source_line_free(l.lines);
    free(modules);
    return good;
}

static int add_bytes(const char *bytes, size_t n, void *context)
{
    text_add(context, bytes, n);
    return 0;
}

static void add_json(struct text *t, const json_t *v)
{
    json_dump_callback(v, add_bytes, t, JSON_COMPACT);
}

/* One item: the header is parsed, the payload [n] is as it came. */
static bool item(json_t *header, const char *payload, size_t n, struct text *ret)
{
    const char *type = json_string_value(json_object_get(header, "type"));
    json_error_t error;
    json_t *event =
        type && strcmp(type, "event") == 0 ? json_loadb(payload, n, JSON_ALLOW_NUL, &error) : NULL;
    struct text t;
    text_init(&t, 8u << 20);
    bool good = true;
    if (json_is_object(event)) {
        good = symbolise(event);
        add_json(&t, event);
        good = good && !t.cut;
        payload = t.bytes;
        n = t.len;
    }
    if (good) {
        json_object_set_new(header, "length", json_integer((json_int_t)n));
        add_json(ret, header);
        text_add_char(ret, '\n');
        text_add(ret, payload, n);
        text_add_char(ret, '\n');
    }
    json_decref(event);
    text_done(&t);
    return good;
}

/* The end of the line that begins at `at`. */
static size_t line_end(const char *bytes, size_t n, size_t at)
{
    const char *end = memchr(bytes + at, '\n', n - at);
    return end ? (size_t)(end - bytes) : n;
}

bool event_symbolise(const char *bytes, size_t n, struct text *ret, char problem[EVENT_PROBLEM_MAX])
{
    json_error_t error;
    size_t end = line_end(bytes, n, 0);
    json_t *header = json_loadb(bytes, end, 0, &error);
    if (!json_is_object(header)) {
        json_decref(header);
        return refuse(problem, "the input is neither a crash record nor an envelope: its first "
                               "line is no JSON object");
    }
    json_decref(header);
    text_add(ret, bytes, end);
    text_add_char(ret, '\n');
    for (size_t at = end + 1; at < n;) {
        end = line_end(bytes, n, at);
        if (end == at) { /* blank lines may end an envelope */
            at++;
            continue;
        }
        header = json_loadb(bytes + at, end - at, 0, &error);
        if (!json_is_object(header)) {
            json_decref(header);
            return refuse(problem, "an item's header is no JSON object");
        }
        size_t from = end < n ? end + 1 : n;
        const json_t *length = json_object_get(header, "length");
        size_t to = json_is_integer(length) ? from + (size_t)json_integer_value(length)
                                            : line_end(bytes, n, from);
        bool good = to >= from && to <= n && item(header, bytes + from, to - from, ret);
        json_decref(header);
        if (!good || ret->cut) {
            return refuse(problem, "an item is longer than the envelope, or there is no memory");
        }
        at = to + 1;
    }
    return true;
}
