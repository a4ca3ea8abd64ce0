#include "health/checkup_place.h"

int checkup_place_read(struct str text, struct checkup_place *ret, struct why *why)
{
    uint64_t port = 0;
    size_t colon = text.n;
    if (str_starts(text, STR("unix:")) && text.n > 5) {
        *ret = (struct checkup_place){{.unix_path = text.p + 5}};
        return 0;
    }
    while (colon > 0 && text.p[colon - 1] != ':')
        colon--;
    struct str host = str_sub(text, 0, colon > 0 ? colon - 1 : 0);
    bool six = host.n > 0 && host.p[0] == '[';
    bool bad = host.n == 0 || (six ? host.p[host.n - 1] != ']' : str_find(host, ':') < host.n);
    if (bad || !str_u64(str_sub(text, colon, text.n), &port) || port == 0 || port > 65535)
        return why_set(why, ERR_FORMAT,
                       "address is \"" STR_FMT "\": \"HOST:PORT\" or \"unix:/path\" is expected",
                       STR_ARG(text));
    *ret = (struct checkup_place){{.host = host, .port = (uint16_t)port}};
    return 0;
}
