/* Any text as a file of cases: what loads is loaded, what parses is evaluated in every way that the
 * runner knows, and nothing crashes or takes for ever. */
#include <stdlib.h>

#include "query/promql/promqltest.h"

enum { REPORT_MAX = 1 << 20, TEXT_MAX = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct promqltest_result result;
    struct buf report;
    if (n > TEXT_MAX)
        return -1;
    buf_init(&report, REPORT_MAX);
    promqltest_run(str_of((const char *)data, n), &result, &report);
    buf_done(&report);
    return 0;
}
