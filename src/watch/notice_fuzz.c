#include "watch/notice.h"

#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever a program sends, what is taken of it is in its bounds. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int64_t day_ms = 86400000;
    const char *p = (const char *)data;
    struct notice n = notice_read(str_of(p, size));
    must(n.main_pid >= 0 && n.errnum >= 0);
    must(n.keeper.heartbeat_ms >= 0 && n.keeper.heartbeat_ms <= day_ms);
    must(n.keeper.extend_ms >= 0 && n.keeper.extend_ms <= day_ms);
    must(n.status.n <= NOTICE_STATUS_MAX);
    must(n.status.n == 0 || (n.status.p >= p && n.status.p + n.status.n <= p + size));
    return 0;
}
