/* client/error/retry.c - tries with growing pauses, followed as one error. */
#include <errno.h>
#include <time.h>

#include "client/core/id.h"
#include "client/error/error.h"

static bool fits(const sonde_retry *retry)
{
    return retry && retry->struct_size >= sizeof *retry;
}

static void pause_for(double ms)
{
    struct timespec left = {.tv_sec = (time_t)(ms / 1000)};
    left.tv_nsec = (long)((ms - (double)left.tv_sec * 1000) * 1e6);
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

bool sonde_retry_next(sonde_retry *retry)
{
    if (!fits(retry)) {
        return false;
    }
    if (retry->attempts_max && retry->attempts >= retry->attempts_max) {
        if (retry->error) {
            (void)sonde_error_end(retry->error, retry->given_up); /* gone where it took too long */
            retry->error = 0;
        }
        return false;
    }
    if (retry->attempts) {
        double ms = retry->pause_ms, most = retry->pause_ms_max;
        for (unsigned i = 1; i < retry->attempts && ms < most; i++) {
            ms *= retry->factor > 1 ? retry->factor : 1;
            if (retry->factor <= 1) {
                break;
            }
        }
        ms = ms > most ? most : ms;
        ms *= 1 + retry->jitter * (2 * id_fraction() - 1);
        pause_for(ms > 0 ? ms : 0);
        sonde_error_scope_retry(retry->error);
    }
    retry->attempts++;
    return true;
}

void sonde_retry_failed(sonde_retry *retry, const char *message)
{
    if (fits(retry) && !retry->error) {
        sonde_error_info info = SONDE_ERROR_INFO_INIT;
        info.level = SONDE_LEVEL_WARNING;
        info.flags = SONDE_ERROR_OPEN;
        info.type = retry->type;
        info.message = message;
        retry->error = error_capture(&info, __builtin_return_address(0), NULL, NULL);
    }
}

void sonde_retry_done(sonde_retry *retry)
{
    if (fits(retry) && retry->error) {
        (void)sonde_error_end(retry->error, SONDE_OUTCOME_RETRIED); /* as above */
        retry->error = 0;
    }
}
