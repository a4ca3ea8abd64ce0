/* Every row of /proc/meminfo; those in kB become bytes. */
#include "collect/collector.h"

#include <string.h>

#include "collect/pseudo.h"

static const struct family ROW = {
    "node_memory_*", METRIC_GAUGE, "Row * of /proc/meminfo; bytes where the name says so.", {NULL}};

enum { NAME_MAX_BYTES = 128 };

/* "Active(anon)" is node_memory_Active_anon_bytes. */
static struct str metric(struct str name, bool bytes, char room[NAME_MAX_BYTES])
{
    size_t n = 0;
    for (size_t i = 0; i < name.n && n < NAME_MAX_BYTES - sizeof "_bytes"; i++)
        if (name.p[i] != ')')
            room[n++] = name.p[i] == '(' ? '_' : name.p[i];
    if (bytes) {
        memcpy(room + n, "_bytes", 6);
        n += 6;
    }
    return str_of(room, n);
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)host;
    struct str text, line;
    int err = pseudo_read(state, &text, why);
    if (err)
        return err;
    while (pseudo_line(&text, &line)) {
        char room[NAME_MAX_BYTES];
        size_t colon = str_find(line, ':');
        struct str name = str_sub(line, 0, colon), rest = str_sub(line, colon + 1, line.n);
        uint64_t v;
        if (colon == line.n || !pseudo_u64(&rest, &v))
            continue; /* a row of a kernel to come */
        bool bytes = str_eq(str_trim(rest), STR("kB"));
        emit(e, &ROW, bytes ? (double)v * 1024 : (double)v, metric(name, bytes, room));
    }
    return 0;
}

const struct collector_ops meminfo_collector = {.file = "/meminfo", .run = run};
