/* net/fetch_state.h - what the files behind net/fetch.h share; for net/ only.
 *
 * fetch.c          requests: beginning, end, cancelling
 * fetch_lane.c     one multi handle of libcurl on the loop
 * fetch_setup.c    a request as options of libcurl
 * fetch_secret.c   texts and files of the settings, read again when they change; headers of them
 * fetch_token.c    OAuth2: tokens by client credentials
 * fetch_proxy.c    which proxy, if any
 *
 * Threads: the loop's.
 */
#ifndef NET_FETCH_STATE_H
#define NET_FETCH_STATE_H

#include <curl/curl.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/vec.h"
#include "net/fetch.h"

enum {
    FETCH_LANE_MAX = 500,           /* requests in progress and connections of a multi handle */
    FETCH_IDLE_MAX = 512,           /* requests that a client keeps for the next ones */
    FETCH_KEEP_BYTES = 256 * 1024,  /* of body that a kept request keeps; bytes */
    FETCH_HEADERS_MAX = 256 * 1024, /* bytes of an answer's headers */
    FETCH_BODY_MAX = 64 * 1024 * 1024,
    FETCH_TIMEOUT_MS = 10000,
    FETCH_SLACK = 64,           /* readable bytes behind a body */
    FETCH_SECRET_MAX = 1 << 20, /* bytes of a file of credentials or certificates */
    FETCH_FRESH_MS = 250,       /* files are read again at most this often */
    FETCH_REDIRECTS_MAX = 10,
};

struct fetch_lane;

/* A socket of libcurl's. One that it keeps open between requests stays watched, as each change
 * of what is asked for costs kernel calls. */
struct fetch_socket {
    struct fetch_lane *lane;
    struct watch *watch; /* NULL until libcurl waits for it */
    int fd;
    unsigned wanted; /* by libcurl, now */
    bool kept;       /* opened by libcurl for a connection, and told when it is closed */
};

/* One multi handle. */
struct fetch_lane {
    struct fetcher *fetcher;
    CURLM *multi;
    struct timer *timer;
    int64_t due_ms;       /* when libcurl wants to be called; -1: not at all */
    int64_t armed_ms;     /* when timer fires; -1: not at all */
    size_t running;       /* requests in it */
    bool inside;          /* libcurl is calling us: it may not be called */
    struct fetch *queued; /* to go in, or out (canceled), once libcurl has been left */
};

struct fetcher {
    struct loop *loop;
    struct fetcher_limits limits;
    struct fetch_lane **lanes; /* [lanes_n], made when they are needed */
    size_t lanes_n;
    struct {
        struct fetch_socket **v; /* by descriptor; NULL where there is none */
        size_t n, capacity;
    } sockets;
    struct fetch *failed;       /* whose done() is still to be called, first and ... */
    struct fetch **failed_last; /* ... where the next one goes */
    struct timer *failed_timer;
    struct buf unpacked; /* the body that done() sees now */
    size_t clients_n;
};

/* A text of the settings or of a file, as it was read last. */
struct fetch_secret {
    struct str text, path; /* borrowed; path "": there is only the text */
    struct buf file;       /* trimmed content */
};

/* What a client got for a lifetime by OAuth2. */
struct fetch_token {
    struct fetch_client *client; /* who asks for it; NULL until the first time */
    struct fetch_settings settings;
    struct fetch_secret secret;
    struct buf header;      /* "Authorization: Bearer x"; empty: no token */
    int64_t until_ms;       /* of the loop; 0: it does not run out */
    struct fetch *fetching; /* the request for it */
    struct fetch *waiting;  /* requests that need it */
    struct buf body;        /* of the request for it */
    bool in_body;           /* the id and secret are sent in the body, not in a header */
    bool in_body_known;
};

struct fetch_client {
    struct fetcher *fetcher;
    const struct fetch_settings *settings;
    struct fetch_proxy proxy; /* the settings' or the environment's */
    struct str proxy_https;   /* of the environment, for https:// */
    struct fetch_secret username, password, credentials, cert, key;
    struct fetch_secret *header_files; /* [header_files_n], in the order of the settings */
    size_t header_files_n;
    struct buf authorization; /* "Authorization: ..."; empty: none */
    int64_t read_ms;          /* when files were read last; 0: not yet */
    uint64_t version;         /* of what a handle is set up with */
    struct curl_slist *connect_headers;
    struct fetch_token *token; /* NULL: no OAuth2 */
    struct fetch *active;      /* requests that are not answered */
    struct fetch *idle;        /* kept for the next ones */
    size_t idle_n, used;       /* requests that are not idle, canceled ones too */
    bool dying;                /* nobody owns it: it goes with its last request */
};

