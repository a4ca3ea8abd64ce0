#include "net/client.h"

#include <curl/curl.h>
#include <pthread.h>
#include <strings.h>

#include "base/must.h"

enum { HEADERS_MAX = 256 * 1024, TIMEOUT_MS = 30000 };

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init(void)
{
    must(curl_global_init(CURL_GLOBAL_DEFAULT) == 0);
}

static size_t on_body(char *p, size_t size, size_t n, void *reply)
{
    struct buf *body = &((struct client_reply *)reply)->body;
    buf_put(body, p, size * n);
    return buf_failed(body) ? 0 : size * n;
}

static size_t on_header(char *p, size_t size, size_t n, void *reply)
{
    struct buf *headers = &((struct client_reply *)reply)->headers;
    struct str line = str_of(p, size * n);
    if (str_starts(line, STR("HTTP/"))) /* those of an interim answer are forgotten */
        buf_clear(headers);
    else if (str_find(line, ':') < line.n)
        buf_put_str(headers, line);
    return buf_failed(headers) ? 0 : size * n;
}

static struct curl_slist *make_headers(const struct client_request *request)
{
    struct curl_slist *list = NULL;
    for (size_t i = 0; i < request->headers_n; i++) {
        struct curl_slist *longer = curl_slist_append(list, request->headers[i]);
        must(longer != NULL);
        list = longer;
    }
    return list;
}

static void set_options(CURL *curl, const struct client_request *request,
                        struct client_reply *reply, struct curl_slist *headers, char *error)
{
    bool ok = true;
#define SET(option, value) ok = curl_easy_setopt(curl, option, value) == CURLE_OK && ok
    SET(CURLOPT_URL, request->url);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_ERRORBUFFER, error);
    SET(CURLOPT_ACCEPT_ENCODING, "gzip");
    SET(CURLOPT_USERAGENT, "sonde/" SONDE_VERSION);
    SET(CURLOPT_HTTPHEADER, headers);
    SET(CURLOPT_TIMEOUT_MS, (long)(request->timeout_ms ? request->timeout_ms : TIMEOUT_MS));
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, reply);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, reply);
    if (request->unix_path)
        SET(CURLOPT_UNIX_SOCKET_PATH, request->unix_path);
    if (request->body.n || (request->method && strcmp(request->method, "POST") == 0)) {
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDS, request->body.n ? request->body.p : "");
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.n);
    }
    if (request->method && strcmp(request->method, "HEAD") == 0)
        SET(CURLOPT_NOBODY, 1L);
    else if (request->method)
        SET(CURLOPT_CUSTOMREQUEST, request->method);
#undef SET
    must(ok); /* only an option that this libcurl does not know, or no memory, can fail */
}

static int failed(CURLcode code, const struct client_request *request,
                  const struct client_reply *reply, const char *error, struct why *why)
{
    const char *text = error[0] ? error : curl_easy_strerror(code);
    enum err err = ERR_IO;
    switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
        err = ERR_FORMAT;
        break;
    case CURLE_OPERATION_TIMEDOUT:
        err = ERR_TIMEOUT;
        break;
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
        err = ERR_CLOSED;
        break;
    case CURLE_WRITE_ERROR:
        if (buf_failed(&reply->body) || buf_failed(&reply->headers)) {
            err = ERR_LIMIT;
            text = "the answer is too long";
        }
        break;
    default:
        break;
    }
    return why_set(why, err, "cannot get an answer from %s: %s", request->url, text);
}

int client_send(const struct client_request *request, struct client_reply *ret, struct why *why)
{
    must(pthread_once(&once, init) == 0);
    CURL *curl = curl_easy_init();
    must(curl != NULL);
    struct client_reply reply = {0};
    char error[CURL_ERROR_SIZE] = "";
    buf_init(&reply.headers, HEADERS_MAX);
    buf_init(&reply.body, request->body_max ? request->body_max : (size_t)CLIENT_BODY_MAX);
    struct curl_slist *headers = make_headers(request);
    set_options(curl, request, &reply, headers, error);
    CURLcode code = curl_easy_perform(curl);
    long status = 0;
    int err = 0;
    if (code == CURLE_OK)
        code = curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK)
        err = failed(code, request, &reply, error, why);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    if (err) {
        client_reply_done(&reply);
        return err;
    }
    reply.status = (int)status;
    *ret = reply;
    return 0;
}

int client_get(const char *url, struct client_reply *ret, struct why *why)
{
    return client_send(&(struct client_request){.url = url}, ret, why);
}

int client_post(const char *url, const char *content_type, struct str body,
                struct client_reply *ret, struct why *why)
{
    char type[256];
    int n = snprintf(type, sizeof type, "Content-Type: %s", content_type);
    if (n < 0 || (size_t)n >= sizeof type)
        return why_set(why, ERR_RANGE, "the content type is too long");
    /* Without the empty Expect, libcurl asks first and waits a second for servers that are silent.
     */
    const char *const headers[] = {type, "Expect:"};
    struct client_request request = {.method = "POST",
                                     .url = url,
                                     .headers = headers,
                                     .headers_n = COUNTOF(headers),
                                     .body = body};
    return client_send(&request, ret, why);
}

struct str client_reply_header(const struct client_reply *reply, struct str name)
{
    struct str line;
    for (struct str rest = buf_str(&reply->headers); str_split(&rest, '\n', &line);) {
        size_t colon = str_find(line, ':');
        if (colon == name.n && colon < line.n && strncasecmp(line.p, name.p, name.n) == 0)
            return str_trim(str_sub(line, colon + 1, line.n));
    }
    return STR("");
}

void client_reply_done(struct client_reply *reply)
{
    buf_done(&reply->headers);
    buf_done(&reply->body);
}
