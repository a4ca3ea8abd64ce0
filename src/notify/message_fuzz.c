#include "base/must.h"
#include "notify/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* What is read as a message comes back as the same message once it is written. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena a;
    struct message m, again;
    struct buf first, second;
    struct why why;
    arena_init(&a);
    buf_init(&first, 64 << 20);
    buf_init(&second, 64 << 20);
    if (message_decode(str_of((const char *)data, n), &a, &m, &why) == 0) {
        message_encode(&m, &first);
        must(message_decode(buf_str(&first), &a, &again, &why) == 0);
        message_encode(&again, &second);
        must(str_eq(buf_str(&first), buf_str(&second)));
    }
    buf_done(&first);
    buf_done(&second);
    arena_done(&a);
    return 0;
}
