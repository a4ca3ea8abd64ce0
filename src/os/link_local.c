#include "os/link_local.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/attr.h"

enum { HOST_MAX = 300 };

static bool is_four(uint32_t address)
{
    return (address >> 16) == 0xa9fe;
}

static bool is_six(const struct in6_addr *a)
{
    static const uint8_t amazon[16] = {0xfd, 0, 0x0e, 0xc2, [14] = 0x02, [15] = 0x54};
    const uint8_t *b = a->s6_addr;
    bool mapped = IN6_IS_ADDR_V4MAPPED(a) || IN6_IS_ADDR_V4COMPAT(a);
    bool translated = b[0] == 0 && b[1] == 0x64 && b[2] == 0xff && b[3] == 0x9b;
    uint32_t four = (uint32_t)b[12] << 24 | (uint32_t)b[13] << 16 | (uint32_t)b[14] << 8 | b[15];
    return (b[0] == 0xfe && (b[1] & 0xc0) == 0x80) || memcmp(b, amazon, 16) == 0 ||
           ((mapped || translated) && is_four(four));
}

bool link_local(struct str host)
{
    static const char *const names[] = {"metadata", "metadata.google.internal", "instance-data"};
    char text[HOST_MAX + 1];
    struct in_addr four;
    struct in6_addr six;
    snprintf(text, sizeof text, STR_FMT, STR_ARG(host));
    text[strcspn(text, "%")] = '\0'; /* the zone of fe80::1%eth0 */
    size_t n = strlen(text);
    if (n > 0 && text[n - 1] == '.')
        text[n - 1] = '\0';
    if (inet_pton(AF_INET6, text, &six) == 1)
        return is_six(&six);
    if (inet_aton(text, &four)) /* 0xa9fea9fe and 169.254.43518 too */
        return is_four(ntohl(four.s_addr));
    for (size_t i = 0; i < COUNTOF(names); i++) {
        if (strcasecmp(text, names[i]) == 0)
            return true;
    }
    return false;
}

bool link_local_address(const struct sockaddr *address)
{
    struct sockaddr_in four;
    struct sockaddr_in6 six;
    if (address->sa_family == AF_INET) {
        memcpy(&four, address, sizeof four);
        return is_four(ntohl(four.sin_addr.s_addr));
    }
    if (address->sa_family != AF_INET6)
        return false;
    memcpy(&six, address, sizeof six);
    return is_six(&six.sin6_addr);
}
