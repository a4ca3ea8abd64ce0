#include "cli/watch_ctl.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "cli/watch_table.h"
#include "os/terminal.h"
#include "text/json_tree.h"
#include "watch/control_client.h"
#include "watch/feed/watch_view.h"

enum {
    TIMEOUT_MS = 10000,
    TABLE_MAX = 8 << 20,
    FOR_EVER = 1 << 30, /* ms */
    DATE_MAX = 40,
};

static int exit_of(int err)
{
    return err == -ERR_NOENT || err == -ERR_CLOSED ? WATCH_CTL_NOBODY : WATCH_CTL_FAILED;
}

static int tell(int err, const struct why *why, int status)
{
    fprintf(stderr, "sonde watch: %s\n", why->text[0] ? why->text : err_text(err));
    return status;
}

/* A connection, or the exit status in *ret_status. */
static struct control_client *open_client(const struct watch_ctl *c, int *ret_status)
{
    struct control_client *client;
    struct why why = {0};
    int err = control_client_open(c->socket, TIMEOUT_MS, &client, &why);
    if (err == 0)
        return client;
    *ret_status = tell(err, &why, exit_of(err));
    return NULL;
}

/* The first line of the answer, which says ok; or the exit status. */
static int ask(const struct watch_ctl *c, struct control_client *client,
               const struct control_request *r, struct str *ret)
{
    struct why why = {0};
    int64_t timeout = TIMEOUT_MS + c->wait_ms;
    if (r->verb == CONTROL_CHECK)
        timeout += TIMEOUT_MS;
    int err = control_client_send(client, r, &why);
    if (err == 0)
        err = control_client_next(client, timeout, ret, &why);
    if (err != 0)
        return tell(err, &why, exit_of(err == -ERR_END ? -ERR_CLOSED : err));
    err = control_client_answer(*ret, &why);
    if (err != 0)
        return tell(err, &why, err == -ERR_NOENT ? WATCH_CTL_UNKNOWN : WATCH_CTL_FAILED);
    return WATCH_CTL_OK;
}

bool watch_ctl_runs(const char *socket)
{
    struct control_client *client;
    struct why ignored = {0};
    if (control_client_open(socket, TIMEOUT_MS, &client, &ignored) != 0)
        return false;
    control_client_free(client);
    return true;
}

/* ---- status */

static int show_status(const struct watch_ctl *c, struct str answer)
{
    static const int EXITS[] = {WATCH_CTL_OK, WATCH_CTL_FAILED, WATCH_CTL_CRITICAL};
    struct arena a;
    struct watch_view view;
    struct why why = {0};
    arena_init(&a);
    int err = watch_view_read(answer, &a, &view, &why);
    int status = err != 0 ? tell(err, &why, WATCH_CTL_FAILED) : EXITS[watch_view_worst(&view)];
    if (err == 0 && c->json) {
        printf(STR_FMT "\n", STR_ARG(answer));
    } else if (err == 0) {
        struct buf out;
        buf_init(&out, TABLE_MAX);
        watch_table(&view, terminal_is(1), &out);
        printf(STR_FMT, STR_ARG(buf_str(&out)));
        buf_done(&out);
    }
    arena_done(&a);
    return status;
}

int watch_ctl_status(const struct watch_ctl *c, const char *target)
{
    const struct control_request r = control_request_of(CONTROL_STATUS, target);
    int status = WATCH_CTL_FAILED;
    struct control_client *client = open_client(c, &status);
    if (client == NULL)
        return status;
    struct str answer;
    status = ask(c, client, &r, &answer);
    if (status == WATCH_CTL_OK)
        status = show_status(c, answer);
    control_client_free(client);
    return status;
}

/* ---- logs and events */

