#include "rules/memory_sink.h"

static struct memory_sink *of(struct sink *s)
{
    return (struct memory_sink *)s;
}

static int tenant(struct sink *s, struct str name, struct tenant **ret, struct why *why)
{
    *ret = promqltest_store_tenant(of(s)->store);
    return 0;
}

static int append(struct sink *s, size_t lane, struct tenant *t, struct batch *b, struct why *why)
{
    for (size_t i = 0; i < b->n; i++) {
        promqltest_store_put(of(s)->store, b->key[i], b->ts_ms[i], b->value[i], b->histogram[i]);
        b->err[i] = 0;
    }
    return (int)b->n;
}

static int exemplar(struct sink *s, size_t lane, struct tenant *t, const struct exemplar *e,
                    struct why *why)
{
    return why_set(why, ERR_UNSUPPORTED, "the store in memory keeps no exemplars");
}

static int metadata(struct sink *s, size_t lane, struct tenant *t, const struct metadata *m)
{
    return -ERR_UNSUPPORTED;
}

static void commit(struct sink *s, size_t lane, void (*done)(void *context, int err), void *context)
{
    done(context, 0);
}

static const struct sink_ops OPS = {tenant, append, exemplar, metadata, commit};

void memory_sink_init(struct memory_sink *m, struct promqltest_store *store)
{
    *m = (struct memory_sink){{&OPS}, store};
}
