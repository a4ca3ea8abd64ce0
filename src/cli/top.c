#include "cli/top.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "cli/watch_table.h"
#include "net/client.h"
#include "os/terminal.h"
#include "text/json_tree.h"
#include "text/number.h"
#include "watch/feed/watch_view.h"

enum {
    URL_BYTES = 2048,
    ASK_MS = 3000,
    REFRESH_MS = 1000,
    PICTURE_MAX = 1 << 20,
    ALERTS_SHOWN = 20,
    BAR_WIDTH = 20,
    TIME_MAX = 40,
};

/* ---- asking */

/* GET server + path, as JSON; NULL where that is not to be had. */
static const struct json_tree *get(const char *server, const char *path, struct arena *a)
{
    char url[URL_BYTES];
    struct client_reply reply;
    const struct json_tree *t = NULL;
    snprintf(url, sizeof url, "%s%s", server, path);
    const struct client_request request = {.url = url, .timeout_ms = ASK_MS};
    if (client_send(&request, &reply, NULL) != 0)
        return NULL;
    if (json_tree_parse(arena_str(a, buf_str(&reply.body)), a, &t, NULL) != 0)
        t = NULL;
    client_reply_done(&reply);
    return t;
}

static void put_escaped(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++)
        if ((*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') ||
            (*text >= '0' && *text <= '9') || *text == '_')
            buf_put_c(out, *text);
        else
            buf_printf(out, "%%%02X", (unsigned char)*text);
}

/* The value of the only series of an expression; false where there is none. */
static bool ask(const char *server, const char *expression, double *ret)
{
    struct arena a;
    struct buf path;
    bool found = false;
    arena_init(&a);
    buf_init(&path, URL_BYTES);
    buf_put_str(&path, STR("/api/v1/query?query="));
    put_escaped(&path, expression);
    buf_put_c(&path, '\0');
    const struct json_tree *result = json_tree_path(get(server, path.p, &a), "data.result");
    if (json_tree_n(result) == 1) {
        const struct json_tree *value = json_tree_get(&result->children[0], "value");
        found = json_tree_n(value) == 2 && number_parse(value->children[1].text, ret) == 0;
    }
    buf_done(&path);
    arena_done(&a);
    return found;
}

/* ---- drawing */

static const char *paint(const struct top_config *c, const char *code)
{
    return c->colour ? code : "";
}

static void put_bar(const struct top_config *c, struct buf *out, double part)
{
    part = part < 0 ? 0 : part > 1 ? 1 : part;
    int full = (int)(part * BAR_WIDTH + 0.5);
    const char *code = part >= 0.9 ? "\x1b[31m" : part >= 0.7 ? "\x1b[33m" : "\x1b[32m";
    buf_printf(out, "[%s", paint(c, code));
    for (int i = 0; i < BAR_WIDTH; i++)
        buf_put_c(out, i < full ? '#' : ' ');
    buf_printf(out, "%s] %5.1f%%", paint(c, "\x1b[0m"), part * 100);
}

static void put_share(const struct top_config *c, struct buf *out, const char *name,
                      const char *expression)
{
    double v;
    if (!ask(c->server, expression, &v))
        return;
    buf_printf(out, "%-7s ", name);
    put_bar(c, out, v);
    buf_put_c(out, '\n');
}

static void put_rate(const struct top_config *c, struct buf *out, const char *name,
                     const char *expression)
{
    double v;
    if (!ask(c->server, expression, &v))
        return;
    buf_printf(out, "  %s ", name);
    watch_table_bytes(out, (int64_t)v);
    buf_put_str(out, STR("/s"));
}

