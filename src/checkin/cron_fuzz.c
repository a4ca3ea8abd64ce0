#include "checkin/cron.h"

#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The bits of what is taken are those of its fields, and the next times rise by whole minutes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cron c;
    int64_t at_ms = 1700000000000;
    if (cron_parse(str_of((const char *)data, size), &c, NULL) != 0)
        return 0;
    must(c.minutes && c.minutes >> 60 == 0 && c.hours && c.hours >> 24 == 0);
    must(c.days && c.days >> 32 == 0 && !(c.days & 1) && c.months && c.months >> 13 == 0);
    must(!(c.months & 1) && c.weekdays && c.weekdays >> 8 == 0);
    for (int i = 0; i < 2; i++) {
        int64_t next_ms = cron_next(&c, NULL, at_ms);
        must(next_ms == 0 || (next_ms > at_ms && next_ms % 60000 == 0));
        if (next_ms == 0)
            break;
        must(c.minutes >> (next_ms / 60000 % 60) & 1);
        must(c.hours >> (next_ms / 3600000 % 24) & 1);
        at_ms = next_ms;
    }
    return 0;
}
