#include "tool/offline.h"

#include <time.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "net/client.h"
#include "serve/param.h"

enum { URL_BYTES = 16384, ANSWER_MAX = 1 << 20, PATIENCE_MS = 600000 };

int offline_fail(const struct offline *o, const char *text)
{
    fprintf(stderr, "%s: %s\n", o->command, text);
    return 1;
}

bool offline_init(struct offline *o, const char *command, struct arguments *a)
{
    struct buf problems;
    *o = (struct offline){.command = command};
    const char *file = arguments_value(a, "config"), *keys = arguments_value(a, "key-file");
    o->server = arguments_server(a);
    o->server_named = o->server != NULL;
    if (!o->server)
        o->server = "http://127.0.0.1:7663";
    if (!arguments_settings(a, &o->set))
        return false;
    if (keys)
        o->set.v[o->set.n++] = (struct conf_override){"store.key_file", keys};
    buf_init(&problems, OPTIONS_PROBLEMS_MAX);
    int err = options_read_file(file, o->set.v, o->set.n, &o->conf, &problems);
    if (err)
        fprintf(stderr, STR_FMT, STR_ARG(buf_str(&problems)));
    buf_done(&problems);
    if (err)
        return false;
    options_store(o->conf, &o->settings);
    o->data = options_server(o->conf)->data;
    return true;
}

void offline_done(struct offline *o)
{
    keyring_free(o->ring);
    disk_free(o->disk);
    conf_free(o->conf);
    *o = (struct offline){0};
}

bool offline_disk(struct offline *o)
{
    struct why why = {0};
    int err = disk_real_open(o->data, &o->disk, &why);
    if (err) {
        o->disk = NULL;
        offline_fail(o, why.text);
        return false;
    }
    if (*o->settings.key_file)
        err = keyring_load(o->settings.key_file, &o->ring, &why);
    if (err)
        offline_fail(o, why.text);
    return err == 0;
}

int offline_busy(struct offline *o)
{
    struct disk *probe;
    struct why why = {0};
    if (disk_real_open(o->data, &probe, &why)) {
        offline_fail(o, why.text);
        return -1;
    }
    int err = disk_lock(probe, "lock");
    disk_free(probe);
    if (err == 0 && o->server_named) {
        fprintf(stderr,
                "%s: no daemon is using %s: name the directory of the one at %s with --data, or "
                "leave --server out\n",
                o->command, o->data, o->server);
        return -1;
    }
    if (err == 0 || err == -ERR_BUSY)
        return err == -ERR_BUSY;
    fprintf(stderr, "%s: cannot lock %s/lock: %s\n", o->command, o->data, err_text(err));
    return -1;
}

bool offline_alone(struct offline *o)
{
    int busy = offline_busy(o);
    if (busy == 1)
        fprintf(stderr, "%s: a daemon is using %s: stop it first\n", o->command, o->data);
    return busy == 0;
}

static void warn(void *context, const char *text)
{
    const struct offline *o = context;
    fprintf(stderr, "%s: %s\n", o->command, text);
}

struct store *offline_store(struct offline *o)
{
    struct store_config config = {.disk = o->disk,
                                  .clock = &clock_real,
                                  .settings = &o->settings,
                                  .lanes = 1,
                                  .manual = true,
                                  .warn = warn,
                                  .warn_context = o};
    struct store *s;
    struct why why = {0};
    if (store_open(&config, &s, &why) == 0)
        return s;
    offline_fail(o, why.text);
    return NULL;
}

int offline_ask(const struct offline *o, const char *path, struct buf *ret)
{
    char url[URL_BYTES];
    struct client_reply reply;
    struct why why = {0};
    if (snprintf(url, sizeof url, "%s%s", o->server, path) >= (int)sizeof url)
        return offline_fail(o, "the request is too long");
    struct client_request request = {.method = "POST", .url = url, .timeout_ms = PATIENCE_MS};
    if (client_send(&request, &reply, &why)) {
        fprintf(stderr, "%s: a daemon is using %s, but %s does not answer (%s): say --server URL\n",
                o->command, o->data, o->server, why.text);
        return 1;
    }
    buf_init(ret, ANSWER_MAX);
    buf_put_str(ret, str_sub(buf_str(&reply.body), 0, ANSWER_MAX));
    int status = reply.status;
    client_reply_done(&reply);
    if (status / 100 == 2)
        return 0;
    fprintf(stderr, "%s: %s answers with status %d: " STR_FMT "\n", o->command, url, status,
            STR_ARG(buf_str(ret)));
    buf_done(ret);
    return 1;
}

bool offline_time(const struct offline *o, struct arguments *a, const char *name, int64_t *ret_ms)
{
    const char *text = arguments_value(a, name);
    if (text == NULL || param_parse_time(str_c(text), ret_ms))
        return true;
    (void)offline_fail(o, "--start and --end take 2026-11-22T05:00:00Z or seconds since 1970");
    return false;
}

void offline_time_text(int64_t ms, char ret[32])
{
    time_t s = (time_t)(ms / 1000);
    struct tm tm;
    gmtime_r(&s, &tm);
    strftime(ret, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}
