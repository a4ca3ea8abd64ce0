/* Packets that IPsec could not handle, from /proc/net/xfrm_stat. */
#include "collect/collector.h"

#include <ctype.h>

#include "base/buf.h"
#include "collect/pseudo.h"

static const struct family COUNT = {
    "node_xfrm_*_packets_total", METRIC_COUNTER, "Packets counted as *.", {NULL}};

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)host;
    struct str text, line, name;
    int err = pseudo_read(state, &text, NULL);
    if (err)
        return why_set(why, (enum err) - err, "there is no IPsec");
    while (pseudo_line(&text, &line)) {
        char bytes[128];
        struct buf room = {bytes, 0, sizeof bytes, sizeof bytes, false};
        uint64_t v;
        if (!str_word(&line, &name) || !pseudo_u64(&line, &v) || !str_starts(name, STR("Xfrm")) ||
            name.n > sizeof bytes / 2)
            continue;
        for (size_t i = 4; i < name.n; i++) { /* XfrmInNoStates: in_no_states */
            if (isupper((unsigned char)name.p[i]) && i > 4)
                buf_put_c(&room, '_');
            buf_put_c(&room, (char)tolower((unsigned char)name.p[i]));
        }
        emit(e, &COUNT, (double)v, buf_str(&room));
    }
    return 0;
}

const struct collector_ops xfrm_collector = {.file = "/net/xfrm_stat", .run = run};
