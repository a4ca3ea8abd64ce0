#include "client/send/otlp.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/core/setting.h"

static const char *const paths[] = {"/v1/traces", "/v1/logs"};
static const char *const own[] = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
                                  "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"};
static const char *const own_protocol[] = {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
                                           "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL"};

static const char *environment(const char *name)
{
    const char *value = secure_getenv(name);
    return value && *value ? value : NULL;
}

/* http or https, something behind it, and nothing that ends a header. */
static bool is_url(const char *s)
{
    size_t scheme = strncmp(s, "https://", 8) == 0 ? 8 : strncmp(s, "http://", 7) == 0 ? 7 : 0;
    for (const char *p = s; *p; p++) {
        if ((unsigned char)*p <= ' ' || *p == 0x7f) {
            return false;
        }
    }
    return scheme && s[scheme] && s[scheme] != '/' && strlen(s) < OTLP_URL_MAX - 16;
}

static bool speaks_http(enum otlp_signal signal)
{
    const char *p = environment(own_protocol[signal]);
    p = p ? p : environment("OTEL_EXPORTER_OTLP_PROTOCOL");
    return !p || strncmp(p, "http/", 5) == 0;
}

static void join(char *ret, const char *base, const char *path)
{
    size_t n = strlen(base);
    while (n && base[n - 1] == '/') {
        n--;
    }
    snprintf(ret, OTLP_URL_MAX, "%.*s%s", (int)n, base, path);
}

int otlp_url(enum otlp_signal signal, char ret[OTLP_URL_MAX], char *problem)
{
    ret[0] = 0;
    if (*setting.otlp_endpoint) {
        if (strcmp(setting.otlp_endpoint, "none") == 0) {
            return 0;
        }
        if (!is_url(setting.otlp_endpoint)) {
            snprintf(problem, SETTING_PROBLEM_MAX,
                     "otlp.endpoint: http://HOST[:PORT] or https://.. is expected");
            return SONDE_ERROR_ARGUMENT;
        }
        join(ret, setting.otlp_endpoint, paths[signal]);
        return 0;
    }
    const char *whole = environment(own[signal]);
    const char *base = environment("OTEL_EXPORTER_OTLP_ENDPOINT");
    if (!whole && !base) {
        return 0;
    }
    if (!speaks_http(signal)) {
        snprintf(problem, SETTING_PROBLEM_MAX,
                 "OTEL_EXPORTER_OTLP_PROTOCOL wants gRPC; libsonde speaks http/protobuf alone");
    } else if (!is_url(whole ? whole : base)) {
        snprintf(problem, SETTING_PROBLEM_MAX, "%s is no http:// or https:// address",
                 whole ? own[signal] : "OTEL_EXPORTER_OTLP_ENDPOINT");
    } else if (whole) {
        snprintf(ret, OTLP_URL_MAX, "%s", whole);
    } else {
        join(ret, base, paths[signal]);
    }
    return 0;
}

static int digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

static void trim(const char **s, size_t *n)
{
    while (*n && (**s == ' ' || **s == '\t')) {
        (*s)++;
        (*n)--;
    }
    while (*n && ((*s)[*n - 1] == ' ' || (*s)[*n - 1] == '\t')) {
        (*n)--;
    }
}

/* "key=value" [n] as "key: value"; false: it is none. */
static bool read_header(const char *s, size_t n, char ret[OTLP_HEADER_MAX])
{
    const char *equals = memchr(s, '=', n);
    size_t key_n = equals ? (size_t)(equals - s) : 0, out = 0;
    if (!equals) {
        return false;
    }
    const char *key = s, *value = equals + 1;
    size_t value_n = n - key_n - 1;
    trim(&key, &key_n);
    trim(&value, &value_n);
    if (!key_n || key_n + value_n + 3 > OTLP_HEADER_MAX) {
        return false;
    }
    for (; out < key_n; out++) {
        if (!is_name_byte(key[out])) {
            return false;
        }
        ret[out] = key[out];
    }
    ret[out++] = ':';
    ret[out++] = ' ';
    for (size_t i = 0; i < value_n; i++) {
        char c = value[i];
        if (c == '%' && i + 2 < value_n && digit(value[i + 1]) >= 0 && digit(value[i + 2]) >= 0) {
            c = (char)(digit(value[i + 1]) << 4 | digit(value[i + 2]));
            i += 2;
        }
        if ((unsigned char)c < ' ' || c == 0x7f) {
            return false;
        }
        ret[out++] = c;
    }
    ret[out] = 0;
    return true;
}

size_t otlp_headers_parse(const char *text, struct otlp_headers *ret)
{
    size_t bad = 0;
    ret->n = 0;
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, ",");
        if (n > strspn(p, " ")) {
            if (ret->n < OTLP_HEADERS_MAX && read_header(p, n, ret->line[ret->n])) {
                ret->n++;
            } else {
                bad++;
            }
        }
        p += n + (p[n] == ',');
    }
    return bad;
}

int otlp_headers_read(struct otlp_headers *ret, char *problem)
{
    bool set = *setting.otlp_headers != 0;
    const char *text = set ? setting.otlp_headers : environment("OTEL_EXPORTER_OTLP_HEADERS");
    if (text && otlp_headers_parse(text, ret)) {
        snprintf(problem, SETTING_PROBLEM_MAX, "%s: key=value,key=value is expected",
                 set ? "otlp.headers" : "OTEL_EXPORTER_OTLP_HEADERS");
        return set ? SONDE_ERROR_ARGUMENT : 0;
    }
    if (!text) {
        ret->n = 0;
    }
    return 0;
}

static bool read_varint(const char *bytes, size_t n, size_t *at, uint64_t *ret)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && *at < n; shift += 7) {
        unsigned char c = (unsigned char)bytes[(*at)++];
        value |= (uint64_t)(c & 0x7f) << shift;
        if (!(c & 0x80)) {
            *ret = value;
            return true;
        }
    }
    return false;
}

/* The value of field 1 (of the wire type) in a message; 0: not there. For a message its place. */
static bool find_first(const char *bytes, size_t n, unsigned type, size_t *ret_at, uint64_t *ret)
{
    for (size_t at = 0; at < n;) {
        uint64_t tag, value = 0;
        if (!read_varint(bytes, n, &at, &tag)) {
            return false;
        }
        unsigned wire = tag & 7;
        size_t fixed = wire == 1 ? 8 : wire == 5 ? 4 : 0;
        if (wire == 0 || wire == 2) {
            if (!read_varint(bytes, n, &at, &value)) {
                return false;
            }
        } else if (!fixed) {
            return false;
        }
        if (tag >> 3 == 1 && wire == type) {
            *ret_at = at;
            *ret = value;
            return wire != 2 || value <= n - at;
        }
        uint64_t step = wire == 2 ? value : fixed;
        if (step > n - at) {
            return false;
        }
        at += (size_t)step;
    }
    return false;
}

uint64_t otlp_rejected(const char *bytes, size_t n)
{
    size_t at, inner;
    uint64_t len, rejected;
    if (!find_first(bytes, n, 2, &at, &len) ||
        !find_first(bytes + at, (size_t)len, 0, &inner, &rejected)) {
        return 0;
    }
    return rejected <= INT64_MAX ? rejected : 0;
}
