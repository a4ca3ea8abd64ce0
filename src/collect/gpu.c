/* Graphics cards: NVIDIA's by the helper that loads their library, AMD's and Intel's by /sys. */
#include "collect/collector.h"

#include "base/mem.h"
#include "collect/gpu_helper.h"
#include "collect/gpu_sysfs.h"

static int open_state(const struct collector_host *host, void **ret, struct why *why)
{
    (void)why;
    if (host->launcher != NULL)
        *ret = gpu_helper_new(host->launcher, host->clock, host->proc);
    return 0;
}

static void close_state(void *state)
{
    gpu_helper_free(state);
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    int err = state == NULL ? -ERR_NOENT : gpu_helper_run(state, e, why);
    size_t cards = gpu_sysfs_run(host->sys, e);
    return err == -ERR_NOENT && cards > 0 ? 0 : err;
}

const struct collector_ops gpu_collector = {NULL, open_state, run, close_state};
