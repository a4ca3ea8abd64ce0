/* bench/send.c - posts what bench/generate.c wrote over keep-alive connections, one per file.
 *
 * usage: send [--rate SAMPLES_PER_S] [--seconds N] [--path P] [--encoding E] PORT FILE..
 *
 * Flat out, or paced over all connections. A connection that breaks ends its file: how much of its
 * last request was taken is not known. Prints one line of JSON: samples accepted, refused and
 * unknown, requests, wall seconds, latency percentiles of requests in ms.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 64, REPLY_MAX = 65536, HEAD_MAX = 512 };

static struct {
    int port;
    const char *path, *encoding;
    double rate, seconds, begin;
} plan = {.path = "/api/v1/write", .encoding = "snappy"};

struct connection {
    pthread_t thread;
    const char *file;
    int fd;
    float *ms; /* [requests] */
    size_t requests, room;
    uint64_t accepted, refused, unknown;
    char reply[REPLY_MAX], first_refusal[200];
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void sleep_until(double at)
{
    double left = at - now();
    if (left > 0)
        usleep((useconds_t)(left * 1e6));
}

static int dial(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)plan.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        perror("connect");
        return -1;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static int write_all(int fd, const char *head, size_t head_n, const char *body, size_t body_n)
{
    size_t at = 0, all = head_n + body_n;
    while (at < all) {
        size_t in_head = at < head_n ? head_n - at : 0;
        size_t in_body = at < head_n ? 0 : at - head_n;
        struct iovec v[2] = {
            {.iov_base = (void *)(uintptr_t)(head + at), .iov_len = in_head},
            {.iov_base = (void *)(uintptr_t)(body + in_body), .iov_len = body_n - in_body}};
        struct msghdr m = {.msg_iov = in_head ? v : v + 1, .msg_iovlen = in_head ? 2 : 1};
        ssize_t n = sendmsg(fd, &m, MSG_NOSIGNAL);
        if (n <= 0)
            return -1;
        at += (size_t)n;
    }
    return 0;
}

/* The status, or -1 where the connection broke. */
static int read_reply(struct connection *c)
{
    size_t n = 0;
    for (;;) {
        ssize_t got = read(c->fd, c->reply + n, sizeof c->reply - 1 - n);
        if (got <= 0)
            return -1;
        n += (size_t)got;
        c->reply[n] = '\0';
        const char *end = strstr(c->reply, "\r\n\r\n");
        if (end == NULL)
            continue;
        const char *length = strcasestr(c->reply, "\r\ncontent-length:");
        size_t body = length && length < end ? strtoul(length + 17, NULL, 10) : 0;
        if (n >= (size_t)(end - c->reply) + 4 + body || n == sizeof c->reply - 1)
            return (int)strtol(c->reply + 9, NULL, 10);
    }
}

static void note_latency(struct connection *c, double seconds)
{
    if (c->requests == c->room) {
        c->room = c->room ? 2 * c->room : 4096;
        c->ms = realloc(c->ms, c->room * sizeof *c->ms);
        if (c->ms == NULL)
            exit(1);
    }
    c->ms[c->requests++] = (float)(seconds * 1e3);
}

/* Sends one entry; false where the connection broke. */
static bool post(struct connection *c, const char *body, uint32_t n, uint32_t samples)
{
    char head[HEAD_MAX];
    int head_n = snprintf(head, sizeof head,
                          "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
                          "Content-Type: application/x-protobuf\r\nContent-Encoding: %s\r\n"
                          "X-Prometheus-Remote-Write-Version: 0.1.0\r\nContent-Length: %u\r\n\r\n",
                          plan.path, plan.port, plan.encoding, n);
    double begin = now();
    int status = write_all(c->fd, head, (size_t)head_n, body, n) == 0 ? read_reply(c) : -1;
    note_latency(c, now() - begin);
    if (status < 0) {
        c->unknown += samples;
        return false;
    }
    if (status / 100 == 2) {
        c->accepted += samples;
        return true;
    }
    if (c->refused == 0)
        snprintf(c->first_refusal, sizeof c->first_refusal, "%.160s", c->reply);
    c->refused += samples;
    return true;
}

