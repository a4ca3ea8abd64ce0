#include "cli/status.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/attr.h"
#include "cli/top.h"
#include "net/client.h"
#include "os/terminal.h"
#include "text/json.h"
#include "text/json_tree.h"

enum {
    URL_BYTES = 1024,
    PROGRAMS_MAX = 4 << 20,
    DEPTH_STATUS = 1,
    DEPTH_CHECK = 4 /* {"checks":{"a":[{ */
};

/* One check as it is being read. */
struct row {
    struct str name, status, output, unit;
    double value;
    bool has_value;
};

static void put_row(const struct row *row)
{
    printf("%-6.*s " STR_FMT, STR_ARG(row->status), STR_ARG(row->name));
    if (row->has_value)
        printf(" = %g " STR_FMT, row->value, STR_ARG(row->unit));
    if (row->output.n > 0)
        printf(": " STR_FMT, STR_ARG(row->output));
    printf("\n");
}

static void take_member(struct row *row, struct str key, const struct json_event *e)
{
    if (str_eq(key, STR("status")))
        row->status = e->text;
    else if (str_eq(key, STR("output")))
        row->output = e->text;
    else if (str_eq(key, STR("observedUnit")))
        row->unit = e->text;
    if (str_eq(key, STR("observedValue")) && e->type == JSON_NUMBER) {
        row->value = e->number;
        row->has_value = true;
    }
}

/* Prints the checks of a health+json document; the whole's status into ret ("" where none). */
static int put_checks(struct str body, struct arena *a, struct str *ret, struct why *why)
{
    struct json_reader reader;
    json_reader_init(&reader, body, a);
    struct row row = {0};
    struct str key = {0}, name = {0};
    unsigned depth = 0;
    struct json_event e;
    int more;
    while ((more = json_next(&reader, &e, why)) > 0) {
        if (e.type == JSON_OBJECT || e.type == JSON_ARRAY) {
            if (++depth == DEPTH_CHECK)
                row = (struct row){.name = name};
        } else if (e.type == JSON_OBJECT_END || e.type == JSON_ARRAY_END) {
            if (depth-- == DEPTH_CHECK)
                put_row(&row);
        } else if (e.type == JSON_KEY) {
            key = e.text;
            name = depth == 2 ? key : name;
        } else if (depth == DEPTH_CHECK) {
            take_member(&row, key, &e);
        } else if (depth == DEPTH_STATUS && str_eq(key, STR("status"))) {
            *ret = e.text;
        }
    }
    return more;
}

static int show(const struct client_reply *reply)
{
    struct arena a;
    arena_init(&a);
    struct str status = {0};
    struct why why = {0};
    int err = put_checks(buf_str(&reply->body), &a, &status, &why);
    if (err == 0)
        printf("the whole: " STR_FMT "\n", STR_ARG(status));
    else
        fprintf(stderr, "sonde status: the answer is no health report: %s\n", why.text);
    int code = err != 0 ? 2 : str_eq(status, STR("pass")) ? 0 : 1;
    arena_done(&a);
    return code;
}

/* --server URL, --url URL, or either with "="; false for any other words. */
static bool server_of(int argc, char **argv, const char **ret)
{
    static const char *const NAMES[] = {"--server", "--url"};
    for (size_t i = 0; i < COUNTOF(NAMES); i++) {
        size_t n = strlen(NAMES[i]);
        if (argc == 2 && strcmp(argv[0], NAMES[i]) == 0) {
            *ret = argv[1];
            return true;
        }
        if (argc == 1 && strncmp(argv[0], NAMES[i], n) == 0 && argv[0][n] == '=') {
            *ret = argv[0] + n + 1;
            return true;
        }
    }
    return argc == 0;
}

/* What sonde-watch keeps running, where it runs. */
static void put_programs(const char *base)
{
    struct buf out;
    buf_init(&out, PROGRAMS_MAX);
    if (top_programs(base, terminal_is(1), &out))
        printf("\n" STR_FMT, STR_ARG(buf_str(&out)));
    buf_done(&out);
}

/* The answer of /api/v1/system/status without its envelope. */
static int put_json(const char *base)
{
    char url[URL_BYTES];
    struct client_reply reply;
    struct why why = {0};
    struct arena a;
    snprintf(url, sizeof url, "%s/api/v1/system/status", base);
    if (client_get(url, &reply, &why) != 0) {
        fprintf(stderr, "sonde status: %s\n", why.text);
        return 2;
    }
    static const struct str BEGIN = {"{\"status\":\"success\",\"data\":", 27};
    const struct json_tree *tree = NULL;
    struct str body = buf_str(&reply.body), status = {0};
    arena_init(&a);
    int code = 2;
    if (reply.status == 200 && str_starts(body, BEGIN) &&
        json_tree_parse(body, &a, &tree, &why) == 0) {
        status = json_tree_text(tree, "data.status");
        printf(STR_FMT "\n", STR_ARG(str_sub(body, BEGIN.n, body.n - 1)));
        code = str_eq(status, STR("healthy")) ? 0 : 1;
    } else {
        fprintf(stderr, "sonde status: %s answers with status %d and no report\n", url,
                reply.status);
    }
    arena_done(&a);
    client_reply_done(&reply);
    return code;
}

int status_run(int argc, char **argv)
{
    const char *base = "http://127.0.0.1:7663";
    bool json = argc > 0 && strcmp(argv[0], "--json") == 0;
    argc -= json;
    argv += json;
    if (!server_of(argc, argv, &base)) {
        fprintf(stderr, "usage: sonde status [--json] [--server http://127.0.0.1:7663]\n");
        return 2;
    }
    if (json)
        return put_json(base);
    char url[URL_BYTES];
    struct client_reply reply;
    struct why why = {0};
    snprintf(url, sizeof url, "%s/health", base);
    if (client_get(url, &reply, &why) != 0) {
        fprintf(stderr, "sonde status: %s\n", why.text);
        return 2;
    }
    int code = show(&reply);
    client_reply_done(&reply);
    put_programs(base);
    return code;
}
