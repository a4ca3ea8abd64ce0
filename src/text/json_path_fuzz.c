/* Any expression on any JSON text: read, followed, and read beside each match. */
#include "base/arena.h"
#include "base/must.h"
#include "text/json_path.h"

enum { MATCHES_MAX = 1000 };

struct seen {
    const struct json_path *path;
    size_t n;
};

static bool look(void *context, const struct json_path_match *m)
{
    struct seen *seen = context;
    struct json_path_match beside;
    struct buf b;
    double v;
    buf_init(&b, 1 << 16);
    bool text = json_path_text(m, &b);
    bool number = json_path_number(m, &v);
    must(text || !number); /* what is a number has a text */
    must(!json_path_is_null(m) || !text);
    must(json_path_beside(seen->path, m, &beside)); /* itself */
    buf_done(&b);
    return ++seen->n < MATCHES_MAX;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct str all = str_of((const char *)data, n);
    size_t end = str_find(all, '\n');
    struct json_path *path;
    const struct json_tree *root;
    struct arena a;
    struct why why;
    if (json_path_new(str_sub(all, 0, end), &path, &why) != 0)
        return 0;
    arena_init(&a);
    if (json_tree_parse(str_sub(all, end + 1, n), &a, &root, &why) == 0) {
        struct seen seen = {path, 0};
        size_t found = json_path_each(path, root, look, &seen);
        must(found == seen.n && (found <= 1 || json_path_is_many(path)));
    }
    arena_done(&a);
    json_path_free(path);
    return 0;
}