static void *run(void *context)
{
    struct connection *c = context;
    struct stat st;
    int fd = open(c->file, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        perror(c->file);
        exit(1);
    }
    const char *at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (at == MAP_FAILED || (c->fd = dial()) < 0)
        exit(1);
    const char *end = at + st.st_size;
    uint64_t sent = 0;
    while (at < end && (plan.seconds <= 0 || now() - plan.begin < plan.seconds)) {
        uint32_t head[2];
        memcpy(head, at, sizeof head);
        if (plan.rate > 0)
            sleep_until(plan.begin + (double)sent / plan.rate);
        if (!post(c, at + sizeof head, head[0], head[1]))
            break;
        sent += head[1];
        at += sizeof head + head[0];
    }
    close(c->fd);
    return NULL;
}

static int by_size(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void report(struct connection *c, size_t n, double seconds)
{
    size_t requests = 0;
    uint64_t accepted = 0, refused = 0, unknown = 0;
    const char *refusal = "";
    for (size_t i = 0; i < n; i++) {
        requests += c[i].requests;
        accepted += c[i].accepted;
        refused += c[i].refused;
        unknown += c[i].unknown;
        if (c[i].first_refusal[0])
            refusal = c[i].first_refusal;
    }
    float *all = calloc(requests + 1, sizeof *all);
    if (all == NULL)
        exit(1);
    for (size_t i = 0, at = 0; i < n; at += c[i++].requests)
        if (c[i].requests)
            memcpy(all + at, c[i].ms, c[i].requests * sizeof *all);
    qsort(all, requests, sizeof *all, by_size);
    if (refusal[0])
        fprintf(stderr, "send: refused: %s\n", refusal);
    printf("{\"accepted\": %llu, \"refused\": %llu, \"unknown\": %llu, \"requests\": %zu, "
           "\"seconds\": %.3f, \"p50_ms\": %.3f, \"p90_ms\": %.3f, \"p99_ms\": %.3f, "
           "\"max_ms\": %.3f}\n",
           (unsigned long long)accepted, (unsigned long long)refused, (unsigned long long)unknown,
           requests, seconds, (double)all[requests / 2], (double)all[requests * 9 / 10],
           (double)all[requests * 99 / 100], (double)all[requests ? requests - 1 : 0]);
    free(all);
}

int main(int argc, char **argv)
{
    static const struct option OPTIONS[] = {{"rate", required_argument, NULL, 'r'},
                                            {"seconds", required_argument, NULL, 's'},
                                            {"path", required_argument, NULL, 'p'},
                                            {"encoding", required_argument, NULL, 'e'},
                                            {0}};
    static struct connection connections[CONNECTIONS_MAX];
    int c;
    while ((c = getopt_long(argc, argv, "", OPTIONS, NULL)) > 0) {
        if (c == 'r')
            plan.rate = strtod(optarg, NULL);
        else if (c == 's')
            plan.seconds = strtod(optarg, NULL);
        else if (c == 'p')
            plan.path = optarg;
        else if (c == 'e')
            plan.encoding = optarg;
        else
            return 2;
    }
    int n = argc - optind - 1;
    if (n < 1 || n > CONNECTIONS_MAX) {
        fputs("usage: send [--rate SAMPLES_PER_S] [--seconds N] [--path P] [--encoding E] PORT "
              "FILE..\n",
              stderr);
        return 2;
    }
    plan.port = (int)strtol(argv[optind], NULL, 10);
    plan.rate /= n;
    plan.begin = now();
    for (int i = 0; i < n; i++) {
        connections[i].file = argv[optind + 1 + i];
        if (pthread_create(&connections[i].thread, NULL, run, &connections[i]) != 0)
            return 1;
    }
    for (int i = 0; i < n; i++)
        pthread_join(connections[i].thread, NULL);
    report(connections, (size_t)n, now() - plan.begin);
    for (int i = 0; i < n; i++)
        free(connections[i].ms);
    return 0;
}
