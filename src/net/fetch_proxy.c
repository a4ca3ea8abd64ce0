#include <arpa/inet.h>
#include <strings.h>

#include "net/fetch_state.h"

enum { ADDRESS_BITS = 128, HOST_MAX = 255 };

void fetch_proxy_parts(struct str url, struct str *ret_host, struct str *ret_port)
{
    size_t at = str_search(url, STR("://"));
    struct str rest = at < url.n ? str_sub(url, at + 3, url.n) : url;
    size_t end = 0;
    while (end < rest.n && strchr("/?#", rest.p[end]) == NULL)
        end++;
    rest = str_sub(rest, 0, end);
    for (size_t i = rest.n; i > 0; i--) {
        if (rest.p[i - 1] == '@') {
            rest = str_sub(rest, i, rest.n);
            break;
        }
    }
    size_t bracket = rest.n > 0 && rest.p[0] == '[' ? str_find(rest, ']') : 0;
    size_t colon = bracket + str_find(str_sub(rest, bracket, rest.n), ':');
    *ret_host = bracket ? str_sub(rest, 1, bracket) : str_sub(rest, 0, colon);
    *ret_port = str_sub(rest, colon + 1, rest.n);
}

/* An address as 16 bytes, IPv4 mapped into IPv6. */
static bool parse_ip(struct str s, unsigned char *ret)
{
    char text[INET6_ADDRSTRLEN];
    if (s.n == 0 || s.n >= sizeof text)
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    if (inet_pton(AF_INET6, text, ret) == 1)
        return true;
    memset(ret, 0, 10);
    memset(ret + 10, 0xff, 2);
    return inet_pton(AF_INET, text, ret + 12) == 1;
}

static bool is_loopback(struct str host)
{
    static const unsigned char SIX[16] = {[15] = 1};
    unsigned char ip[16];
    if (host.n == 9 && strncasecmp(host.p, "localhost", 9) == 0)
        return true;
    if (!parse_ip(host, ip))
        return false;
    return memcmp(ip, SIX, 16) == 0 || (ip[10] == 0xff && ip[11] == 0xff && ip[12] == 127);
}

/* Is host in the network "10.0.0.0/8"? */
static bool in_network(struct str network, struct str host)
{
    unsigned char base[16], ip[16];
    uint64_t bits;
    size_t slash = str_find(network, '/');
    struct str address = str_sub(network, 0, slash);
    if (!parse_ip(address, base) || !parse_ip(host, ip) ||
        !str_u64(str_sub(network, slash + 1, network.n), &bits))
        return false;
    bool six = str_find(address, ':') < address.n;
    bits += six ? 0 : 96;
    if (bits > ADDRESS_BITS)
        return false;
    for (uint64_t i = 0; i < bits; i++) {
        int bit = 7 - (int)(i % 8);
        if ((base[i / 8] >> bit & 1) != (ip[i / 8] >> bit & 1))
            return false;
    }
    return true;
}

static bool ends_with(struct str host, struct str end)
{
    return host.n >= end.n && strncasecmp(host.p + host.n - end.n, end.p, end.n) == 0;
}

static bool excepts_one(struct str entry, struct str host, struct str port)
{
    unsigned char a[16], b[16];
    if (str_eq(entry, STR("*")))
        return true;
    if (str_find(entry, '/') < entry.n)
        return in_network(entry, host);
    struct str name = entry, name_port = STR("");
    if (!parse_ip(entry, a))
        fetch_proxy_parts(entry, &name, &name_port);
    if (name.n == 0 || (name_port.n > 0 && !str_eq(name_port, port)))
        return false;
    if (parse_ip(name, a))
        return parse_ip(host, b) && memcmp(a, b, 16) == 0;
    if (str_starts(name, STR("*.")))
        name = str_sub(name, 1, name.n);
    if (name.p[0] == '.')
        return ends_with(host, name);
    if (!ends_with(host, name))
        return false;
    return host.n == name.n || host.p[host.n - name.n - 1] == '.';
}

bool fetch_proxy_excepts(struct str list, struct str host, struct str port)
{
    struct str entry;
    if (is_loopback(host))
        return true;
    for (struct str rest = list; str_split(&rest, ',', &entry);)
        if (excepts_one(str_trim(entry), host, port))
            return true;
    return false;
}

struct str fetch_proxy_for(const struct fetch_client *c, struct str url)
{
    bool https = str_starts(url, STR("https://"));
    struct str proxy = https && c->proxy.from_environment ? c->proxy_https : c->proxy.url;
    struct str host, port;
    if (proxy.n == 0 || (c->proxy.no_proxy.n == 0 && !c->proxy.from_environment))
        return proxy;
    fetch_proxy_parts(url, &host, &port);
    if (port.n == 0)
        port = https ? STR("443") : STR("80");
    return fetch_proxy_excepts(c->proxy.no_proxy, host, port) ? STR("") : proxy;
}
