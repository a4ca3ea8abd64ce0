/* Any bytes as a pickle: what comes out can be walked. */
#include "base/must.h"
#include "codec/pickle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t walk(const struct pickle_value *v, int depth)
{
    size_t n = 1;
    must(v->type <= PICKLE_LIST);
    for (size_t i = 0; i < v->text.n; i++)
        n += v->text.p[i] == 'x';
    if (v->type == PICKLE_LIST && depth > 0)
        for (size_t i = 0; i < v->list->n && n < 100000; i++)
            n += walk(&v->list->v[i], depth - 1);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    struct pickle_value v;
    struct why why = {0};
    arena_init(&a);
    if (pickle_read(str_of((const char *)data, size), &a, &v, &why) == 0)
        must(walk(&v, 3) > 0);
    else
        must(why.text[0] != '\0');
    arena_done(&a);
    return 0;
}
