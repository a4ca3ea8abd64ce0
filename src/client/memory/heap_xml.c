#include <string.h>

#include "client/memory/heap.h"

enum { WORD = 24, ATTRIBUTES = 8 };

/* One tag of the document. */
struct tag {
    char name[WORD];
    bool closes, empty; /* </x>, <x/> */
    size_t n;
    struct {
        char name[WORD], value[WORD];
    } attribute[ATTRIBUTES];
};

struct reader {
    const char *at, *end;
};

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static void skip_space(struct reader *r)
{
    while (r->at < r->end && is_space(*r->at)) {
        r->at++;
    }
}

static bool take(struct reader *r, char c)
{
    if (r->at < r->end && *r->at == c) {
        r->at++;
        return true;
    }
    return false;
}

static bool read_name(struct reader *r, char ret[WORD])
{
    size_t n = 0;
    while (r->at < r->end && is_name(*r->at)) {
        if (n == WORD - 1) {
            return false;
        }
        ret[n++] = *r->at++;
    }
    ret[n] = 0;
    return n > 0;
}

static bool read_value(struct reader *r, char ret[WORD])
{
    size_t n = 0;
    if (!take(r, '=') || !take(r, '"')) {
        return false;
    }
    while (r->at < r->end && *r->at != '"') {
        if (n == WORD - 1) {
            return false;
        }
        ret[n++] = *r->at++;
    }
    ret[n] = 0;
    return take(r, '"');
}

/* 1: a tag; 0: the end; -1: something else. */
static int read_tag(struct reader *r, struct tag *t)
{
    memset(t, 0, sizeof *t);
    skip_space(r);
    if (r->at == r->end) {
        return 0;
    }
    if (!take(r, '<')) {
        return -1;
    }
    t->closes = take(r, '/');
    if (!read_name(r, t->name)) {
        return -1;
    }
    for (;;) {
        skip_space(r);
        if (take(r, '>')) {
            return 1;
        }
        if (take(r, '/')) {
            t->empty = true;
            return take(r, '>') && !t->closes ? 1 : -1;
        }
        if (t->closes || t->n == ATTRIBUTES || !read_name(r, t->attribute[t->n].name) ||
            !read_value(r, t->attribute[t->n].value)) {
            return -1;
        }
        t->n++;
    }
}

static const char *attribute(const struct tag *t, const char *name)
{
    for (size_t i = 0; i < t->n; i++) {
        if (strcmp(t->attribute[i].name, name) == 0) {
            return t->attribute[i].value;
        }
    }
    return "";
}

/* Its attributes but `type`: numbers as such, anything else as text. */
static void write_attributes(const struct tag *t, struct jot *j)
{
    for (size_t i = 0; i < t->n; i++) {
        const char *v = t->attribute[i].value;
        size_t n = strlen(v);
        if (strcmp(t->attribute[i].name, "type") == 0) {
            continue;
        }
        if (n && n < 20 && strspn(v, "0123456789") == n) {
            uint64_t number = 0;
            for (const char *p = v; *p; p++) {
                number = number * 10 + (uint64_t)(*p - '0');
            }
            jot_u64(j, t->attribute[i].name, number);
        } else {
            jot_string(j, t->attribute[i].name, v);
        }
    }
}

/* <total type="fast" count="1" size="2"/> as "total_fast":{"count":1,"size":2}. */
static void write_figure(const struct tag *t, struct jot *j)
{
    char key[2 * WORD];
    const char *type = attribute(t, "type");
    size_t n = strlen(t->name), k = strlen(type);
    memcpy(key, t->name, n);
    if (k) {
        key[n++] = '_';
        memcpy(key + n, type, k);
    }
    key[n + k] = 0;
    jot_object(j, key);
    write_attributes(t, j);
    jot_end(j);
}

/* What is open: the document, the list of heaps, one of them, its list of sizes. */
enum place { PLACE_OUTSIDE, PLACE_TOP, PLACE_HEAPS, PLACE_HEAP, PLACE_SIZES, PLACE_AFTER };

/* <size> and <unsorted> of one heap; the latter is kept until the list is closed. */
static enum place in_sizes(const struct tag *t, struct tag *unsorted, struct jot *j)
{
    if (t->closes) {
        jot_end(j);
        if (*unsorted->name) {
            write_figure(unsorted, j);
            *unsorted->name = 0;
        }
        return PLACE_HEAP;
    }
    if (strcmp(t->name, "size") == 0) {
        jot_object(j, NULL);
        write_attributes(t, j);
        jot_end(j);
    } else if (strcmp(t->name, "unsorted") == 0) {
        *unsorted = *t;
    }
    return PLACE_SIZES;
}

static enum place in_heap(const struct tag *t, struct jot *j)
{
    if (t->closes) {
        jot_end(j);
        return PLACE_HEAPS;
    }
    if (strcmp(t->name, "sizes") == 0 && !t->empty) {
        jot_array(j, "sizes");
        return PLACE_SIZES;
    }
    if (strcmp(t->name, "sizes") != 0) {
        write_figure(t, j);
    }
    return PLACE_HEAP;
}

/* Between the heaps, and behind the last of them. */
static enum place in_top(enum place place, const struct tag *t, struct jot *j)
{
    bool heap = strcmp(t->name, "heap") == 0 && !t->closes && !t->empty;
    if (heap && place == PLACE_TOP) {
        jot_array(j, "heaps");
        place = PLACE_HEAPS;
    }
    if (heap && place == PLACE_HEAPS) {
        jot_object(j, NULL);
        write_attributes(t, j);
        return PLACE_HEAP;
    }
    if (place == PLACE_HEAPS) {
        jot_end(j);
        place = PLACE_AFTER;
    }
    if (t->closes) {
        return PLACE_OUTSIDE;
    }
    write_figure(t, j);
    return place == PLACE_TOP ? PLACE_TOP : PLACE_AFTER;
}

/* Closes what a document that ends early has left open. */
static void close_all(enum place place, struct jot *j)
{
    static const int open[] = {
        [PLACE_HEAPS] = 1, [PLACE_HEAP] = 2, [PLACE_SIZES] = 3, [PLACE_AFTER] = 0};
    for (int i = open[place]; i > 0; i--) {
        jot_end(j);
    }
}

bool heap_xml_json(const char *xml, size_t n, struct jot *j)
{
    struct reader r = {xml, xml + n};
    struct tag t, unsorted = {.name = ""};
    enum place place = PLACE_OUTSIDE;
    int got = read_tag(&r, &t);
    if (got != 1 || strcmp(t.name, "malloc") != 0 || t.closes || t.empty) {
        return false;
    }
    write_attributes(&t, j);
    place = PLACE_TOP;
    while (place != PLACE_OUTSIDE && (got = read_tag(&r, &t)) == 1) {
        if (place == PLACE_SIZES) {
            place = in_sizes(&t, &unsorted, j);
        } else if (place == PLACE_HEAP) {
            place = in_heap(&t, j);
        } else {
            place = in_top(place, &t, j);
        }
    }
    close_all(place, j);
    return place == PLACE_OUTSIDE;
}
