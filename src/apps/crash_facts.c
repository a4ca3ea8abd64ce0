#include "apps/crash_facts.h"

#include <string.h>

#include "client/wire/crash_record.h"

/* A text of a record, into ret [HELLO_NAME_MAX + 1]. */
static void copy(const char *field, size_t n, char *ret)
{
    struct str text = {field, strnlen(field, MIN(n, (size_t)HELLO_NAME_MAX))};
    ret[0] = '\0';
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] < ' ' || text.p[i] == 127)
            return;
    if (!str_utf8(text))
        return;
    memcpy(ret, text.p, text.n);
    ret[text.n] = '\0';
}

int crash_facts_read(struct str bytes, struct crash_facts *ret, struct why *why)
{
    struct crash_record r;
    if (bytes.n < sizeof r)
        return why_set(why, ERR_FORMAT, "a crash record is longer than this");
    memcpy(&r, bytes.p, sizeof r); /* it may lie anywhere */
    if (memcmp(r.magic, CRASH_MAGIC, sizeof r.magic) != 0 || r.size > bytes.n)
        return why_set(why, ERR_FORMAT, "this is no crash record");
    if (r.version != CRASH_VERSION || r.order != CRASH_ORDER)
        return why_set(why, ERR_FORMAT, "a crash record of another version or machine");
    *ret = (struct crash_facts){.hello = {.pid = MAX(r.pid, 0)},
                                .signal = r.signal > 0 && r.signal < 128 ? r.signal : 0,
                                .time_ms = MAX(r.unix_ns, 0) / 1000000};
    copy(r.service, sizeof r.service, ret->hello.service);
    copy(r.instance, sizeof r.instance, ret->hello.instance);
    copy(r.release, sizeof r.release, ret->hello.release);
    copy(r.environment, sizeof r.environment, ret->hello.environment);
    return 0;
}
