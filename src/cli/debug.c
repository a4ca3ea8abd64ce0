#include "cli/debug.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "cli/debug_client.h"
#include "cli/debug_shell.h"
#include "cli/flame.h"
#include "cli/json_show.h"
#include "cli/post.h"
#include "os/file.h"
#include "os/terminal.h"
#include "text/json_tree.h"

enum {
    TIMEOUT_MS = 10000,
    OUT_MAX = 256 << 20,
    LINE_MAX_BYTES = 8192,
    SECONDS_STANDARD = 10,
    SECONDS_MAX = 3600,
    HZ_STANDARD = 99,
    HZ_MAX = 1000,
    EXIT_USAGE = 2,
    EXIT_NOBODY = 3,
};

struct words {
    bool json;
    int64_t timeout_ms, seconds, hz;
    const char *output; /* of `profile` */
    const char *socket;
    char **rest; /* [rest_n]: the command */
    int rest_n;
};

static void put_out(struct buf *out)
{
    fwrite(out->p, 1, out->n, stdout);
    fflush(stdout);
    buf_done(out);
}

/* Shows an answer: as it is, or for people. False where it is an error. */
static bool show(struct str answer, bool json)
{
    struct arena a;
    struct buf out;
    struct why why = {0};
    const struct json_tree *tree = NULL;
    arena_init(&a);
    buf_init(&out, OUT_MAX);
    int err = json_tree_parse(answer, &a, &tree, &why);
    const struct json_tree *error = err == 0 ? json_tree_get(tree, "error") : NULL;
    bool good = err == 0 && !(json_tree_n(error) > 0 && json_tree_n(tree) == 1);
    if (json) {
        buf_put_str(&out, answer);
        buf_put_c(&out, '\n');
    } else if (err != 0) {
        fprintf(stderr, "sonde debug: the answer is no JSON: %s\n", why.text);
    } else if (!good) {
        struct str message = json_tree_text(error, "message");
        fprintf(stderr, "sonde debug: " STR_FMT "\n", STR_ARG(message));
    } else {
        json_show(tree, &out);
    }
    put_out(&out);
    arena_done(&a);
    return good;
}

static bool do_line(struct debug_client *c, struct str line, bool json, int *status)
{
    struct str answer;
    struct why why = {0};
    if (debug_client_ask(c, line, &answer, &why) != 0) {
        fprintf(stderr, "sonde debug: %s\n", why.text);
        *status = EXIT_NOBODY;
        return false;
    }
    if (!show(answer, json))
        *status = 1;
    return true;
}

/* ---- `profile --seconds N`: takes one from start to end and writes a file */

static bool ends(const char *s, const char *suffix)
{
    return str_ends(str_c(s), str_c(suffix));
}

static int ask_tree(struct debug_client *c, const char *line, struct arena *a,
                    const struct json_tree **ret, struct why *why)
{
    struct str answer;
    int err = debug_client_ask(c, str_c(line), &answer, why);
    if (err == 0)
        err = json_tree_parse(answer, a, ret, why);
    const struct json_tree *error = err == 0 ? json_tree_get(*ret, "error") : NULL;
    if (json_tree_n(error) > 0) {
        struct str message = json_tree_text(error, "message");
        return why_set(why, ERR_STATE, STR_FMT, STR_ARG(message));
    }
    return err;
}

static int from_base64(struct str s, struct buf *out)
{
    uint32_t bits = 0;
    unsigned have = 0;
    for (size_t i = 0; i < s.n && s.p[i] != '='; i++) {
        static const char DIGITS[] =
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        const char *at = strchr(DIGITS, s.p[i]);
        if (at == NULL || s.p[i] == 0)
            return -ERR_FORMAT;
        bits = bits << 6 | (uint32_t)(at - DIGITS);
        have += 6;
        if (have >= 8) {
            have -= 8;
            buf_put_c(out, (char)(bits >> have & 0xff));
        }
    }
    return 0;
}

static int render(const struct words *w, const struct json_tree *answer, struct buf *out,
                  struct why *why)
{
    struct str folded = json_tree_text(answer, "folded");
    if (w->output != NULL && ends(w->output, ".svg")) {
        char title[200];
        snprintf(title, sizeof title, "%s: processor time, %lld s", w->socket,
                 (long long)w->seconds);
        return flame_svg(folded, str_c(title), out, why);
    }
    if (w->output != NULL && ends(w->output, ".pb"))
        return from_base64(json_tree_text(answer, "base64"), out);
    buf_put_str(out, folded);
    return 0;
}

static int write_profile(const struct words *w, const struct json_tree *answer, struct why *why)
{
    struct buf out;
    buf_init(&out, OUT_MAX);
    int err = render(w, answer, &out, why);
    if (err == 0 && w->output != NULL) {
        err = file_write(w->output, buf_str(&out), why);
        if (err == 0)
            fprintf(stderr, "%lld samples, %lld lost: %s\n",
                    (long long)json_tree_whole(answer, "samples"),
                    (long long)json_tree_whole(answer, "lost"), w->output);
        buf_done(&out);
    } else if (err == 0) {
        put_out(&out);
    } else {
        buf_done(&out);
    }
    return err;
}

