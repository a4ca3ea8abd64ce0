#include "text/byte_size.h"

#include <string.h>

#include "text/number.h"

static const char UNITS[] = "KMGTPE"; /* 1024, 1024^2, ... */

/* B, KB, KiB, MB, ... as a factor; 0 for anything else. */
static double unit_of(struct str name)
{
    if (str_eq(name, STR("B")))
        return 1;
    if (name.n < 2 || name.n > 3 || name.p[name.n - 1] != 'B' || (name.n == 3 && name.p[1] != 'i'))
        return 0;
    const char *at = name.p[0] ? strchr(UNITS, name.p[0]) : NULL;
    return at ? (double)(1ULL << (10 * (at - UNITS + 1))) : 0;
}

static size_t span(struct str s, size_t at, bool digits)
{
    while (at < s.n && ((s.p[at] >= '0' && s.p[at] <= '9') || s.p[at] == '.') == digits)
        at++;
    return at;
}

int byte_size_read(struct str text, int64_t *ret, struct why *why)
{
    bool negative = text.n > 0 && text.p[0] == '-';
    struct str rest = str_sub(text, text.n > 0 && (negative || text.p[0] == '+'), text.n);
    double sum = 0;
    if (str_eq(rest, STR("0"))) {
        *ret = 0;
        return 0;
    }
    if (rest.n == 0)
        return why_set(why, ERR_FORMAT, "units: invalid " STR_FMT, STR_ARG(text));
    for (size_t at = 0; at < rest.n;) {
        size_t unit_at = span(rest, at, true), end = span(rest, unit_at, false);
        struct str unit = str_sub(rest, unit_at, end);
        double v;
        if (number_parse(str_sub(rest, at, unit_at), &v) != 0)
            return why_set(why, ERR_FORMAT, "units: invalid " STR_FMT, STR_ARG(text));
        if (unit.n == 0)
            return why_set(why, ERR_FORMAT, "units: missing unit in " STR_FMT, STR_ARG(text));
        double factor = unit_of(unit);
        if (factor == 0)
            return why_set(why, ERR_FORMAT, "units: unknown unit " STR_FMT " in " STR_FMT,
                           STR_ARG(unit), STR_ARG(text));
        sum += v * factor;
        at = end;
    }
    if (sum >= 0x1p63)
        return why_set(why, ERR_RANGE, "units: " STR_FMT " is too large", STR_ARG(text));
    *ret = negative ? -(int64_t)sum : (int64_t)sum;
    return 0;
}

void byte_size_put(struct buf *out, uint64_t bytes)
{
    if (bytes == 0)
        buf_put_str(out, STR("0B"));
    for (size_t i = sizeof UNITS - 1; i-- > 0;) {
        unsigned shift = 10 * (unsigned)(i + 1);
        if (bytes >> shift == 0)
            continue;
        buf_put_u64(out, bytes >> shift);
        buf_printf(out, "%ciB", UNITS[i]);
        bytes &= (1ULL << shift) - 1;
    }
    if (bytes > 0) {
        buf_put_u64(out, bytes);
        buf_put_c(out, 'B');
    }
}
