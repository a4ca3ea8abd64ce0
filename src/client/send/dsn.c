#include "client/send/dsn.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { KEY_MAX = 128, HOST_MAX = 255, PREFIX_MAX = 200, PROJECT_MAX = 64 };

static const char KEY_BYTES[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
static const char HOST_BYTES[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
static const char ADDRESS_BYTES[] = "0123456789abcdefABCDEF:.";
static const char PREFIX_BYTES[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~/";

/* Consists s [n] of such bytes alone, 1 to most of them? */
static bool consists(const char *s, size_t n, const char *bytes, size_t most)
{
    for (size_t i = 0; i < n; i++) {
        if (!s[i] || !strchr(bytes, s[i])) {
            return false;
        }
    }
    return n > 0 && n <= most;
}

/* HOST[:PORT] or [ADDRESS][:PORT] */
static bool is_host(const char *s, size_t n)
{
    size_t host = 0;
    if (n && *s == '[') {
        const char *end = memchr(s, ']', n);
        host = end ? (size_t)(end - s) + 1 : 0;
        if (host < 4 || !consists(s + 1, host - 2, ADDRESS_BYTES, HOST_MAX)) {
            return false;
        }
    } else {
        const char *end = memchr(s, ':', n);
        host = end ? (size_t)(end - s) : n;
        if (!consists(s, host, HOST_BYTES, HOST_MAX)) {
            return false;
        }
    }
    if (host == n) {
        return true;
    }
    unsigned port = 0;
    if (s[host] != ':' || n - host - 1 > 5 ||
        !consists(s + host + 1, n - host - 1, "0123456789", 5)) {
        return false;
    }
    for (size_t i = host + 1; i < n; i++) {
        port = port * 10 + (unsigned)(s[i] - '0');
    }
    return port >= 1 && port <= 65535;
}

struct parts {
    const char *scheme, *key, *secret, *host, *prefix, *project;
    size_t scheme_n, key_n, secret_n, host_n, prefix_n, project_n;
};

static const char *split(const char *text, struct parts *p)
{
    const char *at = strstr(text, "://");
    p->scheme = text;
    p->scheme_n = at ? (size_t)(at - text) : 0;
    if (!at || !((p->scheme_n == 5 && memcmp(text, "https", 5) == 0) ||
                 (p->scheme_n == 4 && memcmp(text, "http", 4) == 0))) {
        return "it must begin with https:// or http://";
    }
    p->key = at + 3;
    const char *slash = strchr(p->key, '/'), *host = strchr(p->key, '@');
    if (!host || !slash || host > slash) {
        return "PUBLIC_KEY@HOST/PROJECT is expected behind the scheme";
    }
    const char *colon = memchr(p->key, ':', (size_t)(host - p->key));
    p->key_n = (size_t)((colon ? colon : host) - p->key);
    p->secret = colon ? colon + 1 : NULL;
    p->secret_n = colon ? (size_t)(host - colon) - 1 : 0;
    p->host = host + 1;
    p->host_n = (size_t)(slash - p->host);
    size_t n = strlen(slash);
    while (n > 1 && slash[n - 1] == '/') {
        n--;
    }
    const char *last = slash + n;
    while (last[-1] != '/') {
        last--;
    }
    p->project = last;
    p->project_n = (size_t)(slash + n - last);
    p->prefix = slash;
    p->prefix_n = (size_t)(last - slash) - 1;
    return NULL;
}

bool dsn_read(const char *text, struct dsn *ret, const char **ret_problem)
{
    struct parts p;
    const char *problem = split(text, &p);
    if (!problem) {
        problem = !consists(p.key, p.key_n, KEY_BYTES, KEY_MAX) ? "its public key is none"
                  : p.secret_n && !consists(p.secret, p.secret_n, KEY_BYTES, KEY_MAX)
                      ? "its secret key is none"
                  : !is_host(p.host, p.host_n) ? "its host is none"
                  : p.prefix_n && !consists(p.prefix, p.prefix_n, PREFIX_BYTES, PREFIX_MAX)
                      ? "its path has characters that no path has"
                  : !consists(p.project, p.project_n, KEY_BYTES, PROJECT_MAX)
                      ? "its project is none"
                      : NULL;
    }
    if (problem) {
        *ret_problem = problem;
        return false;
    }
    struct dsn d;
    snprintf(d.url, sizeof d.url, "%.*s://%.*s%.*s/api/%.*s/envelope/", (int)p.scheme_n, p.scheme,
             (int)p.host_n, p.host, (int)p.prefix_n, p.prefix, (int)p.project_n, p.project);
    snprintf(d.auth, sizeof d.auth,
             "X-Sentry-Auth: Sentry sentry_key=%.*s, sentry_version=7, sentry_client=libsonde/%s"
             "%s%.*s",
             (int)p.key_n, p.key, SONDE_VERSION, p.secret_n ? ", sentry_secret=" : "",
             (int)p.secret_n, p.secret_n ? p.secret : "");
    *ret = d;
    return true;
}
