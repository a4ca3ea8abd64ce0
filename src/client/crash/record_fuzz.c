#include "client/crash/record.h"

#include <stdlib.h>
#include <string.h>

#include "client/crash/report.h"

/* The bytes as a record, as they are, and with a head that holds so that the rest is reached. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    size_t size = n < sizeof(struct crash_record) ? sizeof(struct crash_record) : n;
    struct crash_record *r = calloc(1, size);
    if (!r || n > CRASH_RECORD_MAX) {
        free(r);
        return 0;
    }
    memcpy(r, data, n);
    struct record_parts parts;
    char problem[RECORD_PROBLEM_MAX];
    struct text t;
    text_init(&t, REPORT_BYTES_MAX);
    (void)record_check(r, n, &parts, problem);
    record_init(r);
    r->size = (uint32_t)size;
    r->registers_n %= CRASH_REGISTERS_MAX + 1;
    r->frames_n %= CRASH_FRAMES_MAX + 1;
    record_seal(r);
    if (record_check(r, size, &parts, problem)) {
        (void)report_write(r, &parts, NULL, &t);
        text_clear(&t);
        (void)report_write_abnormal(r, n % 2, &t);
    }
    text_done(&t);
    free(r);
    return 0;
}
