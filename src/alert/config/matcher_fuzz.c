#include "alert/config/matcher.h"

#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is read is printed and read again as the same; asking it never fails. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    struct matcher_list list = {0}, again = {0};
    struct buf text, second;
    arena_init(&a);
    buf_init(&text, 1 << 20);
    buf_init(&second, 1 << 20);
    if (matcher_parse(str_of((const char *)data, size), &a, &list, NULL) == 0) {
        matcher_list_print(&list, &text);
        (void)matcher_list_holds(&list, STR(""));
        if (!buf_failed(&text) && matcher_parse(buf_str(&text), &a, &again, NULL) == 0) {
            matcher_list_print(&again, &second);
            must(list.n == again.n);
            must(str_eq(buf_str(&text), buf_str(&second)));
        }
    }
    matcher_list_done(&list);
    matcher_list_done(&again);
    buf_done(&text);
    buf_done(&second);
    arena_done(&a);
    return 0;
}
