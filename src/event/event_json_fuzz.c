#include "base/must.h"
#include "event/event_json.h"
#include "text/json_tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void shown_as_json(const struct event *v, bool annotation, struct arena *a)
{
    const struct json_tree *tree;
    struct buf out;
    buf_init(&out, 16 << 20);
    if (annotation)
        event_json_put_annotation(v, &out);
    else
        event_json_put(v, &out);
    must(!buf_failed(&out) && json_tree_parse(buf_str(&out), a, &tree, NULL) == 0);
    buf_done(&out);
}

/* What is read, of ours or of Grafana's, is shown in both forms, and they are JSON. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct event LIKE = {.kind = {"note", 4}, .source = {"api", 3}};
    struct str body = str_of((const char *)data, size);
    struct event *v, one = {0};
    struct arena a;
    size_t n;
    arena_init(&a);
    if (event_json_read(body, &LIKE, &a, &v, &n, NULL) == 0) {
        must(n >= 1 && n <= EVENT_JSON_EVENTS_MAX);
        for (size_t i = 0; i < n; i++) {
            must(v[i].labels.n <= EVENT_LABELS_MAX);
            shown_as_json(&v[i], false, &a);
            shown_as_json(&v[i], true, &a);
        }
    }
    if (event_json_read_annotation(body, &a, &one, NULL) == 0) {
        shown_as_json(&one, false, &a);
        shown_as_json(&one, true, &a);
    }
    arena_done(&a);
    return 0;
}
