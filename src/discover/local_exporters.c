#include "discover/local_exporters.h"

#include <stdlib.h>

#include "os/file.h"

enum {
    TABLE_BYTES_MAX = 16 << 20, /* of /proc/net/tcp */
    FIELDS = 4,                 /* sl, local_address, rem_address, st */
};

static const struct {
    uint16_t port;
    const char *kind;
} KNOWN[] = {
#define EXPORTER(port, kind) {port, kind},
#include "discover/local_exporters.tbl.h"
#undef EXPORTER
};

/* Of the kernel's hexadecimal words in the machine's order: can this machine reach it by
 * 127.0.0.1 (four), or by ::1 alone? */
static bool reachable(struct str address, bool *ret_six)
{
    static const char *const four[] = {"0100007F", "00000000", "00000000000000000000000000000000",
                                       "0000000000000000FFFF00000100007F"};
    *ret_six = str_eq(address, STR("00000000000000000000000001000000"));
    for (size_t i = 0; i < COUNTOF(four); i++) {
        if (str_eq(address, str_c(four[i])))
            return true;
    }
    return *ret_six;
}

static size_t add(struct local_exporter *ret, size_t n, uint16_t port, bool six)
{
    for (size_t i = 0; i < n; i++) {
        if (ret[i].port != port)
            continue;
        ret[i].six = ret[i].six && six;
        return n;
    }
    for (size_t i = 0; i < COUNTOF(KNOWN) && n < LOCAL_EXPORTERS_MAX; i++) {
        if (KNOWN[i].port == port)
            ret[n++] = (struct local_exporter){port, KNOWN[i].kind, six};
    }
    return n;
}

static size_t read_table(struct str text, struct local_exporter *ret, size_t n)
{
    struct str line;
    while (str_split(&text, '\n', &line)) {
        struct str words[FIELDS];
        size_t got = 0;
        uint64_t port = 0;
        bool six;
        while (got < FIELDS && str_word(&line, &words[got]))
            got++;
        if (got < FIELDS || !str_eq(words[3], STR("0A"))) /* LISTEN */
            continue;
        size_t colon = str_find(words[1], ':');
        struct str digits = str_sub(words[1], colon + 1, words[1].n);
        for (size_t i = 0; i < digits.n && i < 4; i++)
            port = port << 4 | (uint64_t)(str_hex(digits.p[i]) & 15);
        if (digits.n == 4 && reachable(str_sub(words[1], 0, colon), &six))
            n = add(ret, n, (uint16_t)port, six);
    }
    return n;
}

static int by_port(const void *a, const void *b)
{
    const struct local_exporter *x = a, *y = b;
    return (x->port > y->port) - (x->port < y->port);
}

size_t local_exporters_read(struct str tcp, struct str tcp6, struct local_exporter *ret)
{
    size_t n = read_table(tcp6, ret, read_table(tcp, ret, 0));
    if (n)
        qsort(ret, n, sizeof *ret, by_port);
    return n;
}

size_t local_exporters_find(struct local_exporter *ret)
{
    struct buf four, six;
    buf_init(&four, TABLE_BYTES_MAX);
    buf_init(&six, TABLE_BYTES_MAX);
    /* Without IPv6 there is no second one; without /proc there is nothing to be found. */
    int ignored = file_read("/proc/net/tcp", &four, NULL);
    ignored |= file_read("/proc/net/tcp6", &six, NULL);
    (void)ignored;
    size_t n = local_exporters_read(buf_str(&four), buf_str(&six), ret);
    buf_done(&four);
    buf_done(&six);
    return n;
}