static void put_host(const struct top_config *c, struct buf *out)
{
    double load;
    put_share(c, out, "cpu", "1 - avg(rate(node_cpu_seconds_total{mode=\"idle\"}[1m]))");
    put_share(c, out, "memory",
              "1 - sum(node_memory_MemAvailable_bytes) / sum(node_memory_MemTotal_bytes)");
    put_share(c, out, "disk",
              "1 - min(node_filesystem_avail_bytes{mountpoint=\"/\"} / "
              "node_filesystem_size_bytes{mountpoint=\"/\"})");
    size_t at = out->n;
    put_rate(c, out, "network in",
             "sum(rate(node_network_receive_bytes_total{device!=\"lo\"}[1m]))");
    put_rate(c, out, "out", "sum(rate(node_network_transmit_bytes_total{device!=\"lo\"}[1m]))");
    put_rate(c, out, "disk read", "sum(rate(node_disk_read_bytes_total[1m]))");
    put_rate(c, out, "written", "sum(rate(node_disk_written_bytes_total[1m]))");
    if (ask(c->server, "max(node_load1)", &load))
        buf_printf(out, "  load %.2f", load);
    if (out->n > at)
        buf_put_c(out, '\n');
}

static void put_checks(const struct top_config *c, struct arena *a, struct buf *out)
{
    const struct json_tree *health = get(c->server, "/health", a);
    const struct json_tree *checks = json_tree_get(health, "checks");
    size_t well = 0;
    struct str status = json_tree_text(health, "status");
    if (health == NULL || status.n == 0)
        return;
    size_t at = out->n;
    for (size_t i = 0; i < json_tree_n(checks); i++) {
        const struct json_tree *list = &checks->children[i];
        for (size_t k = 0; k < json_tree_n(list); k++) {
            struct str state = json_tree_text(&list->children[k], "status");
            if (str_eq(state, STR("pass")) || str_eq(state, STR("healthy"))) {
                well++;
                continue;
            }
            buf_printf(out, "  %s" STR_FMT "%s " STR_FMT " " STR_FMT "\n", paint(c, "\x1b[33m"),
                       STR_ARG(state), paint(c, "\x1b[0m"), STR_ARG(list->key),
                       STR_ARG(json_tree_text(&list->children[k], "output")));
        }
    }
    struct str odd = arena_str(a, str_sub(buf_str(out), at, out->n));
    out->n = at;
    buf_printf(out, "\nchecks: the whole " STR_FMT ", %zu well\n" STR_FMT, STR_ARG(status), well,
               STR_ARG(odd));
}

static void put_alert(const struct top_config *c, const struct json_tree *alert, struct buf *out)
{
    buf_printf(out, "  %s%-9.*s%s " STR_FMT " " STR_FMT "\n", paint(c, "\x1b[31m"),
               STR_ARG(json_tree_text(alert, "labels.severity")), paint(c, "\x1b[0m"),
               STR_ARG(json_tree_text(alert, "labels.alertname")),
               STR_ARG(json_tree_text(alert, "annotations.summary")));
}

/* Those of rules, of checks and of programs, as Alertmanager's API has them. */
static void put_alerts(const struct top_config *c, struct arena *a, struct buf *out)
{
    const struct json_tree *alerts = get(c->server, "/api/v2/alerts", a);
    size_t firing = 0, silent = 0;
    if (alerts == NULL || alerts->type != JSON_ARRAY)
        return;
    size_t at = out->n;
    for (size_t i = 0; i < alerts->n; i++) {
        const struct json_tree *alert = &alerts->children[i];
        if (!str_eq(json_tree_text(alert, "status.state"), STR("active")))
            silent++;
        else if (firing++ < ALERTS_SHOWN)
            put_alert(c, alert, out);
    }
    struct str list = arena_str(a, str_sub(buf_str(out), at, out->n));
    out->n = at;
    buf_printf(out, "\nalerts: %zu firing, %zu silenced or inhibited\n" STR_FMT, firing, silent,
               STR_ARG(list));
}

bool top_programs(const char *server, bool colour, struct buf *out)
{
    struct arena a;
    struct watch_view v;
    char url[URL_BYTES];
    struct client_reply reply;
    arena_init(&a);
    snprintf(url, sizeof url, "%s/api/watch", server);
    const struct client_request request = {.url = url, .timeout_ms = ASK_MS};
    bool found = client_send(&request, &reply, NULL) == 0;
    if (found) {
        /* The answer of sonde-watch is the envelope's data. */
        struct str body = buf_str(&reply.body);
        static const char BEGIN[] = "{\"status\":\"success\",\"data\":";
        found = reply.status == 200 && str_starts(body, str_c(BEGIN)) &&
                watch_view_read(str_sub(body, sizeof BEGIN - 1, body.n - 1), &a, &v, NULL) == 0;
        if (found)
            watch_table(&v, colour, out);
        client_reply_done(&reply);
    }
    arena_done(&a);
    return found;
}

