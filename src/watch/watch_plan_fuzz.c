#include "watch/watch_plan.h"

#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A table that is read is sound, and is written as one that is read as the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct watch_plan *p, *again;
    struct buf first, second;
    if (watch_plan_read(str_of((const char *)data, size), &p, NULL) != 0)
        return 0;
    buf_init(&first, 2 * WATCH_PLAN_BYTES_MAX);
    buf_init(&second, 2 * WATCH_PLAN_BYTES_MAX);
    must(watch_plan_check(p, NULL) == 0);
    for (size_t i = 0; i < p->n; i++)
        must(watch_plan_program(p, str_c(p->programs[i].name)) == &p->programs[i]);
    watch_plan_write(p, &first);
    must(watch_plan_read(buf_str(&first), &again, NULL) == 0);
    watch_plan_write(again, &second);
    must(!buf_failed(&first) && str_eq(buf_str(&first), buf_str(&second)));
    watch_plan_free(again);
    watch_plan_free(p);
    buf_done(&first);
    buf_done(&second);
    return 0;
}
