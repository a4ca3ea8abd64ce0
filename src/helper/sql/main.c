/* sonde-helper-sql - makes one query that changes nothing and prints its rows.
 *
 * Standard input: a JSON object, as custom/custom_rows.h asks. Standard output: a line with an
 * array of the columns' names, one for each row, "end". Where it fails, a sentence on standard
 * error and exit status 1. It is no part of the daemon, so that a fault of a client library, or a
 * database that hangs, is none of the daemon's. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/arena.h"
#include "helper/sql/ask.h"
#include "text/json_tree.h"

enum { INPUT_MAX = 1 << 20, PIECE = 16 * 1024, LATE_MS = 500 };

static int read_input(struct buf *in, struct why *why)
{
    char piece[PIECE];
    ssize_t n;
    while ((n = read(STDIN_FILENO, piece, sizeof piece)) > 0)
        buf_put(in, piece, (size_t)n);
    if (n < 0 || buf_failed(in))
        return why_set(why, ERR_IO, "standard input cannot be read");
    return 0;
}

static void take(const struct json_tree *root, struct ask *ret)
{
    *ret = (struct ask){.dsn = json_tree_text(root, "dsn").p,
                        .password = json_tree_text(root, "password").p,
                        .path = json_tree_text(root, "path").p,
                        .query = json_tree_text(root, "query").p,
                        .timeout_ms = json_tree_whole(root, "timeout_ms"),
                        .rows_max = (size_t)json_tree_whole(root, "rows_max")};
}

/* The last resort where a library hangs. */
static void on_alarm(int signum)
{
    static const char TEXT[] = "the time is over\n";
    (void)signum;
    (void)!write(STDERR_FILENO, TEXT, sizeof TEXT - 1);
    _exit(1);
}

int main(void)
{
    const struct json_tree *root;
    struct ask ask;
    struct arena a;
    struct buf in, out;
    struct why why = {0};
    arena_init(&a);
    buf_init(&in, INPUT_MAX);
    buf_init(&out, ASK_OUTPUT_MAX);
    int err = read_input(&in, &why);
    if (err == 0)
        err = json_tree_parse(buf_str(&in), &a, &root, &why);
    if (err == 0) {
        take(root, &ask);
        bool sqlite = str_eq(json_tree_text(root, "driver"), STR("sqlite"));
        signal(SIGALRM, on_alarm);
        alarm((unsigned)((ask.timeout_ms + LATE_MS + 999) / 1000));
        err = sqlite ? ask_sqlite(&ask, &out, &why) : ask_postgresql(&ask, &out, &why);
    }
    if (err == 0 && buf_failed(&out))
        err = why_set(&why, ERR_LIMIT, "the answer has more than %d bytes", ASK_OUTPUT_MAX);
    if (err == 0 && fwrite(out.p, 1, out.n, stdout) != out.n)
        err = why_set(&why, ERR_IO, "standard output cannot be written");
    if (err == 0)
        puts("end");
    else
        fprintf(stderr, "%s\n", why.text[0] ? why.text : err_text(err));
    buf_done(&in);
    buf_done(&out);
    arena_done(&a);
    return err == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