static bool programs_of_socket(const struct top_config *c, struct arena *a, struct buf *out)
{
    struct watch_view v;
    if (c->socket == NULL || watch_view_ask(c->socket, "", ASK_MS, a, &v, NULL) != 0)
        return false;
    watch_table(&v, c->colour, out);
    return true;
}

void top_draw(const struct top_config *c, struct buf *out)
{
    struct arena a;
    char date[TIME_MAX];
    time_t now = time(NULL);
    struct tm tm;
    arena_init(&a);
    localtime_r(&now, &tm);
    strftime(date, sizeof date, "%Y-%m-%d %H:%M:%S", &tm);
    buf_printf(out, "%ssonde top%s %s  %s\n\n", paint(c, "\x1b[1m"), paint(c, "\x1b[0m"), date,
               c->server);
    bool daemon = get(c->server, "/version", &a) != NULL;
    if (daemon)
        put_host(c, out);
    else
        buf_printf(out, "no daemon answers at %s\n", c->server);
    buf_put_c(out, '\n');
    if (!(daemon && top_programs(c->server, c->colour, out)) && !programs_of_socket(c, &a, out))
        buf_put_str(out, STR("no sonde-watch runs here\n"));
    if (daemon) {
        put_checks(c, &a, out);
        put_alerts(c, &a, out);
    }
    arena_done(&a);
}

/* ---- the command */

/* What fits into the terminal, each line cleared to its end. */
static void show(const struct top_config *c, struct str picture)
{
    struct str line;
    unsigned lines = 0;
    printf("\x1b[H");
    while (str_split(&picture, '\n', &line) && (c->lines == 0 || ++lines < c->lines))
        printf(STR_FMT "\x1b[K\n", STR_ARG(line));
    printf("\x1b[J");
    fflush(stdout);
}

static void live(struct top_config *c)
{
    struct buf out;
    unsigned columns = 0;
    buf_init(&out, PICTURE_MAX);
    printf("\x1b[?1049h\x1b[?25l\x1b[?7l");
    for (int key = 0; key != 'q' && key != 'Q' && key != TERMINAL_ESCAPE && key != TERMINAL_END;
         key = terminal_key(REFRESH_MS)) {
        terminal_size(1, &columns, &c->lines);
        buf_clear(&out);
        top_draw(c, &out);
        show(c, buf_str(&out));
    }
    printf("\x1b[?7h\x1b[?25h\x1b[?1049l");
    fflush(stdout);
    buf_done(&out);
}

static int once(const struct top_config *c)
{
    struct buf out;
    buf_init(&out, PICTURE_MAX);
    top_draw(c, &out);
    printf(STR_FMT, STR_ARG(buf_str(&out)));
    buf_done(&out);
    return 0;
}

int top_run(int argc, char **argv)
{
    struct top_config c = {.server = "http://127.0.0.1:7663",
                           .socket = "data/watch/control.socket"};
    bool one = false;
    for (int i = 0; i < argc; i++) {
        bool more = i + 1 < argc;
        if (strcmp(argv[i], "--once") == 0) {
            one = true;
        } else if (more && (strcmp(argv[i], "--server") == 0 || strcmp(argv[i], "--url") == 0)) {
            c.server = argv[++i];
        } else if (more && strcmp(argv[i], "--socket") == 0) {
            c.socket = argv[++i];
        } else {
            fprintf(stderr, "usage: sonde top [--server http://127.0.0.1:7663] [--socket PATH] "
                            "[--once]\n");
            return 2;
        }
    }
    c.colour = terminal_is(1);
    if (one || !c.colour || !terminal_keys(true))
        return once(&c);
    live(&c);
    (void)terminal_keys(false); /* it could be set, so it can be set back */
    return 0;
}
