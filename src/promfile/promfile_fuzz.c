/* Any bytes as a Prometheus file: it is whole, or refused with a line for each fault; what is in
 * force can be printed and read as YAML. */
#include "base/must.h"
#include "promfile/promfile.h"
#include "text/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PROBLEMS_MAX = 1 << 20 };

static void look_at_file(void *context, struct str path)
{
    size_t *n = context;
    *n += path.n;
}

static void look_at(const struct promfile *p)
{
    const struct yaml_node *root;
    struct arena a;
    struct why why = {0};
    size_t bytes = 0;
    arena_init(&a);
    must(yaml_parse(p->yaml, &a, &root, NULL, &why) == 0);
    must(p->scrape_interval_ms > 0 && p->scrape_timeout_ms <= p->scrape_interval_ms);
    for (size_t i = 0; i < p->scrapes_n; i++) {
        const struct promfile_scrape *s = &p->scrapes[i];
        must(s->job.n > 0 && s->interval_ms > 0 && s->timeout_ms <= s->interval_ms);
        must(s->protocols_n > 0 && s->protocols_n < PROMFILE_PROTOCOLS_MAX);
        must(yaml_parse(s->yaml, &a, &root, NULL, &why) == 0);
    }
    for (size_t i = 0; i < p->remote_writes_n; i++)
        must(p->remote_writes[i].min_shards <= p->remote_writes[i].max_shards);
    promfile_files(p, look_at_file, &bytes);
    arena_done(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_of((const char *)data, size);
    struct promfile *p = NULL;
    struct buf problems;
    if (str_search(text, STR("scrape_config_files")) < text.n)
        return 0; /* it would read whatever lies on this machine */
    buf_init(&problems, PROBLEMS_MAX);
    int err = promfile_read(text, STR("/nonexistent/f.yml"), &p, &problems);
    must((err != 0) == (problems.n > 0) && (err != 0) == (p == NULL));
    if (p)
        look_at(p);
    promfile_free(p);
    buf_done(&problems);
    return 0;
}
