#include "health/probe/prober_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Any bytes in any pieces: an answer, more of it, or an error; never a body past its cap. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct prober_reply r;
    struct why why;
    size_t step = data[0] ? data[0] : 256;
    int whole = 0;
    prober_reply_init(&r);
    for (size_t i = 1; i < size && whole == 0; i += step)
        whole = prober_reply_feed(
            &r, str_of((const char *)data + i, size - i < step ? size - i : step), &why);
    if (whole == 0 && prober_reply_closed(&r, &why) == 0 && r.status == 0)
        __builtin_trap();
    if (buf_failed(&r.body))
        __builtin_trap();
    prober_reply_done(&r);
    return 0;
}
