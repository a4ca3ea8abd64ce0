/* An HTTP server's answer: plain ones by the prober, TLS and redirects by net/fetch. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "health/checkup_kind.h"
#include "net/base64.h"

enum { DAY_MS = 86400000, BODY_MAX = 64 * 1024, HEADERS_MAX = 64, SHOWN = 60 };

struct state {
    const struct checkup_settings *settings;
    const struct clock *clock;
    struct prober_probe *probe; /* one of the two */
    struct fetch_client *client;
    struct fetch *fetch;
    struct fetch_settings how;
    struct checkup_result *result;
    checkup_done_f *done;
    void *context;
};

static void close_state(void *state)
{
    struct state *s = state;
    prober_probe_free(s->probe);
    fetch_client_free(s->client);
    mem_free(s);
}

/* ---- judging */

static bool is_good(const struct checkup_settings *s, int status)
{
    for (size_t i = 0; i < s->status.n; i++) {
        struct str range = str_c(s->status.v[i]);
        size_t dash = str_find(range, '-');
        uint64_t from = 0, to = 0;
        (void)str_u64(str_sub(range, 0, dash), &from); /* checked when it was read */
        to = from;
        if (dash < range.n)
            (void)str_u64(str_sub(range, dash + 1, range.n), &to);
        if ((uint64_t)status >= from && (uint64_t)status <= to)
            return true;
    }
    return false;
}

static void judge(const struct state *s, int status, struct str body, struct str location)
{
    const char *wanted = s->settings->contains;
    struct checkup_result *r = s->result;
    if (!is_good(s->settings, status)) {
        if (location.n > 0)
            checkup_result_say(r, HEALTH_UNHEALTHY,
                               "the server answered with status %d and leads to " STR_FMT, status,
                               STR_ARG(str_sub(location, 0, 200)));
        else
            checkup_result_say(r, HEALTH_UNHEALTHY, "the server answered with status %d", status);
    } else if (wanted[0] != '\0' && str_search(body, str_c(wanted)) == body.n) {
        checkup_result_say(r, HEALTH_UNHEALTHY, "\"%.*s\" is not in the answer", SHOWN, wanted);
    } else {
        checkup_result_say(r, HEALTH_OK, "status %d", status);
    }
    checkup_result_figure(r, STR("status"), STR(""), status);
}

static void judge_certificate(const struct state *s, int64_t ends_ms)
{
    if (ends_ms == 0)
        return;
    double days = (double)(ends_ms - clock_wall_ms(s->clock)) / DAY_MS;
    checkup_result_figure(s->result, STR("certificate_days"), STR("d"), days);
    checkup_result_figure(s->result, STR("certificate_ends"), STR("s"), (double)(ends_ms / 1000));
    if (s->result->state != HEALTH_OK)
        return;
    if (days < 0)
        checkup_result_say(s->result, HEALTH_UNHEALTHY, "the certificate ended %.1f days ago",
                           -days);
    else if (days < (double)s->settings->certificate_days)
        checkup_result_say(s->result, HEALTH_DEGRADED, "the certificate ends in %.1f days", days);
}

static void finish(struct state *s)
{
    checkup_done_f *done = s->done;
    s->done = NULL;
    done(s->context);
}

static void on_probe(void *context, const struct prober_answer *a)
{
    struct state *s = context;
    s->result->duration_s = (double)a->duration_ns / 1e9;
    if (a->err != 0)
        checkup_result_say(s->result, HEALTH_UNHEALTHY, "%s", a->why);
    else
        judge(s, a->status, a->body, prober_header(a, STR("Location")));
    finish(s);
}

static void on_fetch(void *context, const struct fetch_answer *a)
{
    struct state *s = context;
    s->fetch = NULL;
    s->result->duration_s = (double)a->duration_ns / 1e9;
    if (a->err != 0)
        checkup_result_say(s->result, HEALTH_UNHEALTHY, "%s", a->why);
    else
        judge(s, a->status, str_sub(a->body, 0, BODY_MAX), fetch_header_of(a, STR("Location")));
    judge_certificate(s, a->certificate_ends_ms);
    finish(s);
}

