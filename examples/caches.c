/* A small cache of squares in front of a slow function, as libsonde sees it.
 *
 *     cc caches.c $(pkg-config --cflags --libs sonde) -o caches && ./caches
 */
#include <sonde/sonde.h>
#include <stdio.h>

enum { SLOTS = 64, LOOKUPS = 2000 };

static struct {
    unsigned key;
    unsigned long value;
    bool used;
} slots[SLOTS];

static sonde_cache *squares;

static unsigned long square_of(unsigned key)
{
    unsigned at = key % SLOTS;
    char text[16];
    snprintf(text, sizeof text, "%u", key);
    sonde_cache_lookup look = sonde_cache_begin(squares);
    bool hit = slots[at].used && slots[at].key == key;
    sonde_cache_end(&look, hit, text);
    if (!hit) {
        if (slots[at].used) {
            sonde_cache_evict(squares, 1);
        } else {
            sonde_cache_entries_add(squares, 1);
            sonde_cache_bytes_add(squares, sizeof slots[at]);
        }
        slots[at].used = true;
        slots[at].key = key;
        slots[at].value = (unsigned long)key * key;
    }
    return slots[at].value;
}

static void tell(const sonde_alarm_event *event, void *user)
{
    fprintf(user, "%s of %s is %g, limit %g: %s\n", event->kind, event->subject, event->value,
            event->limit, event->raised ? "raised" : "cleared");
}

int main(void)
{
    sonde_options options = SONDE_OPTIONS_INIT;
    options.service = "caches-example";
    if (sonde_init(&options) != 0) {
        fprintf(stderr, "%s\n", sonde_last_problem());
        return 1;
    }
    squares = sonde_cache_get("squares");
    sonde_cache_allocated_set(squares, sizeof slots);
    sonde_alarm_on_change(tell, stderr);
    sonde_cache_limits limits = SONDE_CACHE_LIMITS_INIT;
    limits.hit_rate_min = 0.3;
    limits.lookups_min = 100;
    limits.bytes_max = 1 << 20;
    sonde_cache_limit(squares, &limits);

    unsigned long sum = 0;
    for (unsigned i = 0; i < LOOKUPS; i++) {
        sum += square_of(i * i % 97);
    }
    sonde_cache_stats s = SONDE_CACHE_STATS_INIT;
    sonde_cache_snapshot(squares, &s);
    printf("sum %lu: %llu hits, %llu misses, %llu evictions, hit rate %.3f, p95 %.1f us\n", sum,
           (unsigned long long)s.hits, (unsigned long long)s.misses,
           (unsigned long long)s.evictions, s.hit_rate, s.response_p95 * 1e6);

    char answer[8192];
    sonde_query("caches squares", answer, sizeof answer, NULL);
    printf("%s\n", answer);
    return sonde_shutdown(1000) == 0 ? 0 : 1;
}
