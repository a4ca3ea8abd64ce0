/* Any bytes as a pushed body in each format, as a path, and as the file of kept groups. */
#include "base/mem.h"
#include "base/must.h"
#include "receive/pushgateway.h"
#include "receive/pushgateway_body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void push(struct pushgateway_groups *g, struct str body, enum pushgateway_format format,
                 const struct pushgateway_grouping *grouping)
{
    struct pushgateway_family **families;
    struct why why = {0};
    size_t n;
    if (pushgateway_body_read(body, format, grouping, &families, &n, &why) != 0) {
        must(why.text[0] != '\0');
        return;
    }
    if (pushgateway_groups_push(g, grouping, format == PUSHGATEWAY_TEXT, families, n, 1, -1, &why))
        must(why.text[0] != '\0');
    mem_free(families);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_of((const char *)data, size);
    struct pushgateway_groups *g = pushgateway_groups_new(10, 1 << 20);
    struct pushgateway_groups *kept = pushgateway_groups_new(10, 1 << 20);
    struct pushgateway_grouping grouping = {.tenant = STR("t")};
    struct arena a;
    struct buf saved, path;
    arena_init(&a);
    buf_init(&saved, 1 << 26);
    buf_init(&path, 1 << 26);
    buf_put_str(&path, STR("/metrics/"));
    buf_put_str(&path, str_sub(text, 0, str_find(text, '\n')));
    if (pushgateway_grouping_of(buf_str(&path), &a, &grouping, NULL) != 0)
        must(pushgateway_grouping_of(STR("/metrics/job/j"), &a, &grouping, NULL) == 0);
    for (int format = PUSHGATEWAY_TEXT; format <= PUSHGATEWAY_PROTOBUF; format++)
        push(g, text, (enum pushgateway_format)format, &grouping);
    /* What is saved can be loaded, and any other bytes do no harm. */
    pushgateway_groups_save(g, &saved);
    must(pushgateway_groups_load(kept, buf_str(&saved), NULL) == 0);
    must(pushgateway_groups_n(kept) == pushgateway_groups_n(g));
    pushgateway_groups_free(kept);
    kept = pushgateway_groups_new(10, 1 << 20);
    must(pushgateway_groups_load(kept, text, NULL) == 0 || pushgateway_groups_n(kept) == 0);
    pushgateway_list(g, &saved);
    pushgateway_groups_delete(g, &grouping);
    must(pushgateway_groups_n(g) == 0);
    pushgateway_groups_free(g);
    pushgateway_groups_free(kept);
    buf_done(&saved);
    buf_done(&path);
    arena_done(&a);
    return 0;
}
