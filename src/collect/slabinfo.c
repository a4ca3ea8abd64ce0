/* The kernel's caches of objects. Only root may read the file. */
#include "collect/collector.h"

#include "collect/pseudo.h"

/* The columns after the name, in the file's order. */
static const struct family COLUMNS[] = {
    {"node_slabinfo_active_objects", METRIC_GAUGE, "Objects in use.", {"slab"}},
    {"node_slabinfo_objects", METRIC_GAUGE, "Objects in all, free ones too.", {"slab"}},
    {"node_slabinfo_object_size_bytes", METRIC_GAUGE, "Size of an object.", {"slab"}},
    {"node_slabinfo_objects_per_slab", METRIC_GAUGE, "Objects in each slab.", {"slab"}},
    {"node_slabinfo_pages_per_slab", METRIC_GAUGE, "Pages of each slab.", {"slab"}},
};

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)host;
    struct str text, line, name;
    int err = pseudo_read(state, &text, why);
    if (err)
        return err;
    while (pseudo_line(&text, &line)) {
        uint64_t v[COUNTOF(COLUMNS)];
        size_t n = 0;
        if (str_starts(line, STR("slabinfo")) || str_starts(line, STR("#")) ||
            !str_word(&line, &name))
            continue;
        while (n < COUNTOF(v) && pseudo_u64(&line, &v[n]))
            n++;
        for (size_t i = 0; n == COUNTOF(v) && i < n; i++)
            emit(e, &COLUMNS[i], (double)v[i], name);
    }
    return 0;
}

const struct collector_ops slabinfo_collector = {.file = "/slabinfo", .run = run};
