#include "net/fetch.h"

#include <pthread.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/must.h"
#include "net/fetch_state.h"
#include "pack/pack.h"

enum { CONNECTIONS_MAX = 4000, BIG_BODY = 8 * 1024 * 1024 };

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init(void)
{
    must(curl_global_init(CURL_GLOBAL_DEFAULT) == 0);
}

static void on_failed(void *fetcher);

/* ---- the fetcher */
int fetcher_new(struct loop *l, const struct fetcher_limits *limits, struct fetcher **ret)
{
    must(pthread_once(&once, init) == 0);
    struct fetcher *f = mem_new(sizeof *f);
    f->loop = l;
    f->limits = limits ? *limits : (struct fetcher_limits){0};
    if (f->limits.connections_max == 0)
        f->limits.connections_max = CONNECTIONS_MAX;
    f->lanes_n = (f->limits.connections_max + FETCH_LANE_MAX - 1) / FETCH_LANE_MAX;
    f->lanes = mem_array(f->lanes_n, sizeof(struct fetch_lane *));
    f->failed_last = &f->failed;
    f->failed_timer = timer_new(l, 0, 0, on_failed, f);
    buf_init(&f->unpacked, 0);
    *ret = f;
    return 0;
}

void fetcher_free(struct fetcher *f)
{
    if (f == NULL)
        return;
    must(f->clients_n == 0);
    for (size_t i = 0; i < f->lanes_n; i++)
        fetch_lane_free(f->lanes[i]);
    mem_free(f->lanes);
    for (size_t i = 0; i < f->sockets.n; i++)
        fetch_socket_free(f->sockets.v[i]);
    vec_free(&f->sockets);
    timer_free(f->failed_timer);
    buf_done(&f->unpacked);
    mem_free(f);
}

/* The lane that has the host's connections, or where it is full the one with most room. */
static struct fetch_lane *lane_for(struct fetcher *f, const struct fetch_request *r)
{
    struct str url = str_c(r->unix_path ? r->unix_path : r->url);
    if (r->unix_path == NULL) {
        size_t at = str_search(url, STR("://"));
        size_t end = at + 3;
        while (end < url.n && url.p[end] != '/')
            end++;
        url = str_sub(url, 0, end);
    }
    size_t pick = (size_t)(hash_xxh3(url.p, url.n, 0) % f->lanes_n);
    for (size_t i = 0; i < f->lanes_n && f->lanes[pick]; i++) {
        if (f->lanes[pick]->running < FETCH_LANE_MAX)
            break;
        size_t other = (pick + 1) % f->lanes_n;
        if (f->lanes[other] == NULL || f->lanes[other]->running < f->lanes[pick]->running)
            pick = other;
    }
    if (f->lanes[pick] == NULL)
        f->lanes[pick] = fetch_lane_new(f);
    return f->lanes[pick];
}

/* ---- the client */
static struct str from_environment(const char *upper, const char *lower)
{
    const char *v = getenv(upper);
    return str_c(v && *v ? v : getenv(lower));
}

static void open_proxy(struct fetch_client *c)
{
    c->proxy = c->settings->proxy;
    if (c->proxy.from_environment) {
        c->proxy.url = from_environment("HTTP_PROXY", "http_proxy");
        c->proxy_https = from_environment("HTTPS_PROXY", "https_proxy");
        c->proxy.no_proxy = from_environment("NO_PROXY", "no_proxy");
    }
    for (size_t i = 0; i < c->proxy.connect_headers_n; i++) {
        const struct fetch_header *h = &c->proxy.connect_headers[i];
        for (size_t j = 0; j < h->values_n; j++) {
            struct buf line;
            buf_init(&line, FETCH_SECRET_MAX);
            buf_printf(&line, STR_FMT ": " STR_FMT, STR_ARG(h->name), STR_ARG(h->values[j]));
            buf_put_c(&line, '\0');
            c->connect_headers = curl_slist_append(c->connect_headers, line.p);
            must(c->connect_headers != NULL);
            buf_done(&line);
        }
    }
}

