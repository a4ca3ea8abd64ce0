/* serve/serve_state.h - what the files of serve share.
 *
 * Threads: config is constant after serve_new(); the rest has locks of its own.
 */
#ifndef SERVE_SERVE_STATE_H
#define SERVE_SERVE_STATE_H

#include "serve/serve.h"

struct lifecycle;
struct live;
struct notification_board;
struct probe;
struct regex; /* text/regex.h */
struct query_registry;
struct registry_offers;
struct scrape_page;

enum {
    SERVE_BODY_MAX = 1024 * 1024,           /* bytes of a form with a query */
    SERVE_ANSWER_MAX = 1024 * 1024 * 1024,  /* bytes of an answer before packing */
    SERVE_FORMATTED_MAX = 64 * 1024 * 1024, /* bytes of an expression over lines */
    SERVE_CONFIG_MAX = 16 * 1024 * 1024,    /* bytes of a configuration in an answer */
    SERVE_TENANTS_NAME_MAX = 64,
};

struct serve {
    struct serve_config config;
    struct http_route *routes; /* [routes_n] */
    size_t routes_n;
    struct live *live;
    struct probe *probe;
    struct query_registry *queries;
    struct scrape_page *page;
    struct lifecycle *lifecycle;
    struct notification_board *board;
    struct registry_offers *offers;
    struct regex *cors; /* NULL: no page of another site may read */
};

#endif
