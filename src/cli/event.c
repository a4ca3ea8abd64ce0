#include "cli/event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/post.h"
#include "text/duration.h"
#include "text/json.h"

enum { BODY_MAX = 1 << 20, LABELS_MAX = 60, PATIENCE_MS = 60000 };

struct words {
    const char *server, *kind, *text;
    const char *title, *service, *version, *environment, *status, *id_key, *url, *time, *source;
    const char *labels[LABELS_MAX];
    size_t labels_n;
    int64_t patience_ms;
};

static int usage(const char *what)
{
    fprintf(stderr,
            "sonde event: %s\nusage: sonde event KIND ['TITLE'] [--service S] [--version V] "
            "[--environment E] [--status started|succeeded|failed] [--label NAME=VALUE].. "
            "[--text T] [--id-key K] [--url U] [--time T] [--source S] [--patience 1m] "
            "[--server URL]\n",
            what);
    return 2;
}

static bool take(struct words *w, int argc, char **argv, int *i)
{
    const struct {
        const char *name, **at;
    } options[] = {{"--server", &w->server},   {"--service", &w->service},
                   {"--version", &w->version}, {"--environment", &w->environment},
                   {"--status", &w->status},   {"--id-key", &w->id_key},
                   {"--url", &w->url},         {"--time", &w->time},
                   {"--text", &w->text},       {"--source", &w->source}};
    const char *value;
    for (size_t k = 0; k < COUNTOF(options); k++)
        if ((value = post_option(argc, argv, i, options[k].name)) != NULL) {
            *options[k].at = value;
            return true;
        }
    if ((value = post_option(argc, argv, i, "--label")) != NULL && w->labels_n < LABELS_MAX &&
        strchr(value, '=') != NULL) {
        w->labels[w->labels_n++] = value;
        return true;
    }
    if ((value = post_option(argc, argv, i, "--patience")) != NULL)
        return duration_read(str_c(value), &w->patience_ms, NULL) == 0;
    if (argv[*i][0] == '-' || (w->kind && w->title))
        return false;
    *(w->kind ? &w->title : &w->kind) = argv[*i];
    return true;
}

static void put(struct json_writer *w, const char *key, const char *text)
{
    if (!text)
        return;
    json_key(w, str_c(key));
    json_text(w, str_c(text));
}

/* So that the end of a deployment finds its beginning. */
static void put_key(struct json_writer *w, const struct words *v)
{
    char key[200];
    if (!v->id_key && v->status && v->service) {
        snprintf(key, sizeof key, "%s/%s/%s", v->service, v->version ? v->version : "",
                 v->environment ? v->environment : "");
        put(w, "id_key", key);
    } else {
        put(w, "id_key", v->id_key);
    }
}

static void put_time(struct json_writer *w, const char *time)
{
    char *end;
    double v = time ? strtod(time, &end) : 0;
    if (time && *end == '\0') {
        json_key(w, STR("time"));
        json_number(w, v);
    } else {
        put(w, "time", time);
    }
}

static void put_event(const struct words *v, struct buf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_object(&w);
    put(&w, "kind", v->kind);
    put(&w, "title", v->title);
    put(&w, "text", v->text);
    put(&w, "service", v->service);
    put(&w, "version", v->version);
    put(&w, "environment", v->environment);
    put(&w, "status", v->status);
    put(&w, "url", v->url);
    put(&w, "source", v->source ? v->source : "command line");
    put_time(&w, v->time);
    put_key(&w, v);
    json_key(&w, STR("labels"));
    json_begin_object(&w);
    for (size_t i = 0; i < v->labels_n; i++) {
        struct str pair = str_c(v->labels[i]);
        json_key(&w, str_sub(pair, 0, str_find(pair, '=')));
        json_text(&w, str_sub(pair, str_find(pair, '=') + 1, pair.n));
    }
    json_end_object(&w);
    json_end_object(&w);
}

int event_run(int argc, char **argv)
{
    struct words w = {.server = "http://127.0.0.1:7663", .patience_ms = PATIENCE_MS};
    struct buf body;
    struct why why = {0};
    for (int i = 0; i < argc; i++)
        if (!take(&w, argc, argv, &i))
            return usage("there is a word that it does not know");
    if (!w.kind)
        return usage("which kind of event? deployment, configuration, note, ..");
    buf_init(&body, BODY_MAX);
    put_event(&w, &body);
    int err = post_send(w.server, "/api/events", "application/json", buf_str(&body), w.patience_ms,
                        NULL, &why);
    buf_done(&body);
    if (err)
        fprintf(stderr, "sonde event: %s\n", why.text);
    return err == 0 ? 0 : err == -ERR_FORMAT ? 1 : 2;
}
