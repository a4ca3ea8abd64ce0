#include "health/checkup_answers.h"

#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(struct str s, int kind, size_t step)
{
    struct checkup_result r = {.state = HEALTH_UNKNOWN};
    struct why why;
    struct buf send;
    size_t at = 0;
    int judged = 0;
    buf_init(&send, 64 * 1024);
    for (size_t n = 0; n <= s.n && judged == 0; n += step) {
        struct str received = str_sub(s, 0, n);
        buf_clear(&send);
        judged = kind == 0   ? checkup_answers_postgresql(received, true, &r, &why)
                 : kind == 1 ? checkup_answers_mysql(received, "sonde", &at, &send, &r, &why)
                             : checkup_answers_redis(received, true, &r, &why);
        if (judged > 1 || at > n || buf_failed(&send))
            __builtin_trap();
    }
    buf_done(&send);
    mem_free(r.figures);
}

/* Any bytes that a server may send, as they come: judged, more, or an error. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct checkup_result r = {.state = HEALTH_UNKNOWN};
    if (size < 2)
        return 0;
    struct str s = {(const char *)data + 1, size - 1};
    for (int kind = 0; kind < 3; kind++)
        ask(s, kind, (size_t)data[0] + 1);
    checkup_answers_grpc(s, &r);
    if (r.message[0] == '\0')
        __builtin_trap();
    return 0;
}