static int check_settings(const struct fetch_settings *s, struct why *why)
{
    const struct fetch_tls *t = &s->tls;
    bool cert = t->cert.n + t->cert_file.n > 0, key = t->key.n + t->key_file.n > 0;
    bool basic = s->username.n + s->username_file.n + s->password.n + s->password_file.n > 0;
    if (s->unusable.n > 0)
        return why_set(why, ERR_FORMAT, STR_FMT, STR_ARG(s->unusable));
    if (cert != key)
        return why_set(why, ERR_FORMAT, "a client certificate and its key must both be given");
    if (t->min_version && t->max_version && t->max_version < t->min_version)
        return why_set(why, ERR_FORMAT,
                       "tls_config.max_version must be greater than or equal to "
                       "tls_config.min_version if both are specified");
    if (basic + (s->authorization_type.n > 0) + (s->oauth2 != NULL) > 1)
        return why_set(why, ERR_FORMAT,
                       "at most one of basic_auth, oauth2 & authorization must be configured");
    return 0;
}

int fetch_client_new(struct fetcher *f, const struct fetch_settings *settings,
                     struct fetch_client **ret, struct why *why)
{
    if (settings == NULL)
        settings = &fetch_settings_default;
    int err = check_settings(settings, why);
    if (err)
        return err;
    struct fetch_client *c = mem_new(sizeof *c);
    c->fetcher = f;
    c->settings = settings;
    c->version = 1;
    open_proxy(c);
    fetch_secret_open_all(c);
    fetch_token_open(c);
    f->clients_n++;
    *ret = c;
    return 0;
}

static void fetch_free(struct fetch *f)
{
    curl_easy_cleanup(f->curl);
    arena_done(&f->arena);
    buf_done(&f->body);
    buf_done(&f->headers);
    mem_free(f);
}

static void client_destroy(struct fetch_client *c)
{
    while (c->idle) {
        struct fetch *f = c->idle;
        c->idle = f->next;
        fetch_free(f);
    }
    fetch_secret_close_all(c);
    curl_slist_free_all(c->connect_headers);
    c->fetcher->clients_n--;
    mem_free(c);
}

void fetch_client_free(struct fetch_client *c)
{
    if (c == NULL)
        return;
    must(!c->dying);
    c->used++; /* stays until the end of this function */
    while (c->active)
        fetch_cancel(c->active);
    fetch_token_close(c);
    c->dying = true;
    if (--c->used == 0)
        client_destroy(c);
}

/* ---- requests */
static struct fetch *take(struct fetch_client *c)
{
    struct fetch *f = c->idle;
    if (f) {
        c->idle = f->next;
        c->idle_n--;
    } else {
        f = mem_new(sizeof *f);
        f->client = c;
        f->curl = curl_easy_init();
        must(f->curl != NULL);
        arena_init(&f->arena);
        buf_init(&f->headers, FETCH_HEADERS_MAX);
    }
    c->used++;
    f->prev = NULL;
    f->next = c->active;
    if (f->next)
        f->next->prev = f;
    c->active = f;
    f->token = STR("");
    f->why = (struct why){0};
    return f;
}

static void clean(struct fetch *f)
{
    f->over = f->forbidden = f->broken = f->packed_pieces = false;
    buf_clear(&f->headers);
    buf_clear(&f->body);
}

/* No longer among the client's. */
static void leave(struct fetch *f)
{
    if (f->next)
        f->next->prev = f->prev;
    if (f->prev)
        f->prev->next = f->next;
    else
        f->client->active = f->next;
    f->next = f->prev = NULL;
}

void fetch_release(struct fetch *f)
{
    struct fetch_client *c = f->client;
    f->phase = FETCH_IDLE;
    if (c->dying || c->idle_n >= FETCH_IDLE_MAX) {
        fetch_free(f);
    } else {
        if (f->body.capacity > FETCH_KEEP_BYTES)
            buf_done(&f->body);
        arena_reset(&f->arena);
        f->next = c->idle;
        c->idle = f;
        c->idle_n++;
    }
    if (--c->used == 0 && c->dying)
        client_destroy(c);
}

/* Calls done() and lets go of f. */
static void answer_with(struct fetch *f, struct fetch_answer *a)
{
    leave(f);
    f->phase = FETCH_ENDING;
    a->duration_ns = clock_monotonic_ns(&clock_real) - f->began_ns;
    if (a->url.n == 0)
        a->url = str_c(f->request.url);
    a->headers = buf_str(&f->headers);
    f->request.done(f->request.context, a);
    fetch_release(f);
}

static void on_failed(void *fetcher)
{
    struct fetcher *all = fetcher;
    struct fetch *f = all->failed;
    if (f == NULL)
        return;
    all->failed = f->after;
    if (all->failed == NULL)
        all->failed_last = &all->failed;
    else
        timer_again(all->failed_timer, 0, 0);
    struct fetch_answer a = {.err = f->why.err, .why = f->why.text};
    buf_clear(&f->headers);
    answer_with(f, &a);
}

