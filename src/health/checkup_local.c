/* What lies on this host: units of systemd, files, and the store itself. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "collect/dbus.h"
#include "health/checkup_kind.h"
#include "os/file.h"

struct state {
    const struct checkup_settings *settings;
    struct checkup_host host;
};

static int open_state(const struct checkup_host *host, const struct checkup_settings *c, void **ret,
                      struct why *why)
{
    struct state *s = mem_new(sizeof *s);
    (void)why;
    s->settings = c;
    s->host = *host;
    *ret = s;
    return 0;
}

static void close_state(void *state)
{
    mem_free(state);
}

/* ---- systemd */

static const char SYSTEMD[] = "org.freedesktop.systemd1";

static int ask_unit(struct dbus *d, const char *unit, const char *property, struct str *ret,
                    struct why *why)
{
    struct dbus_reader r;
    struct str path;
    const struct dbus_call load = {.destination = SYSTEMD,
                                   .path = "/org/freedesktop/systemd1",
                                   .interface = "org.freedesktop.systemd1.Manager",
                                   .member = "LoadUnit",
                                   .arguments = {str_c(unit)},
                                   .arguments_n = 1};
    int err = dbus_call(d, &load, &r, why);
    if (err != 0)
        return err;
    char object[512];
    if (!dbus_text(&r, &path) || path.n >= sizeof object)
        return why_set(why, ERR_FORMAT, "systemd gives no path for the unit");
    memcpy(object, path.p, path.n);
    object[path.n] = '\0';
    err = dbus_property(d, SYSTEMD, object, "org.freedesktop.systemd1.Unit", property, &r, why);
    if (err != 0)
        return err;
    return dbus_text(&r, ret) ? 0 : why_set(why, ERR_FORMAT, "systemd gives no %s", property);
}

/* active is in d's last reply. */
static void judge_unit(struct dbus *d, const char *unit, struct str active,
                       struct checkup_result *ret)
{
    bool coming = str_eq(active, STR("activating")) || str_eq(active, STR("reloading"));
    struct str load;
    if (str_eq(active, STR("active"))) {
        checkup_result_say(ret, HEALTH_OK, "active");
        return;
    }
    checkup_result_say(ret, coming ? HEALTH_DEGRADED : HEALTH_UNHEALTHY, "%s is " STR_FMT, unit,
                       STR_ARG(active));
    if (ask_unit(d, unit, "LoadState", &load, NULL) == 0 && str_eq(load, STR("not-found")))
        checkup_result_say(ret, HEALTH_UNHEALTHY, "systemd has no unit %s", unit);
}

static void run_systemd(void *state, struct checkup_result *ret)
{
    const struct checkup_settings *c = ((const struct state *)state)->settings;
    struct why why = {0};
    struct dbus d;
    struct str active;
    int err = c->address[0] ? dbus_open(&d, c->address + strlen("unix:"), true, &why)
                            : dbus_open_host(&d, "", true, &why);
    if (err != 0) {
        checkup_result_say(ret, HEALTH_UNKNOWN, "systemd cannot be asked: %s",
                           why.text[0] ? why.text : err_text(err));
        return;
    }
    err = ask_unit(&d, c->unit, "ActiveState", &active, &why);
    if (err == 0)
        judge_unit(&d, c->unit, active, ret);
    else
        checkup_result_say(ret, err == -ERR_NOENT ? HEALTH_UNHEALTHY : HEALTH_UNKNOWN, "%s",
                           why.text[0] ? why.text : err_text(err));
    dbus_close(&d);
}

const struct checkup_kind checkup_systemd_kind = {
    .name = "systemd", .open = open_state, .run = run_systemd, .close = close_state};

/* ---- files */

enum { CONTENT_MAX = 64 * 1024 };

static bool holds(const struct checkup_settings *c, struct checkup_result *ret)
{
    struct buf b;
    struct why why = {0};
    buf_init(&b, CONTENT_MAX);
    int err = file_read(c->path, &b, &why); /* of a longer file the cap is what was asked for */
    bool readable = err == 0 || b.n > 0;
    bool found = readable && str_search(buf_str(&b), str_c(c->contains)) < b.n;
    if (!readable)
        checkup_result_say(ret, HEALTH_UNHEALTHY, "%s", why.text);
    else if (!found)
        checkup_result_say(ret, HEALTH_UNHEALTHY, "\"%.60s\" is not in it", c->contains);
    buf_done(&b);
    return found;
}

static void judge_file(const struct state *s, const struct stat *st, struct checkup_result *ret)
{
    const struct checkup_settings *c = s->settings;
    double age_s = (double)clock_wall_ms(s->host.clock) / 1000 - (double)st->st_mtim.tv_sec -
                   (double)st->st_mtim.tv_nsec / 1e9;
    checkup_result_figure(ret, STR("age"), STR("s"), age_s);
    checkup_result_figure(ret, STR("size"), STR("B"), (double)st->st_size);
    if (c->absent)
        checkup_result_say(ret, HEALTH_UNHEALTHY, "%s is there", c->path);
    else if (c->age_s_max > 0 && age_s > (double)c->age_s_max)
        checkup_result_say(ret, HEALTH_UNHEALTHY, "it was changed %.0f s ago, more than %lld",
                           age_s, (long long)c->age_s_max);
    else if (st->st_size < c->size_bytes_min)
        checkup_result_say(ret, HEALTH_UNHEALTHY, "it has %lld bytes, less than %lld",
                           (long long)st->st_size, (long long)c->size_bytes_min);
    else if (c->size_bytes_max > 0 && st->st_size > c->size_bytes_max)
        checkup_result_say(ret, HEALTH_UNHEALTHY, "it has %lld bytes, more than %lld",
                           (long long)st->st_size, (long long)c->size_bytes_max);
    else if (c->contains[0] == '\0' || holds(c, ret))
        checkup_result_say(ret, HEALTH_OK, "%lld bytes, changed %.0f s ago", (long long)st->st_size,
                           age_s);
}

static void run_file(void *state, struct checkup_result *ret)
{
    const struct state *s = state;
    struct stat st;
    if (stat(s->settings->path, &st) == 0)
        judge_file(s, &st, ret);
    else if (errno == ENOENT && s->settings->absent)
        checkup_result_say(ret, HEALTH_OK, "it is not there");
    else if (errno == ENOENT || errno == ENOTDIR)
        checkup_result_say(ret, HEALTH_UNHEALTHY, "%s is not there", s->settings->path);
    else
        checkup_result_say(ret, HEALTH_UNKNOWN, "%s cannot be looked at: %s", s->settings->path,
                           strerror(errno));
}

const struct checkup_kind checkup_file_kind = {
    .name = "file", .open = open_state, .run = run_file, .close = close_state};

/* ---- the store */

static int open_store(const struct checkup_host *host, const struct checkup_settings *c, void **ret,
                      struct why *why)
{
    if (host->store == NULL)
        return why_set(why, ERR_STATE, "there is no store to be probed");
    return open_state(host, c, ret, why);
}

static void run_store(void *state, struct checkup_result *ret)
{
    const struct state *s = state;
    struct health_reading r = {.state = HEALTH_OK};
    s->host.store(s->host.store_context, &r);
    ret->duration_s = r.value;
    checkup_result_say(ret, r.state, "%s",
                       r.output[0] ? r.output : "a write was committed and read back");
}

const struct checkup_kind checkup_store_kind = {
    .name = "store", .open = open_store, .run = run_store, .close = close_state};
