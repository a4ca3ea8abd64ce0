#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"

enum { LINE_MAX_BYTES = 2048 };

static const char *const NAMES[] = {"debug", "info", "warn", "error"};
static _Atomic int lowest = LOG_INFO;

void log_set_level(enum log_level level)
{
    atomic_store(&lowest, (int)level);
}

int log_level_of(const char *name)
{
    for (size_t i = 0; i < COUNTOF(NAMES); i++)
        if (strcmp(NAMES[i], name) == 0)
            return (int)i;
    return -ERR_NOENT;
}

/* Replaces control characters by '?', in place. */
static void defuse(char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            text[i] = '?';
}

void log_line(enum log_level level, const char *module, const char *format, ...)
{
    if ((int)level < atomic_load_explicit(&lowest, memory_order_relaxed))
        return;

    char line[LINE_MAX_BYTES];
    int64_t now = clock_wall_ms(&clock_real);
    time_t seconds = now / 1000;
    struct tm utc;
    gmtime_r(&seconds, &utc);
    size_t n = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &utc);
    n += (size_t)snprintf(line + n, sizeof line - n, ".%03dZ %s %s: ", (int)(now % 1000),
                          NAMES[level], module);

    va_list args;
    va_start(args, format);
    int len = vsnprintf(line + n, sizeof line - n - 1, format, args);
    va_end(args);
    size_t end = MIN(n + (size_t)MAX(len, 0), sizeof line - 2);
    defuse(line, end);
    line[end] = '\n';
    /* There is nobody to tell that standard error cannot be written. */
    ssize_t written UNUSED = write(STDERR_FILENO, line, end + 1);
}