void fetch_fail(struct fetch *f)
{
    struct fetcher *all = f->client->fetcher;
    f->phase = FETCH_FAILED;
    f->after = NULL;
    if (all->failed == NULL)
        timer_again(all->failed_timer, 0, 0);
    *all->failed_last = f;
    all->failed_last = &f->after;
}

void fetch_go(struct fetch *f)
{
    clean(f);
    f->lane = lane_for(f->client->fetcher, &f->request);
    if (fetch_setup(f))
        fetch_fail(f);
    else
        fetch_lane_add(f->lane, f);
}

/* Copies what must outlive the call. */
static void copy_request(struct fetch *f, const struct fetch_request *r)
{
    struct arena *a = &f->arena;
    f->request = *r;
    f->request.url = arena_str(a, str_c(r->url)).p;
    const char *method = r->method ? r->method : r->body.n > 0 ? "POST" : "GET";
    f->request.method = arena_str(a, str_c(method)).p;
    if (r->unix_path)
        f->request.unix_path = arena_str(a, str_c(r->unix_path)).p;
    const char **headers = arena_array(a, r->headers_n + 1, sizeof *headers);
    for (size_t i = 0; i < r->headers_n; i++)
        headers[i] = arena_str(a, str_c(r->headers[i])).p;
    f->request.headers = headers;
    if (r->timeout_ms <= 0)
        f->request.timeout_ms = FETCH_TIMEOUT_MS;
    if (r->body_max == 0)
        f->request.body_max = FETCH_BODY_MAX;
    f->body.max = f->request.body_max + FETCH_SLACK;
}

void fetch_start(struct fetch_client *c, const struct fetch_request *request, struct fetch **ret)
{
    must(!c->dying && request->done != NULL);
    struct fetch *f = take(c);
    copy_request(f, request);
    f->began_ns = clock_monotonic_ns(&clock_real);
    f->retried = false;
    if (ret)
        *ret = f;
    struct str url = str_c(f->request.url);
    if (!str_starts(url, STR("http://")) && !str_starts(url, STR("https://"))) {
        why_set(&f->why, ERR_FORMAT, "the URL must begin with http:// or https://");
        fetch_fail(f);
    } else if (fetch_secret_read_all(c, &f->why)) {
        fetch_fail(f);
    } else if (c->token == NULL || fetch_token_ready(f)) {
        fetch_go(f);
    }
}

void fetch_cancel(struct fetch *f)
{
    if (f == NULL || f->phase == FETCH_ENDING)
        return;
    leave(f);
    if (f->phase == FETCH_RUNNING || f->phase == FETCH_QUEUED) {
        fetch_lane_drop(f->lane, f);
    } else if (f->phase == FETCH_TOKEN) {
        fetch_token_leave(f);
        fetch_release(f);
    } else {
        must(f->phase == FETCH_FAILED);
        struct fetcher *all = f->client->fetcher;
        struct fetch **at = &all->failed;
        while (*at != f)
            at = &(*at)->after;
        *at = f->after;
        if (all->failed_last == &f->after)
            all->failed_last = at;
        fetch_release(f);
    }
}

/* ---- the end */
static int err_of(CURLcode code)
{
    switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_TOO_MANY_REDIRECTS:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        return ERR_FORMAT;
    case CURLE_OPERATION_TIMEDOUT:
        return ERR_TIMEOUT;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_ENGINE_NOTFOUND:
    case CURLE_SSL_CRL_BADFILE:
        return ERR_DENIED;
    default:
        return ERR_CLOSED;
    }
}

static int explain(struct fetch *f, CURLcode code)
{
    if (f->forbidden)
        return why_set(&f->why, ERR_DENIED,
                       "it leads to a link-local address, which is not allowed here");
    if (f->over && !f->broken)
        return why_set(&f->why, ERR_LIMIT, "the answer is longer than %zu bytes",
                       f->request.body_max);
    if (f->broken && f->packed_pieces)
        return why_set(&f->why, ERR_FORMAT, "the server packed an answer that is read in pieces");
    if (f->broken)
        return why_set(&f->why, (enum err) - f->broken_err, "the answer was broken off: %s",
                       err_text(f->broken_err));
    if (code == CURLE_OPERATION_TIMEDOUT)
        return why_set(&f->why, ERR_TIMEOUT, "no whole answer within %lld ms",
                       (long long)f->request.timeout_ms);
    return why_set(&f->why, (enum err)err_of(code), "%s",
                   f->error[0] ? f->error : curl_easy_strerror(code));
}