enum fetch_phase {
    FETCH_IDLE,
    FETCH_FAILED,   /* in fetcher->failed */
    FETCH_TOKEN,    /* in token->waiting */
    FETCH_QUEUED,   /* in lane->queued, to go in */
    FETCH_RUNNING,  /* in lane->multi */
    FETCH_CANCELED, /* in lane->queued, to go out */
    FETCH_ENDING,   /* done() is being called */
};

struct fetch {
    struct fetch_client *client;
    struct fetch_lane *lane;
    struct fetch *next, *prev; /* of client->active; next alone of client->idle */
    struct fetch *after;       /* in the list of its phase */
    CURL *curl;
    enum fetch_phase phase;
    struct fetch_request request; /* texts in arena */
    struct arena arena;
    struct buf body, headers;
    struct fetch_lane *setup_lane;
    uint64_t setup_version; /* of the client's that curl is set up with */
    const char *setup_kind; /* the method that it is set up with */
    bool setup_unix, setup_host;
    bool setup_certificate; /* the same for telling of certificates */
    struct str token;       /* the header that was sent; "": none */
    bool retried;           /* with a new token */
    bool over;              /* the body is too long */
    bool forbidden;         /* it leads to where the client may not go */
    bool broken;            /* piece() does not want more */
    int broken_err;
    bool packed_pieces;
    int64_t began_ns;
    struct timer *timer; /* while it waits for a token */
    int err;             /* where phase is FETCH_FAILED */
    struct why why;
    char error[CURL_ERROR_SIZE];
};

/* ---- fetch.c */

/* Ends f with what libcurl says; calls done(). */
void fetch_ended(struct fetch *f, CURLcode code);

/* Calls done() with f->why a little later. */
void fetch_fail(struct fetch *f);

/* f has all that it needs: off it goes. */
void fetch_go(struct fetch *f);

/* f is out of libcurl's and everybody's hands. */
void fetch_release(struct fetch *f);

/* ---- fetch_lane.c */
struct fetch_lane *fetch_lane_new(struct fetcher *fetcher);
void fetch_lane_free(struct fetch_lane *l);

/* Puts f into libcurl, or takes it out; later where libcurl is calling us. */
void fetch_lane_add(struct fetch_lane *l, struct fetch *f);
void fetch_lane_drop(struct fetch_lane *l, struct fetch *f);

/* The sockets of libcurl are ours to open and close. */
curl_socket_t fetch_lane_open(void *lane, curlsocktype purpose, struct curl_sockaddr *address);
int fetch_lane_close(void *lane, curl_socket_t fd);

/* Of a socket that libcurl has closed without a word. NULL is fine. */
void fetch_socket_free(struct fetch_socket *s);

/* ---- fetch_setup.c */

/* Sets the options of f->curl. -ERR_x with f->why. */
MUST_USE int fetch_setup(struct fetch *f);

/* ---- fetch_secret.c */
void fetch_secret_init(struct fetch_secret *s, struct str text, struct str path);
void fetch_secret_done(struct fetch_secret *s);

/* buf_done() of bytes that nobody shall find in memory. */
void fetch_secret_wipe(struct buf *b);

/* Reads the file again; *changed becomes true where it differs. */
MUST_USE int fetch_secret_read(struct fetch_secret *s, bool *changed, struct why *why);
struct str fetch_secret_text(const struct fetch_secret *s);

/* Everything that c's settings name, where it is time for it. */
void fetch_secret_open_all(struct fetch_client *c);
void fetch_secret_close_all(struct fetch_client *c);
MUST_USE int fetch_secret_read_all(struct fetch_client *c, struct why *why);

/* "Authorization: Basic dXNlcjpw" */
void fetch_secret_basic(struct str username, struct str password, struct buf *ret);

/* ---- fetch_token.c */
void fetch_token_open(struct fetch_client *c);
void fetch_token_close(struct fetch_client *c);

/* Is there one for f? Else f waits for it, and goes on or fails by itself. */
bool fetch_token_ready(struct fetch *f);

/* f has been refused: is it worth another try with a new token? Then f is on its way again. */
bool fetch_token_refused(struct fetch *f, int status);

/* f waits no longer. */
void fetch_token_leave(struct fetch *f);

/* ---- fetch_proxy.c */

/* The proxy for url, "" for none. */
struct str fetch_proxy_for(const struct fetch_client *c, struct str url);

/* Is host (a name or an address, no brackets) with port one of list? */
bool fetch_proxy_excepts(struct str list, struct str host, struct str port);

/* The parts of "scheme://user@host:port/..."; "" where missing. Brackets are taken off host. */
void fetch_proxy_parts(struct str url, struct str *ret_host, struct str *ret_port);

#endif
