#include "watch/notice.h"

static const int64_t period_max_us = INT64_C(86400) * 1000000;

/* Microseconds to milliseconds, at least 1 and at most a day; 0 for nonsense. */
static int64_t period(struct str value)
{
    uint64_t us;
    if (!str_u64(value, &us) || us == 0)
        return 0;
    us = MIN(us, (uint64_t)period_max_us);
    return (int64_t)((us + 999) / 1000);
}

static int number(struct str value)
{
    int64_t n;
    return str_i64(value, &n) && n > 0 && n < INT32_MAX ? (int)n : 0;
}

struct notice notice_read(struct str datagram)
{
    struct notice n = {.main_pid = 0};
    struct str line;
    while (str_split(&datagram, '\n', &line)) {
        size_t at = str_find(line, '=');
        struct str key = str_sub(line, 0, at), value = str_sub(line, at + 1, line.n);
        bool one = str_eq(value, STR("1"));
        if (str_eq(key, STR("READY")))
            n.keeper.ready = one;
        else if (str_eq(key, STR("RELOADING")))
            n.keeper.reloading = one;
        else if (str_eq(key, STR("STOPPING")))
            n.keeper.stopping = one;
        else if (str_eq(key, STR("WATCHDOG")) && str_eq(value, STR("trigger")))
            n.keeper.trigger = true;
        else if (str_eq(key, STR("WATCHDOG")))
            n.keeper.beat = n.keeper.beat || one;
        else if (str_eq(key, STR("WATCHDOG_USEC")))
            n.keeper.heartbeat_ms = period(value);
        else if (str_eq(key, STR("EXTEND_TIMEOUT_USEC")))
            n.keeper.extend_ms = period(value);
        else if (str_eq(key, STR("STATUS")))
            n.status = str_sub(value, 0, NOTICE_STATUS_MAX);
        else if (str_eq(key, STR("MAINPID")))
            n.main_pid = number(value);
        else if (str_eq(key, STR("ERRNO")))
            n.errnum = number(value);
    }
    return n;
}
