/* net/fetch_settings.h - how to talk to a server: who we are, whom we trust, by which way.
 *
 * Plain data that a configuration fills (promfile/http reads it from YAML). Texts are empty where
 * nothing is said. Files are read when they are needed and again when they have changed.
 *
 * Source:  Prometheus, HTTPClientConfig of its common library.
 * Threads: plain data; its owner keeps it as long as anybody uses it.
 */
#ifndef NET_FETCH_SETTINGS_H
#define NET_FETCH_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

enum fetch_tls_version {
    FETCH_TLS_DEFAULT,
    FETCH_TLS_1_0,
    FETCH_TLS_1_1,
    FETCH_TLS_1_2,
    FETCH_TLS_1_3,
};

struct fetch_tls {
    struct str ca, cert, key; /* PEM, in the configuration itself */
    struct str ca_file, cert_file, key_file;
    struct str server_name; /* that the certificate is for; "": the URL's host */
    bool insecure_skip_verify;
    enum fetch_tls_version min_version, max_version;
};

struct fetch_header {
    struct str name;
    const struct str *values; /* [values_n] */
    size_t values_n;
    const struct str *files; /* [files_n], each file's text is one more value */
    size_t files_n;
};

struct fetch_proxy {
    struct str url;      /* "": none */
    struct str no_proxy; /* hosts, domains, networks, separated by commas */
    bool from_environment;
    const struct fetch_header *connect_headers; /* [connect_headers_n] */
    size_t connect_headers_n;
};

struct fetch_param {
    struct str name, value;
};

/* Instead of a secret: a JSON Web Token, signed with a key of ours (RFC 7523). */
struct fetch_jwt {
    struct str key, key_file;                       /* PEM, of RSA */
    struct str key_id, algorithm, issuer, audience; /* "": none, RS256, client_id, token_url */
    struct str claims;                              /* more of them: a JSON object, or "" */
};

/* A token that is got from token_url by client credentials and sent as a bearer's. */
struct fetch_oauth2 {
    struct str client_id, client_secret, client_secret_file, token_url;
    const struct str *scopes; /* [scopes_n] */
    size_t scopes_n;
    const struct fetch_param *params; /* [params_n] of the request for a token */
    size_t params_n;
    const struct fetch_jwt *jwt; /* NULL: client credentials */
    struct fetch_tls tls;
    struct fetch_proxy proxy;
};

struct fetch_settings {
    struct str username, username_file, password, password_file; /* basic; "" and "": none */
    struct str authorization_type;                               /* "Bearer"; "": none */
    struct str credentials, credentials_file;
    const struct fetch_oauth2 *oauth2; /* NULL: none */
    struct fetch_tls tls;
    struct fetch_proxy proxy;
    const struct fetch_header *headers; /* [headers_n] added to every request */
    size_t headers_n;
    bool follow_redirects;  /* the default is true */
    bool enable_http2;      /* the default is true */
    bool no_link_local;     /* never to os/link_local.h's, be it by a redirect or a name */
    bool shuffle_addresses; /* of a name that has several: another order for each connection */
    struct str unusable;    /* a sentence: why no client can be made of this (a secret that is kept
                             * elsewhere); "": one can */
};

/* What is in force where nothing is said. */
extern const struct fetch_settings fetch_settings_default;

#endif