/* ---- asking */

static void start(void *state, struct checkup_result *ret, checkup_done_f *done, void *context)
{
    struct state *s = state;
    const struct checkup_settings *c = s->settings;
    s->result = ret;
    s->done = done;
    s->context = context;
    if (s->probe != NULL) {
        prober_ask(s->probe, on_probe, s);
        return;
    }
    bool tls = strncmp(c->url, "https:", 6) == 0;
    const struct fetch_request request = {.method = c->method[0] ? c->method : NULL,
                                          .url = c->url,
                                          .unix_path = c->unix_path[0] ? c->unix_path : NULL,
                                          .headers = c->headers.v,
                                          .headers_n = c->headers.n,
                                          .body = str_c(c->body),
                                          .timeout_ms = c->timeout_ms,
                                          .certificate = tls && c->certificate_days > 0,
                                          .done = on_fetch,
                                          .context = s};
    fetch_start(s->client, &request, &s->fetch);
}

static int open_fetch(struct state *s, const struct checkup_host *host, struct why *why)
{
    const struct checkup_settings *c = s->settings;
    s->how = fetch_settings_default;
    s->how.username = str_c(c->username);
    s->how.password = str_c(c->password);
    if (c->bearer[0] != '\0')
        s->how.authorization_type = STR("Bearer");
    s->how.credentials = str_c(c->bearer);
    s->how.tls.ca_file = str_c(c->ca_file);
    s->how.tls.server_name = str_c(c->server_name);
    s->how.tls.insecure_skip_verify = c->insecure_skip_verify;
    s->how.follow_redirects = c->follow_redirects;
    s->how.no_link_local = c->made;
    return fetch_client_new(host->fetcher, &s->how, &s->client, why);
}

static void put_authorization(const struct checkup_settings *c, struct buf *b)
{
    struct buf pair;
    buf_init(&pair, 8192);
    if (c->bearer[0] != '\0') {
        buf_printf(b, "Authorization: Bearer %s", c->bearer);
    } else if (c->username[0] != '\0' || c->password[0] != '\0') {
        buf_printf(&pair, "%s:%s", c->username, c->password);
        buf_put_str(b, STR("Authorization: Basic "));
        base64_put(b, buf_str(&pair));
    }
    buf_put_c(b, '\0');
    buf_done(&pair);
}

static int open_probe(struct state *s, const struct checkup_host *host, struct why *why)
{
    const struct checkup_settings *c = s->settings;
    const char *headers[HEADERS_MAX + 1];
    struct buf authorization;
    size_t n = MIN(c->headers.n, (size_t)HEADERS_MAX);
    buf_init(&authorization, 128 * 1024);
    put_authorization(c, &authorization);
    if (n > 0)
        memcpy(headers, c->headers.v, n * sizeof *headers);
    if (authorization.n > 1)
        headers[n++] = authorization.p;
    const struct prober_http how = {.url = str_c(c->url),
                                    .unix_path = c->unix_path[0] ? c->unix_path : NULL,
                                    .method = c->method[0] ? c->method : NULL,
                                    .headers = headers,
                                    .headers_n = n,
                                    .body = str_c(c->body),
                                    .timeout_ms = c->timeout_ms,
                                    .fresh = c->fresh_connection,
                                    .no_link_local = c->made};
    int err = prober_http_new(host->prober, &how, &s->probe, why);
    buf_done(&authorization);
    return err;
}

static int open_state(const struct checkup_host *host, const struct checkup_settings *c, void **ret,
                      struct why *why)
{
    struct state *s = mem_new(sizeof *s);
    bool tls = strncmp(c->url, "https:", 6) == 0;
    s->settings = c;
    s->clock = host->clock;
    int err = tls || c->follow_redirects ? open_fetch(s, host, why) : open_probe(s, host, why);
    if (err != 0)
        close_state(s);
    else
        *ret = s;
    return err;
}

const struct checkup_kind checkup_http_kind = {
    .name = "http", .open = open_state, .start = start, .close = close_state};
