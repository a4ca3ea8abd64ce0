#include "net/mail.h"

#include <curl/curl.h>

#include "base/arena.h"
#include "base/must.h"

/* Only an option that this libcurl does not know, or no memory, can fail. */
#define SET(c, option, value) must(curl_easy_setopt((c)->curl, option, value) == CURLE_OK)

enum { ANSWER_MAX = 200 /* bytes of the last line that is shown */ };

struct carrying {
    const struct mail_request *request;
    CURL *curl;
    struct curl_slist *to, *connect;
    struct arena arena;
    size_t sent;
    char error[CURL_ERROR_SIZE];
    char last[ANSWER_MAX + 1]; /* of what the server said is wrong */
};

static const char *text(struct carrying *c, struct str s)
{
    return arena_str(&c->arena, s).p;
}

static size_t on_read(char *to, size_t size, size_t n, void *carrying)
{
    struct carrying *c = carrying;
    struct str rest = str_sub(c->request->text, c->sent, c->request->text.n);
    size_t bytes = MIN(size * n, rest.n);
    if (bytes)
        memcpy(to, rest.p, bytes);
    c->sent += bytes;
    return bytes;
}

static size_t on_header(char *p, size_t size, size_t n, void *carrying)
{
    struct carrying *c = carrying;
    size_t used = 0;
    if (size * n == 0 || (p[0] != '4' && p[0] != '5')) /* what went wrong, not the farewell */
        return size * n;
    for (size_t i = 0; i < size * n && used < ANSWER_MAX; i++)
        if (p[i] >= ' ' && p[i] < 0x7f)
            c->last[used++] = p[i];
    c->last[used] = '\0';
    return size * n;
}

static int on_progress(void *carrying, curl_off_t a, curl_off_t b, curl_off_t d, curl_off_t e)
{
    const struct carrying *c = carrying;
    return c->request->canceled && atomic_load(c->request->canceled);
}

static struct curl_blob blob_of(struct str s)
{
    return (struct curl_blob){.data = (void *)(uintptr_t)s.p, .len = s.n, .flags = CURL_BLOB_COPY};
}

