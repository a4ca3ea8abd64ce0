#include "os/huge.h"

#include <sys/mman.h>

#include "base/mem.h"
#include "base/must.h"

enum { HUGE_BYTES = 2 << 20 };

void *huge_new(size_t bytes)
{
    if (bytes < HUGE_BYTES)
        return mem_aligned(64, bytes);
    /* One more huge page, so that an aligned run lies inside; what is before and behind goes. */
    size_t room = (bytes + HUGE_BYTES - 1) / HUGE_BYTES * HUGE_BYTES;
    char *p =
        mmap(NULL, room + HUGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(p != MAP_FAILED);
    size_t before = (HUGE_BYTES - (size_t)p % HUGE_BYTES) % HUGE_BYTES;
    if (before)
        must(munmap(p, before) == 0);
    if (HUGE_BYTES - before)
        must(munmap(p + before + room, HUGE_BYTES - before) == 0);
    (void)madvise(p + before, room, MADV_HUGEPAGE); /* a wish */
    return p + before;
}

void huge_free(void *p, size_t bytes)
{
    if (!p)
        return;
    if (bytes < HUGE_BYTES) {
        mem_free(p);
        return;
    }
    must(munmap(p, (bytes + HUGE_BYTES - 1) / HUGE_BYTES * HUGE_BYTES) == 0);
}
