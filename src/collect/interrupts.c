/* Interrupts by core and source.
 *
 * A row of /proc/interrupts is a name, a count for each core, and texts: of a numbered interrupt
 * the controller and then the devices, of a named one what it is. */
#include "collect/collector.h"

#include <ctype.h>

#include "base/buf.h"
#include "collect/pseudo.h"

static const struct family TOTAL = {"node_interrupts_total",
                                    METRIC_COUNTER,
                                    "Interrupts that the core took.",
                                    {"cpu", "type", "info", "devices"}};

enum { CORES_MAX = 8192 };

/* The words of s with one blank between them, in room. */
static struct str joined(struct str s, struct buf *room)
{
    size_t from = room->n;
    struct str word;
    while (str_word(&s, &word)) {
        if (room->n > from)
            buf_put_c(room, ' ');
        buf_put_str(room, word);
    }
    return str_of(room->p + from, room->n - from);
}

static void give(struct emit *e, struct str name, struct str counts, size_t cores)
{
    char bytes[2 * EMIT_VALUE_MAX];
    struct buf room = {bytes, 0, sizeof bytes, sizeof bytes, false};
    struct str rest = counts, info = STR(""), devices = STR("");
    uint64_t v;
    size_t n = 0;
    while (n < cores && pseudo_u64(&rest, &v))
        n++;
    if (n < cores || str_trim(rest).n == 0)
        return; /* ERR and MIS count for all cores together */
    if (isdigit((unsigned char)name.p[0])) {
        str_word(&rest, &info);
        devices = joined(rest, &room);
    } else {
        info = joined(rest, &room);
    }
    for (size_t i = 0; i < cores && pseudo_u64(&counts, &v); i++) {
        char digits[24];
        struct buf cpu = {digits, 0, sizeof digits, sizeof digits, false};
        buf_put_u64(&cpu, i);
        emit(e, &TOTAL, (double)v, buf_str(&cpu), name, info, devices);
    }
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)host;
    struct str text, line, word;
    size_t cores = 0;
    int err = pseudo_read(state, &text, why);
    if (err)
        return err;
    if (!pseudo_line(&text, &line))
        return why_set(why, ERR_FORMAT, "the table of interrupts is empty");
    while (cores < CORES_MAX && str_word(&line, &word))
        cores++;
    while (pseudo_line(&text, &line)) {
        struct str name;
        if (str_word(&line, &name) && name.n > 1 && name.p[name.n - 1] == ':')
            give(e, str_sub(name, 0, name.n - 1), line, cores);
    }
    return 0;
}

const struct collector_ops interrupts_collector = {.file = "/interrupts", .run = run};
