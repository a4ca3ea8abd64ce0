#include "client/send/http.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "client/core/module.h"
#include "client/core/setting.h"
#include "client/core/ticks.h"
#include "client/core/worker.h"
#include "sonde/core.h"

enum { SOCKETS_MAX = 16, CONNECT_MS = 5000, CLOSE_WAIT_MS = 200 };
/* CURLOPT_PROTOCOLS, which every libcurl.so.4 has; its successor came with 7.85. */
static const CURLoption OPTION_PROTOCOLS = (CURLoption)(CURLOPTTYPE_LONG + 181);

/* What we call of libcurl, by its names. */
static struct {
    CURLcode (*global_init)(long);
    curl_version_info_data *(*version_info)(CURLversion);
    CURL *(*easy_init)(void);
    CURLcode (*easy_setopt)(CURL *, CURLoption, ...);
    CURLcode (*easy_getinfo)(CURL *, CURLINFO, ...);
    const char *(*easy_strerror)(CURLcode);
    void (*easy_cleanup)(CURL *);
    struct curl_slist *(*slist_append)(struct curl_slist *, const char *);
    void (*slist_free_all)(struct curl_slist *);
    CURLM *(*multi_init)(void);
    CURLMcode (*multi_setopt)(CURLM *, CURLMoption, ...);
    CURLMcode (*multi_add_handle)(CURLM *, CURL *);
    CURLMcode (*multi_remove_handle)(CURLM *, CURL *);
    CURLMcode (*multi_socket_action)(CURLM *, curl_socket_t, int, int *);
    CURLMcode (*multi_assign)(CURLM *, curl_socket_t, void *);
    CURLMsg *(*multi_info_read)(CURLM *, int *);
    CURLMcode (*multi_cleanup)(CURLM *);
} curl;

struct entry {
    const char *name;
    void *at; /* of a pointer in `curl` */
};
#define ENTRY(member)                                                                              \
    {                                                                                              \
        "curl_" #member, &curl.member                                                              \
    }
static const struct entry entries[] = {
    ENTRY(global_init),         ENTRY(version_info),        ENTRY(easy_init),
    ENTRY(easy_setopt),         ENTRY(easy_getinfo),        ENTRY(easy_strerror),
    ENTRY(easy_cleanup),        ENTRY(slist_append),        ENTRY(slist_free_all),
    ENTRY(multi_init),          ENTRY(multi_setopt),        ENTRY(multi_add_handle),
    ENTRY(multi_remove_handle), ENTRY(multi_socket_action), ENTRY(multi_assign),
    ENTRY(multi_info_read),     ENTRY(multi_cleanup),
};

static enum { UNTRIED, LOADED, MISSING } loaded;
static bool begun; /* global_init() was called */
static char missing[HTTP_PROBLEM_MAX];
static CURLM *multi;
static size_t running; /* requests */

static void watch_ready(void *context, short events);
static void timer_run(void *context);
static struct worker_watch watches[SOCKETS_MAX];
static bool watched[SOCKETS_MAX];
static struct worker_task timer = {.name = "http", .run = timer_run};
static bool timer_added;
static _Atomic int sockets[SOCKETS_MAX]; /* descriptor + 1; 0: free */

/* Nobody is in libcurl any more once exit() has come so far. */
static pthread_mutex_t inside = PTHREAD_MUTEX_INITIALIZER;
static bool over; /* under the mutex */

static bool enter(void)
{
    pthread_mutex_lock(&inside);
    if (over) {
        pthread_mutex_unlock(&inside);
    }
    return !over;
}

static void leave(void)
{
    pthread_mutex_unlock(&inside);
}

/* Registered behind the handlers of libcurl's TLS library, so called before them. */
static void at_exit(void)
{
    if (atomic_load(&module_asleep)) {
        return;
    }
    (void)sonde_shutdown((unsigned)setting.shutdown_ms);
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += (long)CLOSE_WAIT_MS * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    if (pthread_mutex_timedlock(&inside, &until) == 0) {
        over = true;
        pthread_mutex_unlock(&inside);
    }
}

static void *open_library(int flags)
{
    static const char *const names[] = {"libcurl.so.4", "libcurl-gnutls.so.4", "libcurl-nss.so.4"};
    if (strcmp(setting.send_curl, "auto") != 0) {
        return dlopen(setting.send_curl, RTLD_NOW | RTLD_LOCAL | flags);
    }
    void *library = NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names && !library; i++) {
        library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL | flags);
    }
    return library;
}

static void begin(void)
{
    if (!begun) {
        begun = true;
        (void)curl.global_init(CURL_GLOBAL_DEFAULT); /* fails again where a handle is made */
        atexit(at_exit);
    }
}

