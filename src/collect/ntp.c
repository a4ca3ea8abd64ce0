/* How far the clock is from that of a time server: one SNTP question (RFC 5905) a run, to the
 * server that collect.ntp_server names. */
#include "collect/collector.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "collect/pseudo.h"

enum {
    PACKET = 48,
    PORT = 123,
    PATIENCE_MS = 1000,
    QUESTION = 0x23, /* version 4, client */
    SERVER = 4,      /* mode of an answer */
    STRATUM_MAX = 15,
    LEAP_UNKNOWN = 3,
    HOST_MAX = 64,
};
static const double SINCE_1900 = 2208988800.0; /* seconds from 1900 to 1970 */
static const double DISTANCE_MAX = 3.46608;    /* seconds; the farthest that a server may be */
static const double ERROR_MAX = 1e-3;          /* seconds that the clocks may contradict */

#define PLAIN(name, help)                                                                          \
    {                                                                                              \
        "node_ntp_" name, METRIC_GAUGE, help,                                                      \
        {                                                                                          \
            NULL                                                                                   \
        }                                                                                          \
    }
static const struct family STRATUM = PLAIN("stratum", "Distance of the server from a clock.");
static const struct family LEAP = PLAIN("leap", "Leap second to come: 1 more, 2 less, 3 unknown.");
static const struct family RTT = PLAIN("rtt_seconds", "Time until the answer.");
static const struct family OFFSET = PLAIN("offset_seconds", "The server's clock less ours.");
static const struct family REFERENCE =
    PLAIN("reference_timestamp_seconds", "When the server's clock was last set.");
static const struct family DELAY = PLAIN("root_delay_seconds", "Delay to the server's source.");
static const struct family DISPERSION =
    PLAIN("root_dispersion_seconds", "Error of the server's source.");
static const struct family SANITY = PLAIN("sanity", "Can the server's time be relied on? 1 or 0.");