static int take_profile(struct debug_client *c, const struct words *w)
{
    char line[100];
    struct arena a;
    struct why why = {0};
    const struct json_tree *answer;
    bool pprof = w->output != NULL && ends(w->output, ".pb");
    arena_init(&a);
    snprintf(line, sizeof line, "profile start %lld %lld", (long long)w->hz, (long long)w->seconds);
    int err = ask_tree(c, line, &a, &answer, &why);
    if (err == 0) {
        fprintf(stderr, "sampling for %lld s ..\n", (long long)w->seconds);
        sleep((unsigned)w->seconds);
        err = ask_tree(c, pprof ? "profile stop pprof" : "profile stop folded", &a, &answer, &why);
    }
    if (err == 0)
        err = write_profile(w, answer, &why);
    if (err != 0)
        fprintf(stderr, "sonde debug: %s\n", why.text);
    arena_done(&a);
    return err != 0;
}

/* ---- words */

static bool number_of(const char *word, int64_t most, int64_t *ret)
{
    return str_i64(str_c(word), ret) && *ret >= 1 && *ret <= most;
}

static int usage(const char *problem)
{
    fprintf(
        stderr,
        "sonde debug: %s\n"
        "usage: sonde debug                               the debug sockets that there are\n"
        "       sonde debug SOCKET|PID|SERVICE            a prompt (lines, where it is a pipe)\n"
        "       sonde debug SOCKET [--json] COMMAND..     one command (`help` lists them)\n"
        "       sonde debug SOCKET [--seconds N] [--hz N] [--output FILE.svg|.pb|.folded] "
        "profile\n",
        problem);
    return EXIT_USAGE;
}

/* Options stand before the command, whose words are its own. NULL, or what is wrong. */
static const char *read_words(int argc, char **argv, struct words *w)
{
    for (int i = 0; i < argc; i++) {
        const char *value;
        if (strcmp(argv[i], "--json") == 0) {
            w->json = true;
        } else if ((value = post_option(argc, argv, &i, "--seconds")) != NULL) {
            if (!number_of(value, SECONDS_MAX, &w->seconds))
                return "--seconds needs a number from 1 to 3600";
        } else if ((value = post_option(argc, argv, &i, "--hz")) != NULL) {
            if (!number_of(value, HZ_MAX, &w->hz))
                return "--hz needs a number from 1 to 1000";
        } else if ((value = post_option(argc, argv, &i, "--timeout")) != NULL) {
            if (!number_of(value, SECONDS_MAX, &w->timeout_ms))
                return "--timeout needs a number of seconds";
            w->timeout_ms *= 1000;
        } else if ((value = post_option(argc, argv, &i, "--output")) != NULL) {
            w->output = value;
        } else if (argv[i][0] == '-') {
            return "an unknown option";
        } else if (w->socket == NULL) {
            w->socket = argv[i];
        } else {
            w->rest = argv + i;
            w->rest_n = argc - i;
            return NULL;
        }
    }
    return NULL;
}

/* The command as a line; words with spaces in quotation marks. */
static void join(const struct words *w, struct buf *line)
{
    for (int i = 0; i < w->rest_n; i++) {
        bool quote = strpbrk(w->rest[i], " \t") != NULL;
        buf_printf(line, "%s%s%s%s", i > 0 ? " " : "", quote ? "\"" : "", w->rest[i],
                   quote ? "\"" : "");
    }
}

static int list_sockets(void)
{
    struct buf out;
    buf_init(&out, OUT_MAX);
    debug_client_list(&out);
    if (out.n == 0)
        fprintf(stderr,
                "no program offers a debug socket here: its setting debug.socket = auto, or "
                "SONDE_DEBUG_SOCKET=auto in its environment, opens one\n");
    put_out(&out);
    return 0;
}

static int converse(const struct words *w)
{
    struct debug_client c;
    struct why why = {0};
    if (debug_client_open(w->socket, w->timeout_ms, &c, &why) != 0) {
        fprintf(stderr, "sonde debug: %s\n", why.text);
        return EXIT_NOBODY;
    }
    int status = 0;
    if (w->rest_n == 0) {
        status = debug_shell(&c, w->json, do_line);
    } else if (w->rest_n == 1 && strcmp(w->rest[0], "profile") == 0) {
        status = take_profile(&c, w);
    } else {
        struct buf line;
        buf_init(&line, LINE_MAX_BYTES);
        join(w, &line);
        do_line(&c, buf_str(&line), w->json, &status);
        buf_done(&line);
    }
    debug_client_close(&c);
    return status;
}

int debug_run(int argc, char **argv)
{
    struct words w = {.timeout_ms = TIMEOUT_MS, .seconds = SECONDS_STANDARD, .hz = HZ_STANDARD};
    const char *problem = read_words(argc, argv, &w);
    if (problem != NULL)
        return usage(problem);
    return w.socket == NULL ? list_sockets() : converse(&w);
}