static void load(int flags)
{
    void *library = open_library(flags);
    if (!library) {
        snprintf(missing, sizeof missing, "there is no libcurl (package libcurl4) on this system");
        loaded = flags ? UNTRIED : MISSING;
        return;
    }
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        void *symbol = dlsym(library, entries[i].name);
        if (!symbol) {
            snprintf(missing, sizeof missing, "libcurl has no %s", entries[i].name);
            loaded = MISSING;
            return;
        }
        memcpy(entries[i].at, &symbol, sizeof symbol);
    }
    loaded = LOADED;
}

static bool wanted(void)
{
    return *setting.send_curl && strcmp(setting.send_curl, "none") != 0;
}

bool http_available(const char **ret_problem)
{
    if (!wanted()) {
        *ret_problem = "the setting send.curl says that libcurl is not used";
        return false;
    }
    if (loaded == UNTRIED) {
        load(0);
    }
    *ret_problem = loaded == LOADED ? NULL : missing;
    return loaded == LOADED;
}

void http_prepare(void)
{
    loaded = loaded == MISSING ? UNTRIED : loaded; /* the setting may be another now */
    if (loaded == UNTRIED && wanted()) {
        load(RTLD_NOLOAD);
    }
    if (loaded == LOADED && wanted()) {
        const curl_version_info_data *v = curl.version_info(CURLVERSION_NOW);
        if (!(v->features & CURL_VERSION_THREADSAFE)) {
            begin();
        }
    }
}

/* ---- sockets */

static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *a)
{
    int fd = socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
    for (size_t i = 0; i < SOCKETS_MAX && fd >= 0; i++) {
        int none = 0;
        if (atomic_compare_exchange_strong(&sockets[i], &none, fd + 1)) {
            return fd;
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    return CURL_SOCKET_BAD;
}

static int close_socket(void *context, curl_socket_t fd)
{
    for (size_t i = 0; i < SOCKETS_MAX; i++) {
        int mine = fd + 1;
        if (atomic_compare_exchange_strong(&sockets[i], &mine, 0)) {
            break;
        }
    }
    return close(fd);
}

void http_close_in_child(void)
{
    for (size_t i = 0; i < SOCKETS_MAX; i++) {
        int fd = atomic_exchange(&sockets[i], 0) - 1;
        if (fd >= 0) {
            close(fd);
        }
    }
}

/* libcurl wants to know about a socket, or no longer. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *of_socket)
{
    struct worker_watch *w = of_socket;
    for (size_t i = 0; i < SOCKETS_MAX && !w && what != CURL_POLL_REMOVE; i++) {
        if (!watched[i]) {
            watched[i] = true;
            w = &watches[i];
            *w = (struct worker_watch){.fd = fd, .ready = watch_ready, .context = w};
            worker_watch_add(w);
            curl.multi_assign(multi, fd, w);
        }
    }
    if (!w) {
        return 0;
    }
    if (what == CURL_POLL_REMOVE) {
        worker_watch_remove(w);
        watched[w - watches] = false;
        return 0;
    }
    w->events = (short)((what & CURL_POLL_IN ? POLLIN : 0) | (what & CURL_POLL_OUT ? POLLOUT : 0));
    return 0;
}

static int on_timer(CURLM *m, long timeout_ms, void *context)
{
    uint64_t due =
        timeout_ms < 0 ? UINT64_MAX : ticks_monotonic_ns() + (uint64_t)timeout_ms * 1000000;
    worker_task_at(&timer, due);
    return 0;
}

/* ---- requests */

static void end_request(struct http_post *p)
{
    curl.multi_remove_handle(multi, p->easy);
    curl.easy_cleanup(p->easy);
    curl.slist_free_all(p->list);
    p->easy = p->list = NULL;
    running--;
}

/* Tells about requests that are over. Under `inside`, which is let go for the calls. */
static void reap(void)
{
    CURLMsg *m;
    int left;
    while (multi && (m = curl.multi_info_read(multi, &left))) {
        struct http_post *p = NULL;
        if (m->msg != CURLMSG_DONE) {
            continue;
        }
        CURLcode code = m->data.result;
        curl.easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&p);
        curl.easy_getinfo(m->easy_handle, CURLINFO_RESPONSE_CODE, &p->status);
        if (code != CURLE_OK) {
            p->status = 0;
            snprintf(p->problem, sizeof p->problem, "%.150s",
                     *p->error ? p->error : curl.easy_strerror(code));
        }
        end_request(p);
        leave();
        p->done(p);
        if (!enter()) {
            pthread_mutex_lock(&inside);
            return;
        }
    }
}

static void act(curl_socket_t fd, int what)
{
    int still;
    if (enter()) {
        if (multi) {
            curl.multi_socket_action(multi, fd, what, &still);
            reap();
        }
        leave();
    }
}

static void watch_ready(void *context, short events)
{
    const struct worker_watch *w = context;
    int what = (events & POLLIN ? CURL_CSELECT_IN : 0) | (events & POLLOUT ? CURL_CSELECT_OUT : 0) |
               (events & (POLLERR | POLLHUP) ? CURL_CSELECT_ERR : 0);
    act(w->fd, what);
}

static void timer_run(void *context)
{
    act(CURL_SOCKET_TIMEOUT, 0);
}

static void copy_header(const char *line, size_t n, const char *name, char *ret)
{
    size_t name_n = strlen(name);
    if (n <= name_n || strncasecmp(line, name, name_n) != 0 || line[name_n] != ':') {
        return;
    }
    line += name_n + 1;
    n -= name_n + 1;
    while (n && (*line == ' ' || *line == '\t')) {
        line++;
        n--;
    }
    while (n && (line[n - 1] == '\r' || line[n - 1] == '\n' || line[n - 1] == ' ')) {
        n--;
    }
    n = n < HTTP_VALUE_MAX ? n : HTTP_VALUE_MAX - 1;
    memcpy(ret, line, n);
    ret[n] = 0;
}

static size_t on_header(char *line, size_t one, size_t n, void *context)
{
    struct http_post *p = context;
    copy_header(line, n, "Retry-After", p->retry_after);
    copy_header(line, n, "X-Sentry-Rate-Limits", p->limits);
    return n;
}

static size_t on_body(char *bytes, size_t one, size_t n, void *context)
{
    struct http_post *p = context;
    size_t room = sizeof p->answer - p->answer_n, keep = n < room ? n : room;
    memcpy(p->answer + p->answer_n, bytes, keep);
    p->answer_n += keep;
    return n;
}

static bool make_multi(void)
{
    if (multi) {
        return true;
    }
    begin();
    multi = curl.multi_init();
    if (!multi) {
        return false;
    }
    curl.multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl.multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl.multi_setopt(multi, CURLMOPT_MAXCONNECTS, 4L);
    return true;
}

static void set_options(struct http_post *p)
{
    CURL *e = p->easy;
    curl.easy_setopt(e, CURLOPT_URL, p->url);
    curl.easy_setopt(e, CURLOPT_PRIVATE, p);
    curl.easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl.easy_setopt(e, OPTION_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
    curl.easy_setopt(e, CURLOPT_USERAGENT, "libsonde/" SONDE_VERSION);
    curl.easy_setopt(e, CURLOPT_HTTPHEADER, p->list);
    curl.easy_setopt(e, CURLOPT_POST, 1L);
    curl.easy_setopt(e, CURLOPT_POSTFIELDS, p->body);
    curl.easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)p->body_n);
    curl.easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)p->timeout_ms);
    curl.easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS,
                     (long)(p->timeout_ms < CONNECT_MS ? p->timeout_ms : CONNECT_MS));
    curl.easy_setopt(e, CURLOPT_ERRORBUFFER, p->error);
    curl.easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    curl.easy_setopt(e, CURLOPT_HEADERDATA, p);
    curl.easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    curl.easy_setopt(e, CURLOPT_WRITEDATA, p);
    curl.easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl.easy_setopt(e, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
}