static int unpack(struct fetch *f, struct fetch_answer *a)
{
    struct buf *to = &f->client->fetcher->unpacked;
    enum pack_codec codec;
    struct str name = fetch_header_of(a, STR("Content-Encoding"));
    if (pack_codec_of(name, &codec))
        return why_set(&f->why, ERR_FORMAT, "the answer has the Content-Encoding " STR_FMT,
                       STR_ARG(name));
    a->body = buf_str(&f->body);
    if (codec == PACK_IDENTITY || a->body.n == 0)
        return 0;
    buf_clear(to);
    to->max = f->request.body_max + 2 * PACK_SLACK;
    int err = pack_unpack(codec, a->body, to, f->request.body_max, &f->why);
    if (err)
        return err;
    a->body = buf_str(to);
    return 0;
}

/* When the server's certificate ends: the first of the chain. */
static int64_t certificate_ends_ms(struct fetch *f)
{
    static const char FIELD[] = "Expire date:";
    struct curl_certinfo *info = NULL;
    if (curl_easy_getinfo(f->curl, CURLINFO_CERTINFO, &info) != CURLE_OK || info == NULL ||
        info->num_of_certs < 1)
        return 0;
    for (const struct curl_slist *s = info->certinfo[0]; s != NULL; s = s->next) {
        if (strncmp(s->data, FIELD, sizeof FIELD - 1) != 0)
            continue;
        struct tm tm = {0};
        if (strptime(s->data + sizeof FIELD - 1, "%b %d %H:%M:%S %Y", &tm) != NULL)
            return (int64_t)timegm(&tm) * 1000;
    }
    return 0;
}

/* All of libcurl's own report that an answer has. */
static void report(struct fetch *f, struct fetch_answer *a)
{
    long status = 0, redirects = 0;
    const char *type = NULL, *url = NULL;
    curl_off_t bytes = 0;
    bool ok = true;
#define GET(option, to) ok = curl_easy_getinfo(f->curl, option, to) == CURLE_OK && ok
    GET(CURLINFO_RESPONSE_CODE, &status);
    GET(CURLINFO_REDIRECT_COUNT, &redirects);
    GET(CURLINFO_CONTENT_TYPE, &type);
    GET(CURLINFO_EFFECTIVE_URL, &url);
    GET(CURLINFO_SIZE_DOWNLOAD_T, &bytes);
#undef GET
    must(ok);
    a->status = (int)status;
    a->content_type = str_c(type);
    a->url = redirects > 0 ? str_c(url) : str_c(f->request.url);
    a->wire_bytes = (size_t)bytes;
    if (f->request.certificate)
        a->certificate_ends_ms = certificate_ends_ms(f);
}

void fetch_ended(struct fetch *f, CURLcode code)
{
    struct fetch_answer a = {0};
    report(f, &a);
    if (code == CURLE_OK && fetch_token_refused(f, a.status))
        return;
    a.headers = buf_str(&f->headers);
    if (code == CURLE_OK)
        (void)!buf_reserve(&f->body, FETCH_SLACK); /* always there: body.max has it */
    a.err = code == CURLE_OK ? 0 : explain(f, code);
    if (a.err == 0 && f->request.piece == NULL)
        a.err = unpack(f, &a);
    if (a.err) {
        a.why = f->why.text;
        a.body = STR("");
        a.status = 0;
    }
    struct fetcher *all = f->client->fetcher;
    answer_with(f, &a);
    if (all->unpacked.capacity > BIG_BODY)
        buf_done(&all->unpacked);
}

int64_t fetch_retry_after_ms(const struct fetch_answer *a, int64_t now_ms)
{
    struct str value = fetch_header_of(a, STR("Retry-After"));
    char text[64];
    uint64_t seconds;
    if (value.n == 0 || value.n >= sizeof text)
        return -1;
    if (str_u64(value, &seconds))
        return seconds < INT32_MAX ? (int64_t)seconds * 1000 : -1;
    memcpy(text, value.p, value.n);
    text[value.n] = '\0';
    time_t at = curl_getdate(text, NULL);
    return at < 0 ? -1 : MAX((int64_t)at * 1000 - now_ms, 0);
}

struct str fetch_header_of(const struct fetch_answer *a, struct str name)
{
    struct str line;
    for (struct str rest = a->headers; str_split(&rest, '\n', &line);) {
        size_t colon = str_find(line, ':');
        if (colon == name.n && colon < line.n && strncasecmp(line.p, name.p, name.n) == 0)
            return str_trim(str_sub(line, colon + 1, line.n));
    }
    return STR("");
}
