/* bench/statsd.c - sends datagrams of StatsD's as programs would, with sendmmsg.
 *
 * usage: statsd [--rate DATAGRAMS_PER_S] [--seconds N] [--lines PER_DATAGRAM] [--series N] PORT
 *
 * Six of ten lines count, two are timers, two are gauges; every other one has two tags. Paced in
 * steps of a fifth of a millisecond, or flat out where the rate is 0. Prints one line of JSON:
 * datagrams and lines sent, bytes, wall seconds, and how late the sender was at most.
 */
#include <arpa/inet.h>
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, KINDS = 4096, BYTES_MAX = 8192, STEP_NS = 200000 };

static const double LATE_MAX_S = 0.005;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct {
    char bytes[KINDS][BYTES_MAX];
    struct iovec places[KINDS];
} made;

static size_t line(char *to, size_t room, unsigned long series, unsigned long turn)
{
    static const char *const TYPES[] = {"c", "c", "ms", "c", "c", "g", "c", "ms", "c", "g"};
    const char *type = TYPES[series % 10];
    unsigned long value = type[0] == 'c' ? 1 : 1 + (turn * 7919 + series * 31) % 900;
    int n = snprintf(to, room, "shop.route_%lu.requests:%lu|%s%s", series, value, type,
                     series % 2 ? "|#method:GET,status:200" : "");
    return (size_t)n;
}

static void make(size_t lines, unsigned long series)
{
    unsigned long at = 0;
    for (size_t i = 0; i < KINDS; i++) {
        size_t n = 0;
        for (size_t k = 0; k < lines; k++) {
            if (k)
                made.bytes[i][n++] = '\n';
            n += line(made.bytes[i] + n, BYTES_MAX - n, at++ % series, i);
        }
        made.places[i] = (struct iovec){made.bytes[i], n};
    }
}

int main(int argc, char **argv)
{
    static const struct option OPTIONS[] = {{"rate", required_argument, NULL, 'r'},
                                            {"seconds", required_argument, NULL, 's'},
                                            {"lines", required_argument, NULL, 'l'},
                                            {"series", required_argument, NULL, 'n'},
                                            {0}};
    double rate = 0, seconds = 1, late = 0;
    size_t lines = 1;
    unsigned long series = 1000;
    for (int c; (c = getopt_long(argc, argv, "", OPTIONS, NULL)) > 0;) {
        if (c == 'r')
            rate = strtod(optarg, NULL);
        else if (c == 's')
            seconds = strtod(optarg, NULL);
        else if (c == 'l')
            lines = strtoul(optarg, NULL, 10);
        else if (c == 'n')
            series = strtoul(optarg, NULL, 10);
        else
            return 2;
    }
    if (argc - optind != 1 || lines < 1 || lines > 100 || series < 1)
        return 2;
    make(lines, series);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)strtoul(argv[optind], NULL, 10)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_DGRAM, 0), size = 4 << 20;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        perror("connect");
        return 1;
    }
    uint64_t sent = 0, bytes = 0;
    double start = now(), begin = start;
    for (double t; (t = now()) - begin < seconds;) {
        uint64_t due = rate > 0 ? (uint64_t)((t - begin) * rate) : sent + BATCH;
        if (due <= sent) {
            struct timespec nap = {.tv_nsec = STEP_NS};
            nanosleep(&nap, NULL);
            continue;
        }
        double behind = rate > 0 ? (double)(due - sent) / rate : 0;
        late = behind > late ? behind : late;
        if (behind > LATE_MAX_S) { /* this process did not run: what it missed is not made up */
            begin += behind;
            seconds -= behind;
            continue;
        }
        struct mmsghdr v[BATCH];
        unsigned n = (unsigned)(due - sent < BATCH ? due - sent : BATCH);
        memset(v, 0, sizeof v);
        for (unsigned i = 0; i < n; i++) {
            v[i].msg_hdr.msg_iov = &made.places[(sent + i) % KINDS];
            v[i].msg_hdr.msg_iovlen = 1;
        }
        int got = sendmmsg(fd, v, n, 0);
        if (got < 0) {
            perror("sendmmsg");
            return 1;
        }
        for (int i = 0; i < got; i++)
            bytes += v[i].msg_len;
        sent += (uint64_t)got;
    }
    printf("{\"datagrams\": %llu, \"lines\": %llu, \"bytes\": %llu, \"seconds\": %.3f, "
           "\"late_ms\": %.2f}\n",
           (unsigned long long)sent, (unsigned long long)(sent * lines), (unsigned long long)bytes,
           now() - start, late * 1e3);
    close(fd);
    return 0;
}