/* 2026-01-02T13:36:40.200Z */
static const char *date_of(int64_t ms, char ret[DATE_MAX])
{
    time_t s = (time_t)(ms / 1000);
    struct tm tm;
    gmtime_r(&s, &tm);
    size_t n = strftime(ret, DATE_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(ret + n, DATE_MAX - n, ".%03dZ", (int)(ms % 1000));
    return ret;
}

static void put_line(const struct watch_ctl *c, const struct control_request *r, struct str line)
{
    struct arena a;
    const struct json_tree *t;
    arena_init(&a);
    if (c->json || json_tree_parse(line, &a, &t, NULL) != 0) {
        printf(STR_FMT "\n", STR_ARG(line));
    } else if (r->verb == CONTROL_LOGS) {
        printf(STR_FMT " | " STR_FMT "\n", STR_ARG(json_tree_text(t, "unit")),
               STR_ARG(json_tree_text(t, "text")));
    } else {
        char date[DATE_MAX];
        printf("%s %-5.*s %-8.*s " STR_FMT " " STR_FMT "\n",
               date_of(json_tree_whole(t, "time_ms"), date), STR_ARG(json_tree_text(t, "level")),
               STR_ARG(json_tree_text(t, "kind")), STR_ARG(json_tree_text(t, "unit")),
               STR_ARG(json_tree_text(t, "text")));
    }
    arena_done(&a);
}

static int64_t lines_of(struct str answer)
{
    struct arena a;
    const struct json_tree *t;
    arena_init(&a);
    int64_t n = json_tree_parse(answer, &a, &t, NULL) == 0 ? json_tree_whole(t, "lines") : 0;
    arena_done(&a);
    return n;
}

/* The lines that follow the answer; with follow until the other side ends. */
static int show_lines(const struct watch_ctl *c, struct control_client *client,
                      const struct control_request *r, struct str answer)
{
    struct why why = {0};
    int64_t left = lines_of(answer);
    for (; r->follow || left > 0; left--) {
        struct str line;
        int err = control_client_next(client, r->follow ? FOR_EVER : TIMEOUT_MS, &line, &why);
        if (err == -ERR_END)
            return WATCH_CTL_OK;
        if (err != 0)
            return tell(err, &why, WATCH_CTL_FAILED);
        put_line(c, r, line);
        if (r->follow)
            fflush(stdout);
    }
    return WATCH_CTL_OK;
}

/* ---- the others */

static int show_units(const struct watch_ctl *c, const struct control_request *r,
                      const struct json_tree *t)
{
    const struct json_tree *units = json_tree_get(t, "units");
    const struct json_tree *reached = json_tree_get(t, "reached");
    bool waited = c->wait_ms > 0 && reached != NULL;
    for (size_t i = 0; i < json_tree_n(units); i++)
        printf("%s " STR_FMT "\n", control_word(r->verb),
               STR_ARG(json_tree_text(&units->children[i], "")));
    if (!waited || reached->type == JSON_TRUE || json_tree_n(reached) == json_tree_n(units))
        return WATCH_CTL_OK;
    fprintf(stderr,
            "sonde watch: not all of them are there after %lld ms; see: sonde watch status\n",
            (long long)c->wait_ms);
    return WATCH_CTL_FAILED;
}

static int show_checks(const struct json_tree *checks)
{
    int status = WATCH_CTL_OK;
    for (size_t i = 0; i < json_tree_n(checks); i++) {
        const struct json_tree *check = &checks->children[i];
        bool ok = json_tree_true(check, "ok");
        printf("%-5s " STR_FMT " " STR_FMT " %lld ms " STR_FMT "\n", ok ? "ok" : "FAILS",
               STR_ARG(json_tree_text(check, "unit")), STR_ARG(json_tree_text(check, "which")),
               (long long)json_tree_whole(check, "duration_ms"),
               STR_ARG(json_tree_text(check, "message")));
        status = ok ? status : WATCH_CTL_FAILED;
    }
    return status;
}

static void show_plan(const struct json_tree *t)
{
    static const char *const LISTS[] = {"added", "changed", "removed", "kept"};
    for (size_t k = 0; k < COUNTOF(LISTS); k++) {
        const struct json_tree *names = json_tree_get(t, LISTS[k]);
        for (size_t i = 0; i < json_tree_n(names); i++)
            printf("%s " STR_FMT "\n", LISTS[k], STR_ARG(json_tree_text(&names->children[i], "")));
    }
}

static int show(const struct watch_ctl *c, const struct control_request *r, struct str answer)
{
    struct arena a;
    const struct json_tree *t;
    struct why why = {0};
    int status = WATCH_CTL_OK;
    arena_init(&a);
    if (c->json)
        printf(STR_FMT "\n", STR_ARG(answer));
    else if (json_tree_parse(answer, &a, &t, &why) != 0)
        status = tell(why.err, &why, WATCH_CTL_FAILED);
    else if (r->verb == CONTROL_CHECK)
        status = show_checks(json_tree_get(t, "checks"));
    else if (r->verb == CONTROL_PLAN)
        show_plan(t);
    else
        status = show_units(c, r, t);
    arena_done(&a);
    return status;
}

static bool verb_of(const char *word, enum control_verb *ret)
{
    for (int i = 0; i < CONTROL_VERBS; i++)
        if (strcmp(control_word((enum control_verb)i), word) == 0) {
            *ret = (enum control_verb)i;
            return true;
        }
    return false;
}

int watch_ctl_do(const struct watch_ctl *c, const char *verb, const char *target, struct str text)
{
    enum control_verb v;
    if (!verb_of(verb, &v)) {
        fprintf(stderr, "sonde watch ctl: %s is not understood; see: sonde help watch\n", verb);
        return WATCH_CTL_WRONG;
    }
    struct control_request r = control_request_of(v, target);
    r.lines = c->lines;
    r.wait_ms = c->wait_ms;
    r.follow = c->follow;
    r.dependents = c->dependents;
    if (v == CONTROL_PLAN)
        r.plan = text.p;
    if (v == CONTROL_SIGNAL)
        r.signal = text.p;
    if (v == CONTROL_UPGRADE)
        r.path = text.p;
    int status = WATCH_CTL_FAILED;
    struct control_client *client = open_client(c, &status);
    if (client == NULL)
        return status;
    struct str answer;
    status = ask(c, client, &r, &answer);
    if (status == WATCH_CTL_OK && (v == CONTROL_LOGS || v == CONTROL_EVENTS))
        status = show_lines(c, client, &r, answer);
    else if (status == WATCH_CTL_OK)
        status = show(c, &r, answer);
    control_client_free(client);
    return status;
}
