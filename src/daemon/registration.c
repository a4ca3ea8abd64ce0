#include "daemon/registration.h"

#include "base/log.h"

static const char *const MODULE = "discover";
enum { PROBLEMS_MAX = 1024 /* bytes */ };

static void warn(const char *text)
{
    log_warn(MODULE, "%s", text);
}

int registration_open(struct registration *r, const struct conf *conf, struct disk *disk,
                      struct why *why)
{
    const struct registry_plan plan = {.settings = conf_get(conf, &registry_options),
                                       .disk = disk,
                                       .clock = &clock_real,
                                       .warn = warn};
    struct buf problems;
    buf_init(&problems, PROBLEMS_MAX);
    int err = promfile_read(STR("scrape_configs: [{job_name: sonde-registered}]\n"),
                            STR("registered"), &r->file, &problems);
    if (err)
        why_set(why, (enum err) - err, STR_FMT, STR_ARG(buf_str(&problems)));
    buf_done(&problems);
    if (err)
        return err;
    r->registry = registry_new(&plan);
    r->discovery = registry_config(r->registry);
    r->pool = r->file->scrapes[0];
    r->pool.discoveries = &r->discovery;
    r->pool.discoveries_n = 1;
    return 0;
}

void registration_close(struct registration *r)
{
    registry_free(r->registry);
    promfile_free(r->file);
    *r = (struct registration){0};
}
