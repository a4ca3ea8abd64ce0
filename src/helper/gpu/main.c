/* sonde-helper-gpu INTERVAL_MS NVML_LIBRARY: what needs a vendor's library or rights of its own to
 * know about graphics cards, as lines on standard output, a block each interval, until nobody reads
 * it. It ends with status 3 where there is nothing to tell.
 *
 * A line is FIELD, CARD and what belongs to the field, separated by tabs:
 *
 *   info       CARD  NAME  UUID  PCI_ADDRESS  DRIVER_VERSION
 *   session    CARD  ID  PID  CODEC  WIDTHxHEIGHT  FRAMES_A_SECOND  LATENCY_SECONDS
 *   process    CARD  PID  compute|graphics  BYTES
 *   (others)   CARD  ARGUMENT  VALUE
 *
 * and a block ends with the line "end".
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "helper/gpu/nvml.h"
#include "helper/gpu/pmu.h"

enum { BLOCK_MAX = 1 << 20, NOTHING = 3 };

static bool print(struct buf *block)
{
    buf_put_str(block, STR("end\n"));
    bool fine = !buf_failed(block) && fwrite(block->p, 1, block->n, stdout) == block->n &&
                fflush(stdout) == 0;
    buf_clear(block);
    return fine;
}

/* Sleeps until the next multiple of the interval. */
static void pause_until_due(int64_t interval_ms)
{
    int64_t now_ms = clock_wall_ms(&clock_real);
    usleep((useconds_t)(interval_ms - now_ms % interval_ms) * 1000);
}

int main(int argc, char **argv)
{
    struct nvml *nvml = NULL;
    struct why why = {0};
    struct buf block;
    int64_t interval_ms = 0;
    if (argc != 3 || !str_i64(str_c(argv[1]), &interval_ms) || interval_ms < 100) {
        fprintf(stderr, "usage: sonde-helper-gpu INTERVAL_MS NVML_LIBRARY\n");
        return 2;
    }
    if (nvml_open(argv[2], &nvml, &why) != 0)
        fprintf(stderr, "%s\n", why.text);
    struct pmu *pmu = pmu_open("/sys");
    if (nvml == NULL && pmu == NULL)
        return NOTHING;
    buf_init(&block, BLOCK_MAX);
    int err = 0;
    do {
        if (nvml != NULL)
            err = nvml_read(nvml, &block);
        if (pmu != NULL)
            pmu_read(pmu, &block);
        if (err == 0 && !print(&block))
            break;
        pause_until_due(interval_ms);
    } while (err == 0);
    buf_done(&block);
    nvml_close(nvml);
    pmu_close(pmu);
    return err == 0 ? 0 : 1;
}