static int begin_request(struct http_post *p)
{
    if (!make_multi() || !(p->easy = curl.easy_init())) {
        return SONDE_ERROR_MEMORY;
    }
    struct curl_slist *list = curl.slist_append(NULL, "Expect:"); /* no waiting for 100 */
    for (size_t i = 0; i < HTTP_HEADERS_MAX && p->headers[i]; i++) {
        struct curl_slist *longer = curl.slist_append(list, p->headers[i]);
        list = longer ? longer : list;
    }
    p->list = list;
    set_options(p);
    running++;
    if (curl.multi_add_handle(multi, p->easy) != CURLM_OK) {
        end_request(p);
        return SONDE_ERROR_MEMORY;
    }
    return 0;
}

int http_send(struct http_post *p)
{
    const char *problem;
    p->status = 0;
    p->problem[0] = p->retry_after[0] = p->limits[0] = p->error[0] = 0;
    p->answer_n = 0;
    if (!http_available(&problem)) {
        snprintf(p->problem, sizeof p->problem, "%s", problem);
        return SONDE_ERROR_UNSUPPORTED;
    }
    if (!timer_added) {
        timer_added = true;
        worker_task_add(&timer);
    }
    if (!enter()) {
        return SONDE_ERROR_UNSUPPORTED;
    }
    int err = begin_request(p);
    leave();
    return err;
}

static void forget(void)
{
    for (size_t i = 0; i < SOCKETS_MAX; i++) {
        if (watched[i]) {
            worker_watch_remove(&watches[i]);
            watched[i] = false;
        }
    }
    if (timer_added) {
        worker_task_remove(&timer);
        timer_added = false;
    }
    multi = NULL;
    running = 0;
}

void http_cancel(struct http_post *p)
{
    if (p->easy && enter()) {
        end_request(p);
        leave();
    }
}

void http_stop(void)
{
    if (multi && enter()) {
        curl.multi_cleanup(multi); /* requests were cancelled before */
        forget();
        leave();
    }
}

void http_fork_child(void)
{
    pthread_mutex_init(&inside, NULL);
    forget(); /* handles and what they hold are left to the parent: closing them would speak to it
               */
}
