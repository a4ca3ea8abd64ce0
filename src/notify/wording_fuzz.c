#include "notify/wording.h"

#include "base/must.h"
#include "notify/message_testbed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Any template over a message ends in a text of bounded size, or in none. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_of((const char *)data, size);
    static struct arena shared;
    static struct template_set *set;
    struct arena a;
    if (!set) {
        arena_init(&shared);
        set = wording_set_new(&shared);
    }
    arena_init(&a);
    struct message m = message_testbed(&a, 2);
    struct wording *w = wording_new(set, &m, 1700000700000, &a);
    must(wording_text(w, text).n <= WORDING_TEXT_MAX);
    must(wording_html(w, text).n <= WORDING_TEXT_MAX);
    must(wording_plain(w, text).n <= WORDING_TEXT_MAX);
    must(wording_cut(text, 10, &a).n <= 4 * 10 + 3);
    must(wording_cut_bytes(text, 10, &a).n <= 10);
    arena_done(&a);
    return 0;
}
