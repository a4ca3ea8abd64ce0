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

static int open_state(const struct collector_host *host, void **ret, struct why *why)
{
    (void)why;
    *ret = pseudo_new(host->proc, "/sys/fs/file-nr");
    return 0;
}

static void close_state(void *state)
{
    pseudo_free(state);
}

const struct collector_ops filefd_collector = {open_state, run, close_state};
