/* The rows of /proc/vmstat that the configuration names. */
#include "collect/collector.h"

#include "base/mem.h"
#include "collect/filter.h"
#include "collect/pseudo.h"

static const struct family FIELD = {
    "node_vmstat_*", METRIC_UNKNOWN, "Row * of /proc/vmstat.", {NULL}};

struct state {
    struct pseudo file;
    struct filter fields;
};

static int open_state(const struct collector_host *host, void **ret, struct why *why)
{
    struct state *s = mem_new(sizeof *s);
    int err = filter_init(&s->fields, host->settings->vmstat_fields, why);
    if (err) {
        mem_free(s);
        return err;
    }
    pseudo_init(&s->file, host->proc, "/vmstat");
    *ret = s;
    return 0;
}

static void close_state(void *state)
{
    struct state *s = state;
    pseudo_done(&s->file);
    filter_done(&s->fields);
    mem_free(s);
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)host;
    struct state *s = state;
    struct str text, line, name;
    int err = pseudo_read(&s->file, &text, why);
    if (err)
        return err;
    while (pseudo_line(&text, &line)) {
        uint64_t v;
        if (str_word(&line, &name) && filter_match(&s->fields, name) && pseudo_u64(&line, &v))
            emit(e, &FIELD, (double)v, name);
    }
    return 0;
}

const struct collector_ops vmstat_collector = {
    .open = open_state, .run = run, .close = close_state};
