/* Any bytes as a segment of the log: the reader ends, and gives only what has a sound checksum. */
#include <stddef.h>
#include <stdint.h>

#include "base/must.h"
#include "store/disk/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static int touch(void *context, const struct log_record *r)
{
    uint64_t *sum = context;
    must(r->lane < LOG_LANES_MAX);
    for (size_t i = 0; i < r->n; i++)
        *sum += r->p[i];
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    uint64_t sum = 0;
    struct log_replay replay = {.record = touch, .context = &sum};
    struct log_replay_result result;
    int err = log_replay_bytes(p, n, 1, &replay, &result);
    must(err == 0 || err == -ERR_KEY || err == -ERR_FORMAT);
    return 0;
}
