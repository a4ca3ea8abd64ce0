/* A program whose index grows and whose log forgets to free: which is which, by libsonde.
 *
 *     cc memory.c $(pkg-config --cflags --libs sonde) -o memory && ./memory
 */
#include <sonde/sonde.h>
#include <stdio.h>
#include <string.h>

enum { WORDS = 1000 };

static sonde_memory *words, *lines;
static char *word[WORDS];

static void fill_index(void)
{
    for (int i = 0; i < WORDS; i++) {
        sonde_memory_free(words, word[i]);
        word[i] = sonde_memory_alloc(words, 32);
        if (word[i]) {
            snprintf(word[i], 32, "word %d", i);
        }
    }
}

static void write_line(const char *text)
{
    char *copy = sonde_memory_alloc(lines, strlen(text) + 1); /* and never freed */
    if (copy) {
        memcpy(copy, text, strlen(text) + 1);
    }
}

int main(void)
{
    sonde_options options = SONDE_OPTIONS_INIT;
    const char *const settings[] = {"memory.backtrace_every=10", NULL};
    options.service = "memory-example";
    options.settings = settings;
    if (sonde_init(&options) != 0) {
        fprintf(stderr, "%s\n", sonde_last_problem());
        return 1;
    }
    words = sonde_memory_get("words");
    lines = sonde_memory_get("lines");
    sonde_memory *pictures = sonde_memory_get("pictures");
    sonde_memory_limit(lines, 1 << 20, 0);
    sonde_memory_record(pictures, 5000000); /* counts by itself */
    sonde_gc_record("young", 0.0021, 65536, 1 << 20);

    fill_index();
    sonde_memory_sites *before = sonde_memory_sites_take();
    for (int i = 0; i < 100; i++) {
        fill_index();
        write_line("a line that stays for ever");
    }
    sonde_memory_leak leak[4];
    int n = sonde_memory_leaks(before, NULL, leak, 4);
    for (int i = 0; i < n && i < 4; i++) {
        printf("%s has grown by %lld bytes in %lld blocks\n", leak[i].subsystem,
               (long long)leak[i].grown_bytes, (long long)leak[i].grown_blocks);
    }
    sonde_memory_sites_free(before);

    sonde_memory_stats s = SONDE_MEMORY_STATS_INIT;
    sonde_memory_snapshot(words, &s);
    printf("words: %lld bytes now, %lld at most, %llu allocations\n", (long long)s.bytes,
           (long long)s.bytes_peak, (unsigned long long)s.allocations);
    char answer[16384];
    sonde_query("memory subsystems", answer, sizeof answer, NULL);
    printf("%s\n", answer);
    return sonde_shutdown(1000) == 0 ? 0 : 1;
}
