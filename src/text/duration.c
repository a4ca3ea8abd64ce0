#include "text/duration.h"

#include "text/quote.h"

struct unit {
    const char *name;
    int64_t ms;
};

static const struct unit units[] = {
    {"y", 365LL * 86400000},
    {"w", 7LL * 86400000},
    {"d", 86400000},
    {"h", 3600000},
    {"m", 60000},
    {"s", 1000},
    {"ms", 1},
};

/* The unit at text[*at], or COUNTOF(units). */
static size_t unit_at(struct str text, size_t *at)
{
    size_t from = *at;
    while (*at < text.n && (text.p[*at] < '0' || text.p[*at] > '9'))
        ++*at;
    struct str name = str_sub(text, from, *at);
    for (size_t i = 0; i < COUNTOF(units); i++) {
        if (str_eq(name, str_c(units[i].name)))
            return i;
    }
    return COUNTOF(units);
}

static int not_a_duration(struct str text, struct why *why)
{
    struct buf quoted;
    buf_init(&quoted, 400);
    quote_put(&quoted, text);
    why_set(why, ERR_FORMAT, "not a valid duration string: " STR_FMT, STR_ARG(buf_str(&quoted)));
    buf_done(&quoted);
    return -ERR_FORMAT;
}

int duration_read(struct str text, int64_t *ret_ms, struct why *why)
{
    if (text.n == 0)
        return why_set(why, ERR_FORMAT, "empty duration string");
    if (str_eq(text, STR("0"))) {
        *ret_ms = 0;
        return 0;
    }
    __int128 total = 0;
    size_t last = 0;
    bool any = false;
    for (size_t i = 0; i < text.n;) {
        size_t from = i;
        while (i < text.n && text.p[i] >= '0' && text.p[i] <= '9')
            i++;
        uint64_t v;
        struct str number = str_sub(text, from, i);
        size_t unit = unit_at(text, &i);
        if (number.n == 0 || unit == COUNTOF(units) || (any && unit <= last))
            return not_a_duration(text, why);
        if (!str_u64(number, &v))
            return why_set(why, ERR_RANGE, "duration out of range");
        total += (__int128)v * units[unit].ms;
        last = unit;
        any = true;
        if (total > INT64_MAX / 1000000)
            return why_set(why, ERR_RANGE, "duration out of range");
    }
    *ret_ms = (int64_t)total;
    return 0;
}

void duration_put(struct buf *out, int64_t ms)
{
    if (ms == 0) {
        buf_put_str(out, STR("0s"));
        return;
    }
    uint64_t rest = ms < 0 ? -(uint64_t)ms : (uint64_t)ms;
    if (ms < 0)
        buf_put_c(out, '-');
    for (size_t i = 0; i < COUNTOF(units); i++) {
        uint64_t unit = (uint64_t)units[i].ms;
        /* Years and weeks only where nothing is left of them. */
        if (i < 2 && rest % unit != 0)
            continue;
        if (rest / unit == 0)
            continue;
        buf_put_u64(out, rest / unit);
        buf_put_str(out, str_c(units[i].name));
        rest %= unit;
    }
}
