#include "client/core/problem.h"

#include <stdarg.h>
#include <stdio.h>

#include "client/core/setting.h"

static _Thread_local char last[SETTING_PROBLEM_MAX];

void problem_set(const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    vsnprintf(last, sizeof last, format, ap);
    va_end(ap);
}

const char *problem_get(void)
{
    return last;
}
