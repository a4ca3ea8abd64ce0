#include "cli/query_chart_axis.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

#include "base/attr.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR };

/* The least of 1, 2, 5, 10 times a power of ten that is not below v. */
static double round_step(double v)
{
    double power = pow(10, floor(log10(v)));
    static const double FACTORS[] = {1, 2, 5};
    for (size_t i = 0; i < COUNTOF(FACTORS); i++)
        if (FACTORS[i] * power >= v * (1 - 1e-9))
            return FACTORS[i] * power;
    return 10 * power;
}

void query_chart_axis_values(double *low, double *high, unsigned marks, double *ret_step)
{
    double span = *high / 2 - *low / 2; /* half of it, which does not overflow */
    if (!(span > 0) || span < fmax(fabs(*low), fabs(*high)) * 1e-12)
        span = *low == 0 ? 0.5 : fabs(*low) / 4;
    double step = round_step(fmax(2 * (span / marks), 1e-300));
    double from = floor(*low / step), to = ceil(*high / step);
    if (from == to) {
        from--;
        to++;
    }
    *low = from * step;
    *high = to * step;
    *ret_step = step;
}

size_t query_chart_axis_si(double v, bool unicode, char out[QUERY_CHART_AXIS_TEXT_MAX])
{
    static const char *const PREFIXES[] = {"p", "n", "\xc2\xb5", "m", "", "k",
                                           "M", "G", "T",        "P", "E"};
    enum { NONE = 4, LAST = 10 };
    double size = fabs(v);
    int at = NONE;
    if (v == 0 || !isfinite(v) || size < 1e-12 || size >= 1e21)
        return (size_t)snprintf(out, QUERY_CHART_AXIS_TEXT_MAX, "%.4g", v == 0 ? 0 : v);
    while (size >= 999.95 && at < LAST) {
        size /= 1000;
        at++;
    }
    while (size < 0.99995 && at > 0) {
        size *= 1000;
        at--;
    }
    const char *prefix = at == 2 && !unicode ? "u" : PREFIXES[at];
    return (size_t)snprintf(out, QUERY_CHART_AXIS_TEXT_MAX, "%.4g%s", copysign(size, v), prefix);
}

int64_t query_chart_axis_time_step(int64_t span_ms, unsigned marks)
{
    static const int64_t STEPS[] = {SECOND,
                                    2 * SECOND,
                                    5 * SECOND,
                                    10 * SECOND,
                                    15 * SECOND,
                                    30 * SECOND,
                                    MINUTE,
                                    2 * MINUTE,
                                    5 * MINUTE,
                                    10 * MINUTE,
                                    15 * MINUTE,
                                    30 * MINUTE,
                                    HOUR,
                                    2 * HOUR,
                                    3 * HOUR,
                                    6 * HOUR,
                                    12 * HOUR,
                                    DAY,
                                    2 * (int64_t)DAY,
                                    7 * (int64_t)DAY,
                                    14 * (int64_t)DAY,
                                    30 * (int64_t)DAY,
                                    90 * (int64_t)DAY,
                                    365 * (int64_t)DAY};
    for (size_t i = 0; i < COUNTOF(STEPS); i++)
        if (span_ms / STEPS[i] < (int64_t)marks)
            return STEPS[i];
    return span_ms / (int64_t)marks + 1;
}

size_t query_chart_axis_time(int64_t ts_ms, int64_t step_ms, int64_t span_ms,
                             char out[QUERY_CHART_AXIS_TEXT_MAX])
{
    time_t seconds = (time_t)(ts_ms / 1000 - (ts_ms % 1000 < 0));
    struct tm tm;
    if (gmtime_r(&seconds, &tm) == NULL)
        return (size_t)snprintf(out, QUERY_CHART_AXIS_TEXT_MAX, "%lld", (long long)seconds);
    if (step_ms >= 365 * (int64_t)DAY)
        return strftime(out, QUERY_CHART_AXIS_TEXT_MAX, "%Y-%m-%d", &tm);
    if (step_ms >= DAY)
        return strftime(out, QUERY_CHART_AXIS_TEXT_MAX, "%m-%d", &tm);
    if (span_ms > DAY)
        return strftime(out, QUERY_CHART_AXIS_TEXT_MAX, "%m-%d %H:%M", &tm);
    if (step_ms >= MINUTE)
        return strftime(out, QUERY_CHART_AXIS_TEXT_MAX, "%H:%M", &tm);
    return strftime(out, QUERY_CHART_AXIS_TEXT_MAX, "%H:%M:%S", &tm);
}
