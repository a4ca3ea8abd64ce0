#include "base/must.h"

#include <stdio.h>
#include <stdlib.h>

void must_fail(const char *file, int line, const char *function, const char *text)
{
    fprintf(stderr, "%s:%d: %s: must hold: %s\n", file, line, function, text);
    abort();
}
