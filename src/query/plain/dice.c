#include "query/plain/dice.h"

void dice_seed(struct dice *d, uint64_t seed)
{
    *d = (struct dice){0};
    rand_init(&d->rand, seed);
}

void dice_bytes(struct dice *d, struct str bytes)
{
    *d = (struct dice){.bytes = bytes};
    if (!bytes.p)
        d->bytes = STR("");
}

uint32_t dice_below(struct dice *d, uint32_t n)
{
    if (!d->bytes.p)
        return (uint32_t)rand_below(&d->rand, n);
    uint32_t v = 0;
    for (size_t i = 0; i < (n > 256 ? 2 : 1) && d->bytes.n; i++) {
        v = v << 8 | (uint8_t)d->bytes.p[0];
        d->bytes = str_sub(d->bytes, 1, d->bytes.n);
    }
    return v % n;
}

bool dice_chance(struct dice *d, uint32_t percent)
{
    return dice_below(d, 100) >= 100 - percent;
}

const char *dice_text(struct dice *d, const char *const *texts, size_t n)
{
    return texts[dice_below(d, (uint32_t)n)];
}
