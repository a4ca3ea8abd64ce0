/* Any bytes as a packet of collectd's, and as a file of its types. */
#include "base/must.h"
#include "codec/collectd.h"
#include "codec/collectd_types.h"
#include "model/labels.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk_values(const struct collectd_reader *r, const struct collectd_item *item,
                        const struct collectd_types *types)
{
    size_t n = collectd_values(item);
    struct buf name, key;
    buf_init(&name, 1 << 20);
    buf_init(&key, 1 << 20);
    for (size_t i = 0; i < n; i++) {
        char number[24];
        enum collectd_kind kind;
        (void)collectd_value(item, i, &kind);
        must(kind <= COLLECTD_ABSOLUTE);
        buf_clear(&name);
        buf_clear(&key);
        collectd_name(&r->now, collectd_types_value(types, r->now.type, i, n, number), kind, &name);
        collectd_key(&r->now, buf_str(&name), &key);
        must(buf_failed(&name) || metric_name_plain(buf_str(&name)));
    }
    buf_done(&name);
    buf_done(&key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes = str_of((const char *)data, size);
    struct collectd_reader r;
    struct collectd_item item;
    struct collectd_types types;
    enum collectd_what what;
    size_t n = 0;
    collectd_types_init(&types);
    (void)collectd_types_read(&types, bytes, NULL); /* most are none */
    collectd_begin(&r, bytes);
    while ((what = collectd_next(&r, &item)) != COLLECTD_END) {
        must(++n <= size);
        if (what == COLLECTD_VALUES)
            walk_values(&r, &item, &types);
        else if (what == COLLECTD_SIGNED)
            must(item.user.n > 0 && item.mac.n == COLLECTD_MAC_BYTES &&
                 item.covered.p + item.covered.n == bytes.p + bytes.n);
        else if (what == COLLECTD_ENCRYPTED)
            must(item.user.n > 0 && item.iv.n == COLLECTD_IV_BYTES &&
                 item.sealed.n >= COLLECTD_DIGEST_BYTES);
        must(what != COLLECTD_BAD || r.rest.n == 0);
    }
    collectd_types_done(&types);
    return 0;
}
