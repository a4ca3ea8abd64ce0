#include "tool/import.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/vec.h"
#include "os/file.h"
#include "tool/import_state.h"

struct task {
    struct import im;
    const char *kind, *match;
    struct {
        const char **v;
        size_t n, capacity;
    } sources;
};

static bool read_line(struct task *t, struct arguments *a)
{
    const char *word, *tenant = arguments_value(a, "tenant");
    t->im.tenant = tenant == NULL ? "default" : tenant;
    t->match = arguments_value(a, "match");
    t->im.from_ms = 0;
    t->im.to_ms = clock_wall_ms(&clock_real);
    if (strcmp(t->kind, "server") != 0) { /* files may have any time */
        t->im.from_ms = INT64_MIN / 2;
        t->im.to_ms = INT64_MAX / 2;
    }
    if (!offline_time(&t->im.offline, a, "start", &t->im.from_ms) ||
        !offline_time(&t->im.offline, a, "end", &t->im.to_ms))
        return false;
    while ((word = arguments_word(a)) != NULL)
        vec_push(&t->sources, word);
    if (!arguments_end(a, "import"))
        return false;
    if (t->sources.n == 0)
        fprintf(stderr, "sonde import: name what to import; see: sonde help import\n");
    else if (t->match != NULL && strcmp(t->kind, "server") != 0)
        fprintf(stderr, "sonde import: --match is for servers\n");
    else
        return true;
    return false;
}

static int read_source(struct task *t, const char *source, struct why *why)
{
    if (strcmp(t->kind, "prometheus") == 0)
        return import_tsdb(&t->im, source, why);
    if (strcmp(t->kind, "openmetrics") == 0)
        return import_text(&t->im, source, why);
    return import_server(&t->im, source, t->match == NULL ? "" : t->match, why);
}

static int read_all(struct task *t)
{
    int status = 0;
    for (size_t i = 0; i < t->sources.n && status == 0; i++) {
        struct why why = {0};
        if (read_source(t, t->sources.v[i], &why) != 0)
            status = offline_fail(&t->im.offline, why.text);
    }
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\n");
    return status;
}

static int import_here(struct task *t)
{
    struct why why = {0};
    /* What is written here is old by intention. */
    t->im.offline.settings.out_of_order_window_s = INT32_MAX;
    t->im.store = offline_store(&t->im.offline);
    if (t->im.store == NULL)
        return 1;
    struct sink *sink = store_sink(t->im.store);
    int status;
    if (sink->ops->tenant(sink, str_c(t->im.tenant), &t->im.owner, &why) != 0)
        status = offline_fail(&t->im.offline, why.text);
    else
        status = read_all(t);
    if (store_flush(t->im.store, &why) != 0)
        status = offline_fail(&t->im.offline, why.text);
    store_close(t->im.store);
    return status;
}

static void tell(const struct task *t, int64_t begun_ns)
{
    double s = (double)(clock_monotonic_ns(&clock_real) - begun_ns) / 1e9;
    printf("%" PRIu64 " samples imported in %.1f s\n", t->im.samples, s);
    if (t->im.refused)
        printf("%" PRIu64 " samples or series were not taken\n", t->im.refused);
    if (t->im.skipped)
        printf("%" PRIu64 " pieces of the source were left out\n", t->im.skipped);
    if (t->im.first_refusal[0])
        printf("the first reason: %s\n", t->im.first_refusal);
}

static int import_all(struct task *t, struct arguments *a)
{
    int64_t begun_ns = clock_monotonic_ns(&clock_real);
    if (!read_line(t, a))
        return 2;
    struct why why = {0};
    if (!t->im.offline.server_named && file_make_dir(t->im.offline.data, &why) != 0)
        return offline_fail(&t->im.offline, why.text);
    int busy = t->im.offline.server_named ? 1 : offline_busy(&t->im.offline);
    if (busy < 0 || (busy == 0 && !offline_disk(&t->im.offline)))
        return 1;
    int status = busy == 1 ? read_all(t) : import_here(t);
    tell(t, begun_ns);
    return status;
}

int import_run(int argc, char **argv)
{
    static const char *const KINDS[] = {"prometheus", "openmetrics", "server"};
    struct arguments a;
    struct task t = {.kind = NULL};
    int status = 2;
    if (!arguments_init(&a, argc, argv))
        return 2;
    for (size_t i = 0; argc > 0 && i < COUNTOF(KINDS); i++)
        t.kind = strcmp(argv[0], KINDS[i]) == 0 ? KINDS[i] : t.kind;
    if (t.kind == NULL) {
        fprintf(stderr, "sonde import: say prometheus DIR, openmetrics FILE or server URL; see: "
                        "sonde help import\n");
        return 2;
    }
    a.v[0] = NULL;
    arena_init(&t.im.arena);
    if (offline_init(&t.im.offline, "sonde import", &a))
        status = import_all(&t, &a);
    vec_free(&t.im.points);
    vec_free(&t.sources);
    arena_done(&t.im.arena);
    offline_done(&t.im.offline);
    return status;
}
