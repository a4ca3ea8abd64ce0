#include "base/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"

void *mem_new(size_t size)
{
    void *p = calloc(1, size ? size : 1);
    must(p != NULL);
    return p;
}

void *mem_raw(size_t size)
{
    void *p = malloc(size ? size : 1);
    must(p != NULL);
    return p;
}

void *mem_array(size_t count, size_t size)
{
    must(size == 0 || count <= SIZE_MAX / size);
    return mem_new(count * size);
}

void *mem_aligned(size_t alignment, size_t size)
{
    size_t rounded = (size + alignment - 1) / alignment * alignment;
    void *p = aligned_alloc(alignment, rounded ? rounded : alignment);
    must(p != NULL);
    memset(p, 0, rounded ? rounded : alignment);
    return p;
}

void *mem_resize(void *p, size_t size)
{
    void *q = realloc(p, size ? size : 1);
    must(q != NULL);
    return q;
}

void *mem_copy(const void *p, size_t size)
{
    void *q = mem_raw(size);
    if (size)
        memcpy(q, p, size);
    return q;
}

char *mem_text(const char *p, size_t len)
{
    char *q = mem_raw(len + 1);
    if (len)
        memcpy(q, p, len);
    q[len] = 0;
    return q;
}

void mem_free(void *p)
{
    free(p);
}