static uint32_t load(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Seconds and 2^-32 of them. */
static double time_at(const unsigned char *p)
{
    return (double)load(p) + (double)load(p + 4) / 4294967296.0;
}

/* 16 bits of seconds, 16 of their fraction. */
static double short_at(const unsigned char *p)
{
    return (double)load(p) / 65536.0;
}

/* "127.0.0.1", "127.0.0.1:123", "::1", "[::1]:123" */
static int address_of(const char *text, struct sockaddr_storage *ret, socklen_t *ret_n,
                      struct why *why)
{
    char host[HOST_MAX];
    uint64_t port = PORT;
    struct str s = str_c(text), rest = STR("");
    size_t colon = str_find(s, ':');
    if (s.n && s.p[0] == '[') {
        size_t end = str_find(s, ']');
        rest = str_sub(s, end + 1, s.n);
        s = str_sub(s, 1, end);
    } else if (colon < s.n && str_find(str_sub(s, colon + 1, s.n), ':') == s.n - colon - 1) {
        rest = str_sub(s, colon, s.n);
        s = str_sub(s, 0, colon);
    }
    bool open = text[0] == '[' && !strchr(text, ']');
    bool good = !open && s.n < sizeof host &&
                (rest.n == 0 || (rest.p[0] == ':' && str_u64(str_sub(rest, 1, rest.n), &port) &&
                                 port <= UINT16_MAX));
    snprintf(host, sizeof host, STR_FMT, STR_ARG(s));
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    memset(ret, 0, sizeof *ret);
    if (good && inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
        memcpy(ret, &v4, *ret_n = sizeof v4);
        return 0;
    }
    if (good && inet_pton(AF_INET6, host, &v6.sin6_addr) == 1) {
        memcpy(ret, &v6, *ret_n = sizeof v6);
        return 0;
    }
    return why_set(why, ERR_FORMAT,
                   "collect.ntp_server: \"%s\" is no address (names are not looked up)", text);
}

/* Microseconds count here, which the collectors' clock does not tell. */
static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void put_time(unsigned char *p, double since_1900)
{
    uint32_t seconds = (uint32_t)(uint64_t)since_1900;
    uint32_t fraction = (uint32_t)((since_1900 - (double)(uint64_t)since_1900) * 4294967296.0);
    for (int i = 0; i < 4; i++) {
        p[i] = (unsigned char)(seconds >> 8 * (3 - i));
        p[4 + i] = (unsigned char)(fraction >> 8 * (3 - i));
    }
}

/* Sends the question and waits for the answer to it. */
static int ask(int fd, unsigned char packet[PACKET], struct why *why)
{
    unsigned char question[PACKET] = {QUESTION};
    put_time(question + 40, now_s() + SINCE_1900);
    if (send(fd, question, sizeof question, 0) != PACKET)
        return why_set(why, ERR_CLOSED, "the time server cannot be reached: %s", strerror(errno));
    int64_t until_ns = clock_monotonic_ns(&clock_real) + (int64_t)PATIENCE_MS * 1000000;
    for (;;) {
        int64_t left_ms = (until_ns - clock_monotonic_ns(&clock_real)) / 1000000;
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int n = left_ms > 0 ? poll(&p, 1, (int)left_ms) : 0;
        if (n == 0)
            return why_set(why, ERR_TIMEOUT, "the time server does not answer");
        ssize_t got = n > 0 ? recv(fd, packet, PACKET, MSG_DONTWAIT) : -1;
        if (got < 0 && errno != EINTR && errno != EAGAIN)
            return why_set(why, ERR_CLOSED, "the time server cannot be reached: %s",
                           strerror(errno));
        /* An answer repeats the time of its question; others are late, or forged. */
        if (got == PACKET && (packet[0] & 7) == SERVER &&
            memcmp(packet + 24, question + 40, 8) == 0)
            return 0;
    }
}

static void give(struct emit *e, const unsigned char *packet, double received)
{
    unsigned leap = packet[0] >> 6, stratum = packet[1];
    double sent = time_at(packet + 24), theirs_in = time_at(packet + 32);
    double theirs_out = time_at(packet + 40), back = received + SINCE_1900;
    double rtt = back - sent - (theirs_out - theirs_in);
    rtt = rtt > 0 ? rtt : 0;
    double offset = (theirs_in - sent + (theirs_out - back)) / 2;
    double delay = short_at(packet + 4), dispersion = short_at(packet + 8);
    /* How far an answer came before its question, or a question after its answer. */
    double before = sent - theirs_in, after = theirs_out - back;
    double contradiction = before > after ? before : after;
    double error = offset < ERROR_MAX && offset > -ERROR_MAX ? 0 : contradiction;
    bool sane = leap != LEAP_UNKNOWN && stratum >= 1 && stratum <= STRATUM_MAX &&
                (rtt + delay) / 2 + dispersion <= DISTANCE_MAX && error <= ERROR_MAX;
    emit_plain(e, &STRATUM, stratum);
    emit_plain(e, &LEAP, leap);
    emit_plain(e, &RTT, rtt);
    emit_plain(e, &OFFSET, offset);
    emit_plain(e, &REFERENCE, time_at(packet + 16) > 0 ? time_at(packet + 16) - SINCE_1900 : 0);
    emit_plain(e, &DELAY, delay);
    emit_plain(e, &DISPERSION, dispersion);
    emit_plain(e, &SANITY, sane);
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)state;
    struct sockaddr_storage to;
    socklen_t to_n = sizeof to;
    unsigned char packet[PACKET];
    if (host->settings->ntp_server[0] == 0)
        return why_set(why, ERR_NOENT, "no time server is configured (collect.ntp_server)");
    int err = address_of(host->settings->ntp_server, &to, &to_n, why);
    if (err)
        return err;
    int fd = socket(to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return why_set(why, ERR_IO, "no socket: %s", strerror(errno));
    if (connect(fd, (struct sockaddr *)&to, to_n) != 0)
        err = why_set(why, ERR_CLOSED, "the time server cannot be reached: %s", strerror(errno));
    if (!err)
        err = ask(fd, packet, why);
    if (!err)
        give(e, packet, now_s());
    close(fd);
    return err;
}

const struct collector_ops ntp_collector = {.run = run};
