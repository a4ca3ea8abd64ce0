/* Open files of the whole machine. */
#include "collect/collector.h"

#include "collect/pseudo.h"

static const struct family ALLOCATED = {
    "node_filefd_allocated", METRIC_GAUGE, "Open files of the whole machine.", {NULL}};
static const struct family MAXIMUM = {
    "node_filefd_maximum", METRIC_GAUGE, "The limit on open files of the whole machine.", {NULL}};

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)host;
    struct str text;
    int err = pseudo_read(state, &text, why);
    if (err)
        return err;
    double allocated, unused, maximum;
    if (!pseudo_number(&text, &allocated) || !pseudo_number(&text, &unused) ||
        !pseudo_number(&text, &maximum))
        return why_set(why, ERR_FORMAT, "/proc/sys/fs/file-nr holds fewer than three numbers");
    emit_plain(e, &ALLOCATED, allocated);
    emit_plain(e, &MAXIMUM, maximum);
    return 0;
}

const struct collector_ops filefd_collector = {.file = "/sys/fs/file-nr", .run = run};
