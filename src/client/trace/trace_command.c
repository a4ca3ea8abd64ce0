#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/core/command.h"
#include "client/core/setting.h"
#include "client/core/ticks.h"
#include "client/metric/source.h"
#include "client/trace/current.h"
#include "client/trace/sampler.h"
#include "client/trace/trace.h"

enum { SPANS_MAX = 200 }; /* in one answer */

static const char *kind_name(int kind)
{
    static const char *const names[] = {"internal", "internal", "server",
                                        "client",   "producer", "consumer"};
    return names[kind >= 0 && kind <= SONDE_SPAN_CONSUMER ? kind : 0];
}

/* The open spans are listed by client/trace/current.h; each is copied once more with its items. */
struct listing {
    struct current_span *span;
    uint64_t now;
    struct jot *j;
    uint64_t *words;
};

struct wanted {
    const struct current_span *span;
    struct span_copy copy;
    uint64_t *words;
    bool found;
};

static void look(const sonde_span *n, void *context)
{
    struct wanted *w = context;
    uint64_t id;
    memcpy(&id, w->span->context.span_id, sizeof id);
    if (!w->found && word_get(&n->context[2]) == id) {
        w->found = span_copy(n, &w->copy, w->words);
    }
}

static void look_at_thread(void *part, const struct slot *s, void *context)
{
    span_each(part, look, context);
}

static void write_items(struct listing *l, const struct wanted *w)
{
    size_t at = 0, events = 0, links = 0;
    struct item i, part;
    jot_object(l->j, "attributes");
    while (item_next(w->words, w->copy.words_n, &at, &i)) {
        events += i.kind == ITEM_EVENT;
        links += i.kind == ITEM_LINK;
        if (i.kind <= ITEM_BOOL && !item_overwritten(w->words, w->copy.words_n, at, &i)) {
            item_json(l->j, &i);
        }
        for (unsigned p = 0; p < i.parts; p++) {
            if (!item_next(w->words, w->copy.words_n, &at, &part)) {
                break;
            }
        }
    }
    jot_end(l->j);
    jot_u64(l->j, "events", events);
    jot_u64(l->j, "links", links);
}

static void write_span(struct listing *l, const struct current_span *s)
{
    struct wanted w = {.span = s, .words = l->words};
    slot_each(SLOT_TRACE, look_at_thread, &w);
    if (!w.found) {
        return; /* it has ended meanwhile */
    }
    jot_object(l->j, NULL);
    jot_string(l->j, "name", w.copy.name);
    jot_string(l->j, "kind", kind_name(w.copy.kind));
    jot_hex(l->j, "trace_id", w.copy.context.trace_id, sizeof w.copy.context.trace_id);
    jot_hex(l->j, "span_id", w.copy.context.span_id, sizeof w.copy.context.span_id);
    if (w.copy.marks & SPAN_PARENT) {
        jot_hex(l->j, "parent_id", (const uint8_t *)&w.copy.parent, sizeof w.copy.parent);
    }
    jot_i64(l->j, "tid", w.copy.tid);
    uint64_t age = l->now > s->start_ticks ? ticks_ns(l->now - s->start_ticks) : 0;
    jot_number(l->j, "age_seconds", (double)age / 1e9);
    write_items(l, &w);
    jot_end(l->j);
}

static int run_spans(const struct command_call *call, struct jot *j, char *problem)
{
    struct listing l = {.j = j, .now = ticks_now()};
    l.span = malloc(SPANS_MAX * sizeof *l.span);
    l.words = malloc(SPAN_COPY_WORDS * sizeof *l.words);
    if (!l.span || !l.words) {
        free(l.span);
        free(l.words);
        snprintf(problem, SETTING_PROBLEM_MAX, "there is no memory for the list");
        return SONDE_ERROR_MEMORY;
    }
    size_t all = current_each(l.span, SPANS_MAX, 0);
    jot_u64(j, "open", all);
    jot_array(j, "spans");
    for (size_t i = 0; i < all && i < SPANS_MAX; i++) {
        write_span(&l, &l.span[i]);
    }
    jot_end(j);
    struct span_counts c = span_counts();
    jot_u64(j, "started", c.started);
    jot_u64(j, "sampled", c.sampled);
    jot_u64(j, "dropped", c.dropped);
    jot_u64(j, "forgotten", c.forgotten);
    free(l.span);
    free(l.words);
    return 0;
}

static int run_sampling(const struct command_call *call, struct jot *j, char *problem)
{
    if (call->n > 2) {
        snprintf(problem, SETTING_PROBLEM_MAX, "sampling takes one rate, from 0 to 1");
        return SONDE_ERROR_ARGUMENT;
    }
    if (call->n == 2) {
        if (call->level < COMMAND_OPERATOR) {
            snprintf(problem, SETTING_PROBLEM_MAX, "to change the rate takes an operator");
            return SONDE_ERROR_DENIED;
        }
        int err = setting_set("trace.sample_rate", call->words[1], problem);
        if (err) {
            return err;
        }
    }
    jot_bool(j, "enabled", sonde_span_tracing());
    jot_number(j, "sample_rate", setting.trace_sample_rate);
    jot_number(j, "spans_per_second_max", setting.trace_spans_per_second_max);
    jot_number(j, "rate_in_force", sampler_rate());
    char text[SAMPLER_TEXT_MAX];
    sampler_text(sampler_threshold(), text);
    jot_string(j, "threshold", text);
    jot_u64(j, "roots", span_counts().roots);
    return 0;
}

static struct command spans_command = {
    .name = "spans",
    .usage = "",
    .help = "the spans that are open now, with ages and attributes, and how many there were",
    .level = COMMAND_VIEWER,
    .run = run_spans};
static struct command sampling_command = {
    .name = "sampling",
    .usage = "[RATE]",
    .help = "with which probability traces are kept; an operator may set it",
    .level = COMMAND_VIEWER,
    .run = run_sampling};

static void write_metrics(struct source_writer *w, void *unused)
{
    struct span_counts c = span_counts();
    const struct {
        const char *state;
        uint64_t n;
    } rows[] = {{"started", c.started}, {"sampled", c.sampled}, {"dropped", c.dropped}};
    source_family(w, "sonde_client_spans_total", SOURCE_COUNTER, "Spans by what became of them.",
                  NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const sonde_label labels[] = {{"state", rows[i].state}, {NULL, NULL}};
        source_sample(w, "_total", labels, (double)rows[i].n);
    }
}

static struct source metrics = {.name = "spans", .write = write_metrics};

void trace_command_start(void)
{
    command_add(&spans_command);
    command_add(&sampling_command);
    source_add(&metrics);
}

void trace_command_stop(void)
{
    source_remove(&metrics);
}
