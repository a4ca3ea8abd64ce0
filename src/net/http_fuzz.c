/* Any bytes as a request: head, target, parameters and chunked body, fed in steps. What is accepted
 * has exactly one Host, at most one length, and no folded line. */
#include <string.h>

#include "base/mem.h"
#include "base/must.h"
#include "net/http_parse.h"
#include "net/http_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static int take(void *context, const char *p, size_t n)
{
    size_t *total = context;
    *total += n;
    return *total > 4096 ? 413 : 0;
}

static void parse_body(struct http_parse *h, const uint8_t *p, size_t n, size_t step)
{
    size_t total = 0;
    for (size_t at = 0; at < n && !h->body_done;) {
        size_t part = MIN(step, n - at), used = 0;
        char *copy = mem_copy(p + at, part);
        int status = http_parse_chunks(h, copy, part, take, &total, &used);
        mem_free(copy);
        must(status == 0 || (status >= 400 && status <= 505));
        if (status)
            return;
        must(used == part || h->body_done);
        at += used;
    }
}

static size_t count(const struct http_parse *h, struct str name)
{
    size_t found = 0;
    for (size_t i = 0; i < h->fields_n; i++)
        found += str_eq(h->fields[i].name, name);
    return found;
}

static void parse_target(struct str target)
{
    struct arena arena;
    struct http_target t;
    arena_init(&arena);
    if (http_target_parse(&arena, target, &t) == 0) {
        struct http_params params = {0};
        must(t.path.n <= target.n && !memchr(t.path.p, 0, t.path.n));
        must(str_search(t.path, STR("/../")) == t.path.n && !str_ends(t.path, STR("/..")));
        (void)http_target_match(&t, STR("/api/(*)/values"));
        (void)http_target_wildcard(&t, STR("/api/(*)/values"), 0);
        if (http_target_params(&arena, t.query, &params) == 0) {
            for (size_t i = 0; i < params.n; i++)
                must(params.v[i].name.n + params.v[i].value.n <= t.query.n);
        }
    }
    arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n < 2)
        return 0;
    size_t step = (size_t)1 + *p++ % 64;
    n--;
    /* The end of the head is found at the same place however the bytes come. */
    struct http_find whole = {0}, parts = {0};
    int64_t length = http_parse_find(&whole, (const char *)p, n), again = 0;
    for (size_t have = MIN(step, n); again == 0; have = MIN(have + step, n)) {
        again = http_parse_find(&parts, (const char *)p, have);
        if (have == n)
            break;
    }
    must(length == again);
    if (length <= 2) {
        parse_target(str_of((const char *)p, n));
        return 0;
    }
    char *head = mem_copy(p, (size_t)length);
    struct http_field fields[HTTP_PARSE_FIELDS_MAX];
    struct http_parse h;
    int status = http_parse_head(&h, head, (size_t)length, fields);
    must(status == 0 || (status >= 400 && status <= 505));
    if (status == 0) {
        must(count(&h, STR("host")) <= 1 && (h.minor == 0 || count(&h, STR("host")) == 1));
        must(count(&h, STR("content-length")) + count(&h, STR("transfer-encoding")) <= 1);
        for (size_t i = 0; i < h.fields_n; i++) {
            must(h.fields[i].name.n > 0);
            must(h.fields[i].value.n == 0 ||
                 !memchr(h.fields[i].value.p, '\n', h.fields[i].value.n));
        }
        parse_target(h.target);
        if (h.chunked)
            parse_body(&h, p + length, n - (size_t)length, step);
    }
    mem_free(head);
    return 0;
}
