/* The answer of an HTTP server, asked for on the loop. */
#include "base/mem.h"
#include "custom/custom_reader.h"
#include "custom/custom_source.h"
#include "net/fetch.h"

struct state {
    const struct custom_settings_http *settings;
    struct fetch_settings fetch;
    struct fetch_client *client;
    struct custom_reader *reader;
    struct custom_source_run *run; /* of the request in progress */
    void (*done)(void *context, int err);
    void *context;
};

static void close_state(void *state)
{
    struct state *s = state;
    fetch_client_free(s->client);
    custom_reader_free(s->reader);
    mem_free(s);
}

static void fill(struct state *s)
{
    const struct custom_settings_http *h = s->settings;
    s->fetch = fetch_settings_default;
    s->fetch.username = str_c(h->username);
    s->fetch.password = str_c(h->password);
    s->fetch.password_file = str_c(h->password_file);
    if (h->bearer[0] || h->bearer_file[0])
        s->fetch.authorization_type = STR("Bearer");
    s->fetch.credentials = str_c(h->bearer);
    s->fetch.credentials_file = str_c(h->bearer_file);
    s->fetch.tls.ca_file = str_c(h->ca_file);
    s->fetch.tls.server_name = str_c(h->server_name);
    s->fetch.tls.insecure_skip_verify = h->insecure_skip_verify;
    s->fetch.follow_redirects = h->follow_redirects;
}

static int open_state(const struct custom_source_host *host, const struct custom_settings_row *row,
                      void **ret, struct why *why)
{
    struct state *s = mem_new(sizeof *s);
    s->settings = (const struct custom_settings_http *)row;
    fill(s);
    int err = custom_reader_new(row, &s->settings->answer, &s->reader, why);
    if (err == 0)
        err = fetch_client_new(host->fetcher, &s->fetch, &s->client, why);
    if (err != 0) {
        close_state(s);
        return err;
    }
    *ret = s;
    return 0;
}

static void on_answer(void *context, const struct fetch_answer *a)
{
    struct state *s = context;
    struct custom_source_run *r = s->run;
    int err = 0;
    if (a->err != 0)
        err = why_set(&r->why, (enum err) - a->err, "%s", a->why);
    else if (a->status < 200 || a->status > 299)
        err = why_set(&r->why, ERR_STATE, "the server answered with status %d", a->status);
    else
        err = custom_reader_run(s->reader, a->body, 0, &r->emit, &r->why);
    s->run = NULL;
    s->done(s->context, err);
}

static void start(void *state, struct custom_source_run *run, void (*done)(void *context, int err),
                  void *context)
{
    struct state *s = state;
    const struct custom_settings_http *h = s->settings;
    struct fetch_request request = {.url = h->url,
                                    .headers = h->headers.v,
                                    .headers_n = h->headers.n,
                                    .body = str_c(h->body),
                                    .timeout_ms = h->row.timeout_ms,
                                    .body_max = (size_t)h->body_bytes_max,
                                    .gzip = true,
                                    .done = on_answer,
                                    .context = s};
    s->run = run;
    s->done = done;
    s->context = context;
    fetch_start(s->client, &request, NULL);
}

const struct custom_source_ops custom_http_source = {
    .kind = "http", .open = open_state, .start = start, .close = close_state};
