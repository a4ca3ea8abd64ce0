/* Tasks that the kernel found hanging (Linux 6.13 and later). */
#include "collect/collector.h"

#include "collect/pseudo.h"

static const struct family TOTAL = {
    "node_kernel_hung_tasks_total", METRIC_COUNTER, "Tasks found hanging.", {NULL}};

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)host;
    char room[PSEUDO_SMALL];
    struct str text;
    double v;
    if (pseudo_read_small(state, room, &text))
        return why_set(why, ERR_NOENT, "the kernel does not count hanging tasks");
    if (!pseudo_parse(text, &v))
        return why_set(why, ERR_FORMAT, "the count of hanging tasks is no number");
    emit_plain(e, &TOTAL, v);
    return 0;
}

const struct collector_ops kernel_hung_collector = {.file = "/sys/kernel/hung_task_detect_count",
                                                    .run = run};
