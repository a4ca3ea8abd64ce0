/* Free blocks of memory by their size: "Node 0, zone DMA 1 0 1 ..." */
#include "collect/collector.h"

#include "base/buf.h"
#include "collect/pseudo.h"

static const struct family BLOCKS = {"node_buddyinfo_blocks",
                                     METRIC_GAUGE,
                                     "Free blocks of 2^size pages.",
                                     {"node", "zone", "size"}};

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)host;
    struct str text, line, word, node, zone;
    int err = pseudo_read(state, &text, why);
    if (err)
        return err;
    while (pseudo_line(&text, &line)) {
        uint64_t v;
        if (!str_word(&line, &word) || !str_word(&line, &node) || !str_ends(node, STR(",")) ||
            !str_word(&line, &word) || !str_word(&line, &zone))
            continue;
        node = str_sub(node, 0, node.n - 1);
        for (uint64_t i = 0; pseudo_u64(&line, &v); i++) {
            char digits[24];
            struct buf size = {digits, 0, sizeof digits, sizeof digits, false};
            buf_put_u64(&size, i);
            emit(e, &BLOCKS, (double)v, node, zone, buf_str(&size));
        }
    }
    return 0;
}

const struct collector_ops buddyinfo_collector = {.file = "/buddyinfo", .run = run};
