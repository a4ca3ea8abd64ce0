#include "receive/lane_scratch.h"

#include "base/mem.h"
#include "base/must.h"

void *lane_scratch_of(struct lane_scratch *s, size_t lane)
{
    must(lane < SINK_LANES_MAX);
    if (s->v[lane] == NULL) {
        s->v[lane] = mem_new(s->size);
        s->init(s->v[lane]);
    }
    return s->v[lane];
}

void lane_scratch_done(struct lane_scratch *s)
{
    for (size_t i = 0; i < SINK_LANES_MAX; i++) {
        if (s->v[i] == NULL)
            continue;
        s->done(s->v[i]);
        mem_free(s->v[i]);
        s->v[i] = NULL;
    }
}
