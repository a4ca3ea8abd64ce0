#include <limits.h>
#include <strings.h>

#include "base/clock.h"
#include "base/must.h"
#include "net/fetch_state.h"
#include "os/link_local.h"

enum { PIECE_BYTES = 32 * 1024, IDLE_S = 300 };

/* Only an option that this libcurl does not know, or no memory, can fail. */
#define SET(f, option, value) must(curl_easy_setopt((f)->curl, option, value) == CURLE_OK)

static size_t on_body(char *p, size_t size, size_t n, void *fetch)
{
    struct fetch *f = fetch;
    size_t bytes = size * n;
    if (f->phase == FETCH_CANCELED)
        return CURL_WRITEFUNC_ERROR;
    if (f->request.piece == NULL || f->token.n > 0) {
        /* A refusal for want of a new token is not for piece(). */
        long status = 0;
        must(curl_easy_getinfo(f->curl, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK);
        if (f->request.piece == NULL || (status == 401 && !f->retried)) {
            f->over = bytes > f->request.body_max - f->body.n;
            if (!f->over)
                buf_put(&f->body, p, bytes);
            return f->over ? CURL_WRITEFUNC_ERROR : bytes;
        }
    }
    f->broken_err =
        f->packed_pieces ? -ERR_FORMAT : f->request.piece(f->request.context, str_of(p, bytes));
    f->broken = f->broken_err != 0;
    return f->broken || f->phase == FETCH_CANCELED ? CURL_WRITEFUNC_ERROR : bytes;
}

static bool named(struct str line, const char *name)
{
    size_t n = strlen(name);
    return line.n > n && line.p[n] == ':' && strncasecmp(line.p, name, n) == 0;
}

static size_t on_header(char *p, size_t size, size_t n, void *fetch)
{
    struct fetch *f = fetch;
    struct str line = str_of(p, size * n);
    if (str_starts(line, STR("HTTP/"))) { /* those of an interim answer or redirect are forgotten */
        buf_clear(&f->headers);
        buf_clear(&f->body);
        f->packed_pieces = false;
    } else if (str_find(line, ':') < line.n) {
        buf_put_str(&f->headers, line);
        if (named(line, "Content-Encoding"))
            f->packed_pieces = !str_eq(str_trim(str_sub(line, 17, line.n)), STR("identity"));
        uint64_t length;
        if (named(line, "Content-Length") && f->request.piece == NULL &&
            str_u64(str_trim(str_sub(line, 15, line.n)), &length) && length <= FETCH_KEEP_BYTES)
            (void)!buf_reserve(&f->body, (size_t)length + FETCH_SLACK); /* only to save steps */
    }
    f->over = buf_failed(&f->headers);
    return f->over ? CURL_WRITEFUNC_ERROR : size * n;
}

static struct curl_blob blob_of(struct str s)
{
    return (struct curl_blob){.data = (void *)(uintptr_t)s.p, .len = s.n, .flags = CURL_BLOB_COPY};
}

static long version_of(const struct fetch_tls *tls)
{
    static const long LEAST[] = {CURL_SSLVERSION_TLSv1_2, CURL_SSLVERSION_TLSv1_0,
                                 CURL_SSLVERSION_TLSv1_1, CURL_SSLVERSION_TLSv1_2,
                                 CURL_SSLVERSION_TLSv1_3};
    static const long MOST[] = {CURL_SSLVERSION_MAX_DEFAULT, CURL_SSLVERSION_MAX_TLSv1_0,
                                CURL_SSLVERSION_MAX_TLSv1_1, CURL_SSLVERSION_MAX_TLSv1_2,
                                CURL_SSLVERSION_MAX_TLSv1_3};
    long least = LEAST[tls->min_version];
    if (tls->min_version == FETCH_TLS_DEFAULT && tls->max_version != FETCH_TLS_DEFAULT)
        least = MIN(least, LEAST[tls->max_version]);
    return least | MOST[tls->max_version];
}

/* TLS to the server, and to a proxy that speaks it. */
static void set_tls(struct fetch *f)
{
    const struct fetch_tls *tls = &f->client->settings->tls;
    long verify = tls->insecure_skip_verify ? 0 : 1;
    SET(f, CURLOPT_SSL_VERIFYPEER, verify);
    SET(f, CURLOPT_SSL_VERIFYHOST, verify * 2);
    SET(f, CURLOPT_PROXY_SSL_VERIFYPEER, verify);
    SET(f, CURLOPT_PROXY_SSL_VERIFYHOST, verify * 2);
    SET(f, CURLOPT_SSLVERSION, version_of(tls));
    if (version_of(tls) % 65536 < CURL_SSLVERSION_TLSv1_2) /* Debian's level allows 1.2 and more */
        SET(f, CURLOPT_SSL_CIPHER_LIST, "DEFAULT:@SECLEVEL=0");
    if (tls->ca.n > 0) {
        struct curl_blob ca = blob_of(tls->ca);
        SET(f, CURLOPT_CAINFO_BLOB, &ca);
        SET(f, CURLOPT_PROXY_CAINFO_BLOB, &ca);
    } else if (tls->ca_file.n > 0) {
        const char *path = arena_str(&f->arena, tls->ca_file).p;
        SET(f, CURLOPT_CAINFO, path);
        SET(f, CURLOPT_PROXY_CAINFO, path);
        SET(f, CURLOPT_CA_CACHE_TIMEOUT, 60L);
    }
    if (tls->ca.n + tls->ca_file.n > 0)
        SET(f, CURLOPT_CAPATH, NULL);
    struct str cert = fetch_secret_text(&f->client->cert), key = fetch_secret_text(&f->client->key);
    if (cert.n > 0 && key.n > 0) {
        struct curl_blob cert_blob = blob_of(cert), key_blob = blob_of(key);
        SET(f, CURLOPT_SSLCERT_BLOB, &cert_blob);
        SET(f, CURLOPT_SSLKEY_BLOB, &key_blob);
    }
}

/* A client that may not go to addresses of the link: they are not connected to, and connections
 * that others have made to them are not used. */
static curl_socket_t open_guarded(void *fetch, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct fetch *f = fetch;
    if (!link_local_address(&address->addr))
        return fetch_lane_open(f->lane, purpose, address);
    f->forbidden = true;
    return CURL_SOCKET_BAD;
}

static int on_connected(void *fetch, char *address, char *own, int port, int own_port)
{
    struct fetch *f = fetch;
    (void)own;
    (void)port;
    (void)own_port;
    if (!link_local(str_c(address)))
        return CURL_PREREQFUNC_OK;
    f->forbidden = true;
    return CURL_PREREQFUNC_ABORT;
}

/* What stays for all requests of the client. */
static void set_always(struct fetch *f)
{
    const struct fetch_settings *s = f->client->settings;
    SET(f, CURLOPT_PRIVATE, f);
    SET(f, CURLOPT_NOSIGNAL, 1L);
    SET(f, CURLOPT_ERRORBUFFER, f->error);
    SET(f, CURLOPT_WRITEFUNCTION, on_body);
    SET(f, CURLOPT_WRITEDATA, f);
    SET(f, CURLOPT_HEADERFUNCTION, on_header);
    SET(f, CURLOPT_HEADERDATA, f);
    SET(f, CURLOPT_BUFFERSIZE, (long)PIECE_BYTES);
    SET(f, CURLOPT_PROTOCOLS_STR, "http,https");
    SET(f, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    SET(f, CURLOPT_FOLLOWLOCATION, s->follow_redirects ? 1L : 0L);
    SET(f, CURLOPT_MAXREDIRS, (long)FETCH_REDIRECTS_MAX);
    SET(f, CURLOPT_HTTP_VERSION,
        (long)(s->enable_http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
    SET(f, CURLOPT_OPENSOCKETFUNCTION, s->no_link_local ? open_guarded : fetch_lane_open);
    if (s->no_link_local) {
        SET(f, CURLOPT_PREREQFUNCTION, on_connected);
        SET(f, CURLOPT_PREREQDATA, f);
    }
    SET(f, CURLOPT_CLOSESOCKETFUNCTION, fetch_lane_close);
    SET(f, CURLOPT_MAXAGE_CONN, (long)IDLE_S);
    SET(f, CURLOPT_TCP_KEEPALIVE, 1L);
    SET(f, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
    SET(f, CURLOPT_PROXYHEADER, f->client->connect_headers);
    SET(f, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SET(f, CURLOPT_NOPROXY, "");
    SET(f, CURLOPT_DNS_SHUFFLE_ADDRESSES, s->shuffle_addresses ? 1L : 0L);
}

static void set_method(struct fetch *f)
{
    const struct fetch_request *r = &f->request;
    if (strcmp(r->method, "POST") == 0 || r->body.n > 0) {
        SET(f, CURLOPT_POST, 1L);
        SET(f, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.n);
        SET(f, CURLOPT_POSTFIELDS, r->body.n > 0 ? r->body.p : "");
        SET(f, CURLOPT_CUSTOMREQUEST, strcmp(r->method, "POST") == 0 ? NULL : r->method);
        f->setup_kind = NULL;
        return;
    }
    if (f->setup_kind && strcmp(f->setup_kind, r->method) == 0)
        return;
    SET(f, CURLOPT_HTTPGET, 1L);
    bool get = strcmp(r->method, "GET") == 0, head = strcmp(r->method, "HEAD") == 0;
    if (head)
        SET(f, CURLOPT_NOBODY, 1L);
    SET(f, CURLOPT_CUSTOMREQUEST, get || head ? NULL : r->method);
    f->setup_kind = get ? "GET" : NULL;
}

/* ---- headers: libcurl neither copies nor frees the list, which lies in f->arena */
struct header_list {
    struct curl_slist *first, **end;
};

static void add_header(struct fetch *f, struct header_list *to, struct str line)
{
    struct curl_slist *entry = arena_new(&f->arena, sizeof *entry);
    entry->data = (char *)(uintptr_t)arena_str(&f->arena, line).p;
    *to->end = entry;
    to->end = &entry->next;
}

/* The name of a line "Name: value". */
static struct str name_of(struct str line)
{
    return str_sub(line, 0, str_find(line, ':'));
}

static bool same_name(struct str a, struct str b)
{
    return a.n == b.n && strncasecmp(a.p, b.p, a.n) == 0;
}

static bool requested(const struct fetch *f, const char *name)
{
    for (size_t i = 0; i < f->request.headers_n; i++)
        if (same_name(name_of(str_c(f->request.headers[i])), str_c(name)))
            return true;
    return false;
}

static bool in_settings(const struct fetch_settings *s, struct str name)
{
    for (size_t i = 0; i < s->headers_n; i++)
        if (same_name(s->headers[i].name, name))
            return true;
    return false;
}

static int check_value(struct fetch *f, struct str name, struct str value)
{
    if (str_find(value, '\n') == value.n && str_find(value, '\r') == value.n &&
        str_find(value, '\0') == value.n)
        return 0;
    return why_set(&f->why, ERR_FORMAT, "the value of the header " STR_FMT " has more than a line",
                   STR_ARG(name));
}

static int add_value(struct fetch *f, struct header_list *to, struct str name, struct str value)
{
    int err = check_value(f, name, value);
    if (err)
        return err;
    /* libcurl takes "Name:" for a header to be left out. */
    if (value.n == 0)
        add_header(f, to, arena_printf(&f->arena, STR_FMT ";", STR_ARG(name)));
    else
        add_header(f, to,
                   arena_printf(&f->arena, STR_FMT ": " STR_FMT, STR_ARG(name), STR_ARG(value)));
    return 0;
}

static int add_settings(struct fetch *f, struct header_list *to)
{
    const struct fetch_settings *s = f->client->settings;
    const struct fetch_secret *file = f->client->header_files;
    for (size_t i = 0; i < s->headers_n; i++) {
        const struct fetch_header *h = &s->headers[i];
        for (size_t j = 0; j < h->values_n; j++) {
            int err = add_value(f, to, h->name, h->values[j]);
            if (err)
                return err;
        }
        for (size_t j = 0; j < h->files_n; j++) {
            int err = add_value(f, to, h->name, fetch_secret_text(file++));
            if (err)
                return err;
        }
    }
    return 0;
}

static int add_authorization(struct fetch *f, struct header_list *to)
{
    struct fetch_token *t = f->client->token;
    struct str line = t ? buf_str(&t->header) : buf_str(&f->client->authorization);
    f->token = STR("");
    if (line.n == 0 || requested(f, "Authorization"))
        return 0;
    int err = check_value(f, STR("Authorization"), line);
    if (err)
        return err;
    add_header(f, to, line);
    if (t)
        f->token = arena_str(&f->arena, line);
    return 0;
}

static int set_headers(struct fetch *f, struct str host)
{
    struct header_list list = {.end = &list.first};
    for (size_t i = 0; i < f->request.headers_n; i++) {
        struct str line = str_c(f->request.headers[i]), name = name_of(line);
        int err = check_value(f, name, line);
        if (err)
            return err;
        if (!in_settings(f->client->settings, name))
            add_header(f, &list, line);
    }
    int err = add_settings(f, &list);
    if (err == 0)
        err = add_authorization(f, &list);
    if (err)
        return err;
    if (host.n > 0 && !requested(f, "Host"))
        add_header(f, &list, arena_printf(&f->arena, "Host: " STR_FMT, STR_ARG(host)));
    if (!requested(f, "User-Agent"))
        add_header(f, &list, STR("User-Agent: Sonde/" SONDE_VERSION));
    if (f->request.gzip && f->request.piece == NULL && !requested(f, "Accept-Encoding"))
        add_header(f, &list, STR("Accept-Encoding: gzip"));
    if (f->request.body.n > 0) {
        add_header(f, &list, STR("Expect:")); /* not sent: do not wait for a leave to go on */
        if (!requested(f, "Content-Type"))
            add_header(f, &list, STR("Content-Type:"));
    }
    SET(f, CURLOPT_HTTPHEADER, list.first);
    return 0;
}

/* Where the certificate is for another name than the URL's host, libcurl is given that name and
 * told where to connect to for it. *ret_host is what the server is to see in Host. */
static const char *rename_host(struct fetch *f, struct str *ret_host)
{
    struct str url = str_c(f->request.url), server = f->client->settings->tls.server_name;
    *ret_host = STR("");
    if (server.n == 0 || !str_starts(url, STR("https://"))) {
        if (f->setup_host)
            SET(f, CURLOPT_CONNECT_TO, NULL);
        f->setup_host = false;
        return f->request.url;
    }
    struct str host, port;
    fetch_proxy_parts(url, &host, &port);
    struct str want = port.n > 0 ? port : STR("443");
    const char *open = str_find(host, ':') < host.n ? "[" : "", *close = *open ? "]" : "";
    struct curl_slist *to = arena_new(&f->arena, sizeof *to);
    to->data = (char *)(uintptr_t)arena_printf(
                   &f->arena, STR_FMT ":" STR_FMT ":%s" STR_FMT "%s:" STR_FMT, STR_ARG(server),
                   STR_ARG(want), open, STR_ARG(host), close, STR_ARG(want))
                   .p;
    SET(f, CURLOPT_CONNECT_TO, to);
    f->setup_host = true;
    *ret_host = port.n > 0 ? arena_printf(&f->arena, "%s" STR_FMT "%s:" STR_FMT, open,
                                          STR_ARG(host), close, STR_ARG(port))
                           : arena_printf(&f->arena, "%s" STR_FMT "%s", open, STR_ARG(host), close);
    size_t at = (size_t)(host.p - url.p) - strlen(open);
    struct str before = str_sub(url, 0, at);
    struct str after = str_sub(url, at + strlen(open) * 2 + host.n, url.n);
    return arena_printf(&f->arena, STR_FMT STR_FMT STR_FMT, STR_ARG(before), STR_ARG(server),
                        STR_ARG(after))
        .p;
}

static const char *proxy_of(struct fetch *f)
{
    struct str proxy = fetch_proxy_for(f->client, str_c(f->request.url));
    if (str_starts(proxy, STR("socks5://"))) /* names are the proxy's to look up */
        return arena_printf(&f->arena, "socks5h" STR_FMT, STR_ARG(str_sub(proxy, 6, proxy.n))).p;
    return arena_str(&f->arena, proxy).p;
}

int fetch_setup(struct fetch *f)
{
    struct str host;
    if (f->setup_version == 0)
        set_always(f);
    if (f->setup_version != f->client->version)
        set_tls(f);
    f->setup_version = f->client->version;
    if (f->setup_lane != f->lane) {
        SET(f, CURLOPT_OPENSOCKETDATA,
            f->client->settings->no_link_local ? (void *)f : (void *)f->lane);
        SET(f, CURLOPT_CLOSESOCKETDATA, f->lane);
        f->setup_lane = f->lane;
    }
    const char *url = rename_host(f, &host);
    int err = set_headers(f, host);
    if (err)
        return err;
    f->error[0] = '\0';
    SET(f, CURLOPT_URL, url);
    SET(f, CURLOPT_PROXY, proxy_of(f));
    int64_t spent_ms = (clock_monotonic_ns(&clock_real) - f->began_ns) / 1000000;
    SET(f, CURLOPT_TIMEOUT_MS, (long)MIN(MAX(f->request.timeout_ms - spent_ms, 1), INT_MAX));
    if (f->request.unix_path || f->setup_unix)
        SET(f, CURLOPT_UNIX_SOCKET_PATH, f->request.unix_path);
    f->setup_unix = f->request.unix_path != NULL;
    if (f->request.certificate || f->setup_certificate) {
        SET(f, CURLOPT_CERTINFO, (long)f->request.certificate);
        SET(f, CURLOPT_FRESH_CONNECT, (long)f->request.certificate);
        SET(f, CURLOPT_FORBID_REUSE, (long)f->request.certificate);
    }
    f->setup_certificate = f->request.certificate;
    set_method(f);
    return 0;
}
