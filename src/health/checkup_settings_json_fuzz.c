#include "base/must.h"
#include "health/checkup_settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_row(const struct option_table *t, const void *row, struct buf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_object(&w);
    checkup_settings_write(t, row, false, &w);
    json_end_object(&w);
    must(!buf_failed(out));
}

static void read_row(const struct option_table *t, const struct json_tree *tree, struct arena *a)
{
    void *row = arena_new(a, t->size), *again = arena_new(a, t->size);
    struct buf first, second;
    struct why why;
    if (checkup_settings_read(t, tree, NULL, 0, a, row, &why) != 0)
        return;
    if (t == &checkup_settings_options)
        (void)!checkup_settings_check(row, &why);
    else
        (void)!checkup_settings_maintenance_check(row, &why);
    buf_init(&first, 64 << 20);
    buf_init(&second, 64 << 20);
    write_row(t, row, &first);
    must(json_tree_parse(buf_str(&first), a, &tree, NULL) == 0);
    must(checkup_settings_read(t, tree, NULL, 0, a, again, &why) == 0);
    write_row(t, again, &second);
    must(str_eq(buf_str(&first), buf_str(&second)));
    buf_done(&first);
    buf_done(&second);
}

/* A check or a maintenance that is read can be judged, and is written as one that is read as the
 * same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct json_tree *tree;
    struct arena a;
    arena_init(&a);
    if (json_tree_parse(str_of((const char *)data, size), &a, &tree, NULL) == 0) {
        read_row(&checkup_settings_options, tree, &a);
        read_row(&checkup_settings_maintenance_options, tree, &a);
    }
    arena_done(&a);
    return 0;
}
