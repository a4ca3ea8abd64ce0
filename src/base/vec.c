#include "base/vec.h"

#include <stdint.h>

#include "base/must.h"

void *vec_grow(void *p, size_t size, size_t wanted, size_t *capacity)
{
    if (wanted <= *capacity)
        return p;

    size_t n = MAX(wanted, MAX(*capacity * 2, (size_t)8));
    must(n <= SIZE_MAX / size);
    *capacity = n;
    return mem_resize(p, n * size);
}
