/* serve/serve_state.h - what the files of serve share.
 *
 * Threads: config is constant after serve_new(); the rest has locks of its own.
 */
#ifndef SERVE_SERVE_STATE_H
#define SERVE_SERVE_STATE_H

#include "serve/serve.h"

struct live;
struct probe;
struct scrape_page;

enum {
    SERVE_BODY_MAX = 1024 * 1024,          /* bytes of a form with a query */
    SERVE_ANSWER_MAX = 1024 * 1024 * 1024, /* bytes of an answer before packing */
    SERVE_TENANTS_NAME_MAX = 64,
};

struct serve {
    struct serve_config config;
    struct http_route *routes; /* [routes_n] */
    size_t routes_n;
    struct live *live;
    struct probe *probe;
    struct scrape_page *page;
};

#endif
