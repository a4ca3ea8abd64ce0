#include "cli/post.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "net/client.h"
#include "text/json_tree.h"

enum { URL_BYTES = 8192, TRY_MS = 10000, PAUSE_MS = 1000, PAUSE_MAX_MS = 30000 };

void post_encode(struct str s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '_' || c == '.' || c == '~';
        if (plain)
            buf_put_c(out, (char)c);
        else
            buf_printf(out, "%%%02X", c);
    }
}

const char *post_option(int argc, char **argv, int *i, const char *name)
{
    size_t n = strlen(name);
    if (strncmp(argv[*i], name, n) != 0)
        return NULL;
    if (argv[*i][n] == '=')
        return argv[*i] + n + 1;
    if (argv[*i][n] != '\0' || *i + 1 >= argc)
        return NULL;
    return argv[++*i];
}

/* The sentence of an answer that refuses. */
static int refused(const struct client_reply *reply, struct why *why)
{
    struct arena a;
    const struct json_tree *tree = NULL;
    arena_init(&a);
    struct str text = str_trim(str_sub(buf_str(&reply->body), 0, 300));
    if (json_tree_parse(buf_str(&reply->body), &a, &tree, NULL) == 0)
        text = json_tree_text(tree, "error");
    int err =
        why_set(why, ERR_FORMAT, "the daemon answers %d: " STR_FMT, reply->status, STR_ARG(text));
    arena_done(&a);
    return err;
}

static int send_once(const struct client_request *request, struct buf *ret, struct why *why)
{
    struct client_reply reply;
    int err = client_send(request, &reply, why);
    if (err)
        return err == -ERR_FORMAT ? err : -ERR_BUSY;
    if (reply.status < 200 || reply.status > 299)
        err = refused(&reply, why);
    else if (ret)
        buf_put_str(ret, buf_str(&reply.body));
    bool later = reply.status >= 500 || reply.status == 429;
    client_reply_done(&reply);
    return err && later ? -ERR_BUSY : err;
}

int post_send(const char *base, const char *path, const char *content_type, struct str body,
              int64_t patience_ms, struct buf *ret, struct why *why)
{
    char url[URL_BYTES], type[200];
    int n = snprintf(url, sizeof url, "%s%s", base, path);
    snprintf(type, sizeof type, "Content-Type: %s", content_type);
    const char *const headers[] = {type};
    if (n >= (int)sizeof url)
        return why_set(why, ERR_FORMAT, "the URL is too long");
    struct client_request request = {.method = "POST",
                                     .url = url,
                                     .headers = headers,
                                     .headers_n = COUNTOF(headers),
                                     .body = body,
                                     .timeout_ms = TRY_MS};
    int64_t until_ns = clock_monotonic_ns(&clock_real) + patience_ms * 1000000;
    int64_t pause_ms = PAUSE_MS;
    for (;;) {
        int err = send_once(&request, ret, why);
        int64_t left_ms = (until_ns - clock_monotonic_ns(&clock_real)) / 1000000;
        if (err != -ERR_BUSY || left_ms <= 0)
            return err;
        int64_t wait_ms = MIN(pause_ms, left_ms);
        struct timespec pause = {wait_ms / 1000, wait_ms % 1000 * 1000000};
        nanosleep(&pause, NULL);
        pause_ms = MIN(pause_ms * 2, (int64_t)PAUSE_MAX_MS);
    }
}