static void set_tls(struct carrying *c)
{
    const struct mail_request *r = c->request;
    const struct fetch_tls *t = &r->tls;
    long verify = t->insecure_skip_verify ? 0 : 1;
    SET(c, CURLOPT_USE_SSL, r->implicit_tls || r->require_tls ? CURLUSESSL_ALL : CURLUSESSL_NONE);
    SET(c, CURLOPT_SSL_VERIFYPEER, verify);
    SET(c, CURLOPT_SSL_VERIFYHOST, verify * 2);
    SET(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (t->ca.n > 0) {
        struct curl_blob ca = blob_of(t->ca);
        SET(c, CURLOPT_CAINFO_BLOB, &ca);
    } else if (t->ca_file.n > 0) {
        SET(c, CURLOPT_CAINFO, text(c, t->ca_file));
    }
    if (t->ca.n + t->ca_file.n > 0)
        SET(c, CURLOPT_CAPATH, NULL);
    if (t->cert.n > 0 && t->key.n > 0) {
        struct curl_blob cert = blob_of(t->cert), key = blob_of(t->key);
        SET(c, CURLOPT_SSLCERT_BLOB, &cert);
        SET(c, CURLOPT_SSLKEY_BLOB, &key);
    } else if (t->cert_file.n > 0 && t->key_file.n > 0) {
        SET(c, CURLOPT_SSLCERT, text(c, t->cert_file));
        SET(c, CURLOPT_SSLKEY, text(c, t->key_file));
    }
}

/* A certificate for another name: that name is asked for, at the server's address. */
static struct str set_name(struct carrying *c)
{
    const struct mail_request *r = c->request;
    if (r->tls.server_name.n == 0)
        return r->server;
    size_t colon = r->server.n;
    while (colon > 0 && r->server.p[colon - 1] != ':')
        colon--;
    struct str port = str_sub(r->server, colon, r->server.n);
    struct str named =
        arena_printf(&c->arena, STR_FMT ":" STR_FMT, STR_ARG(r->tls.server_name), STR_ARG(port));
    struct str way =
        arena_printf(&c->arena, STR_FMT ":" STR_FMT, STR_ARG(named), STR_ARG(r->server));
    c->connect = curl_slist_append(NULL, way.p);
    must(c->connect);
    SET(c, CURLOPT_CONNECT_TO, c->connect);
    return named;
}

static void set_login(struct carrying *c)
{
    const struct mail_request *r = c->request;
    if (r->username.n == 0)
        return;
    bool secret = r->secret.n > 0;
    SET(c, CURLOPT_USERNAME, text(c, r->username));
    SET(c, CURLOPT_PASSWORD, text(c, secret ? r->secret : r->password));
    SET(c, CURLOPT_LOGIN_OPTIONS, secret ? "AUTH=CRAM-MD5" : "AUTH=PLAIN;AUTH=LOGIN");
    if (r->identity.n > 0)
        SET(c, CURLOPT_SASL_AUTHZID, text(c, r->identity));
}

static void set_up(struct carrying *c)
{
    const struct mail_request *r = c->request;
    struct str hello = r->hello.n > 0 ? r->hello : STR("localhost");
    SET(c, CURLOPT_NOSIGNAL, 1L);
    SET(c, CURLOPT_ERRORBUFFER, c->error);
    SET(c, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    set_tls(c);
    struct str server = set_name(c);
    SET(c, CURLOPT_URL,
        arena_printf(&c->arena, "%s://" STR_FMT "/" STR_FMT, r->implicit_tls ? "smtps" : "smtp",
                     STR_ARG(server), STR_ARG(hello))
            .p);
    SET(c, CURLOPT_TIMEOUT_MS, (long)r->timeout_ms);
    SET(c, CURLOPT_PROXY, "");
    set_login(c);
    SET(c, CURLOPT_MAIL_FROM, arena_printf(&c->arena, "<" STR_FMT ">", STR_ARG(r->from)).p);
    for (size_t i = 0; i < r->to_n; i++) {
        struct str to = arena_printf(&c->arena, "<" STR_FMT ">", STR_ARG(r->to[i]));
        c->to = curl_slist_append(c->to, to.p);
        must(c->to);
    }
    SET(c, CURLOPT_MAIL_RCPT, c->to);
    SET(c, CURLOPT_UPLOAD, 1L);
    SET(c, CURLOPT_INFILESIZE_LARGE, (curl_off_t)r->text.n);
    SET(c, CURLOPT_READFUNCTION, on_read);
    SET(c, CURLOPT_READDATA, c);
    SET(c, CURLOPT_HEADERFUNCTION, on_header);
    SET(c, CURLOPT_HEADERDATA, c);
    SET(c, CURLOPT_NOPROGRESS, 0L);
    SET(c, CURLOPT_XFERINFOFUNCTION, on_progress);
    SET(c, CURLOPT_XFERINFODATA, c);
}

static int outcome(const struct carrying *c, CURLcode code, struct why *why)
{
    long status = 0;
    const char *said = c->error[0] ? c->error : curl_easy_strerror(code);
    if (code == CURLE_OK)
        return 0;
    must(curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK);
    switch (code) {
    case CURLE_ABORTED_BY_CALLBACK:
        return why_set(why, ERR_CANCELED, "the mail was given up");
    case CURLE_OPERATION_TIMEDOUT:
        return why_set(why, ERR_TIMEOUT, "the mail server did not take it in time");
    case CURLE_LOGIN_DENIED:
        return why_set(why, ERR_BUSY, "the mail server did not take the login: %s", c->last);
    case CURLE_USE_SSL_FAILED:
        return why_set(why, ERR_BUSY, "the mail server does not offer STARTTLS, which is required");
    default:
        break;
    }
    if (status >= 500 && status < 600)
        return why_set(why, ERR_DENIED, "the mail server refused it: %s", c->last);
    if (status >= 400 && status < 500)
        return why_set(why, ERR_BUSY, "the mail server put it off: %s", c->last);
    return why_set(why, ERR_CLOSED, "no mail server: %s", said);
}

static bool is_local(struct str server)
{
    return str_starts(server, STR("localhost:")) || str_starts(server, STR("127.0.0.1:")) ||
           str_starts(server, STR("[::1]:"));
}

int mail_send(const struct mail_request *r, struct why *why)
{
    struct carrying c = {.request = r};
    bool clear = !r->implicit_tls && !r->require_tls && !is_local(r->server);
    if (clear && r->username.n > 0 && r->secret.n == 0)
        return why_set(why, ERR_DENIED, "a password is not sent to a mail server without TLS");
    c.curl = curl_easy_init();
    must(c.curl);
    arena_init(&c.arena);
    set_up(&c);
    int err = outcome(&c, curl_easy_perform(c.curl), why);
    curl_easy_cleanup(c.curl);
    curl_slist_free_all(c.to);
    curl_slist_free_all(c.connect);
    arena_done(&c.arena);
    return err;
}
