#include "watch/feed/watch_view.h"

#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever sonde-watch answers is refused, or a view whose parts can be asked. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct watch_view v;
    struct arena a;
    struct why why;
    arena_init(&a);
    if (watch_view_read(str_of((const char *)data, size), &a, &v, &why) == 0) {
        enum watch_view_worst worst = WATCH_VIEW_WELL;
        for (size_t i = 0; i < v.n; i++) {
            must(v.v[i].tree != NULL);
            worst = MAX(worst, watch_view_of(&v.v[i]));
        }
        must(watch_view_worst(&v) == worst);
    } else {
        must(why.text[0] != '\0');
    }
    arena_done(&a);
    return 0;
}
