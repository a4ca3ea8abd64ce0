/* Bytes of any kind are read as an envelope, or refused with a sentence; what is listed of one is
 * JSON. */
#include "apps/envelope.h"
#include "apps/error_list.h"
#include "base/must.h"
#include "text/json_tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena a;
    struct envelope e = {0};
    struct why why = {0};
    const struct json_tree *t;
    struct buf out;
    arena_init(&a);
    buf_init(&out, 1 << 20);
    if (envelope_read(str_of((const char *)data, n), &a, &e, &why) == 0) {
        const struct signal s = {.service = STR("s"), .instance = STR("i"), .time_ms = 1};
        struct error_list *l = error_list_new();
        must(e.frames_n <= ENVELOPE_FRAMES_MAX && e.title.n <= ENVELOPE_TEXT_MAX);
        error_list_add(l, &s, &e);
        must(e.event_id.n == 0 || error_list_knows(l, e.event_id));
        error_list_recent(l, 10, STR(""), &out);
        must(json_tree_parse(buf_str(&out), &a, &t, &why) == 0);
        error_list_free(l);
    } else {
        must(why.text[0] != '\0');
    }
    buf_done(&out);
    arena_done(&a);
    return 0;
}
