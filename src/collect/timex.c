/* How the kernel's clock is kept in step: adjtimex(2). */
#include "collect/collector.h"

#include <errno.h>
#include <string.h>
#include <sys/timex.h>

#define GAUGE(name, help)                                                                          \
    {                                                                                              \
        "node_timex_" name, METRIC_GAUGE, help,                                                    \
        {                                                                                          \
            NULL                                                                                   \
        }                                                                                          \
    }
#define COUNTER(name, help)                                                                        \
    {                                                                                              \
        "node_timex_" name, METRIC_COUNTER, help,                                                  \
        {                                                                                          \
            NULL                                                                                   \
        }                                                                                          \
    }

enum {
    OFFSET,
    FREQUENCY,
    MAXERROR,
    ESTERROR,
    STATUS,
    CONSTANT,
    TICK,
    PPS_FREQUENCY,
    PPS_JITTER,
    PPS_SHIFT,
    PPS_STABILITY,
    PPS_JITTERS,
    PPS_CALIBRATIONS,
    PPS_ERRORS,
    PPS_UNSTABLE,
    TAI,
    SYNC,
    VALUES_N
};

static const struct family FAMILIES[VALUES_N] = {
    [OFFSET] = GAUGE("offset_seconds", "Offset of the clock that is being removed."),
    [FREQUENCY] = GAUGE("frequency_adjustment_ratio", "How fast the clock is made to run."),
    [MAXERROR] = GAUGE("maxerror_seconds", "The largest error that is possible."),
    [ESTERROR] = GAUGE("estimated_error_seconds", "The error that is expected."),
    [STATUS] = GAUGE("status", "The status bits of adjtimex."),
    [CONSTANT] = GAUGE("loop_time_constant", "Time constant of the phase-locked loop."),
    [TICK] = GAUGE("tick_seconds", "Time between clock ticks."),
    [PPS_FREQUENCY] = GAUGE("pps_frequency_hertz", "Frequency of the pulse per second."),
    [PPS_JITTER] = GAUGE("pps_jitter_seconds", "Jitter of the pulse per second."),
    [PPS_SHIFT] = GAUGE("pps_shift_seconds", "Length of the calibration interval."),
    [PPS_STABILITY] = GAUGE("pps_stability_hertz", "Stability of the pulse per second."),
    [PPS_JITTERS] = COUNTER("pps_jitter_total", "Times that the jitter was too large."),
    [PPS_CALIBRATIONS] = COUNTER("pps_calibration_total", "Calibration intervals."),
    [PPS_ERRORS] = COUNTER("pps_error_total", "Calibration errors."),
    [PPS_UNSTABLE] = COUNTER("pps_stability_exceeded_total", "Times that stability was lost."),
    [TAI] = GAUGE("tai_offset_seconds", "Offset of international atomic time."),
    [SYNC] = GAUGE("sync_status", "Is the clock in step with a server? 1 or 0."),
};

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)state;
    (void)host;
    struct timex t = {0};
    int sync = adjtimex(&t);
    if (sync < 0)
        return why_set(why, (enum err)err_of_errno(errno), "adjtimex: %s", strerror(errno));
    double unit = t.status & STA_NANO ? 1e9 : 1e6, ppm = 1e6 * 65536;
    const double values[VALUES_N] = {
        [OFFSET] = (double)t.offset / unit,
        [FREQUENCY] = 1 + (double)t.freq / ppm,
        [MAXERROR] = (double)t.maxerror / 1e6,
        [ESTERROR] = (double)t.esterror / 1e6,
        [STATUS] = t.status,
        [CONSTANT] = (double)t.constant,
        [TICK] = (double)t.tick / 1e6,
        [PPS_FREQUENCY] = (double)t.ppsfreq / ppm,
        [PPS_JITTER] = (double)t.jitter / unit,
        [PPS_SHIFT] = t.shift,
        [PPS_STABILITY] = (double)t.stabil / ppm,
        [PPS_JITTERS] = (double)t.jitcnt,
        [PPS_CALIBRATIONS] = (double)t.calcnt,
        [PPS_ERRORS] = (double)t.errcnt,
        [PPS_UNSTABLE] = (double)t.stbcnt,
        [TAI] = t.tai,
        [SYNC] = sync != TIME_ERROR,
    };
    for (size_t i = 0; i < VALUES_N; i++)
        emit_plain(e, &FAMILIES[i], values[i]);
    return 0;
}

const struct collector_ops timex_collector = {.open = NULL, .run = run, .close = NULL};
