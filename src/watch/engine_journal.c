#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"
#include "watch/control.h"
#include "watch/engine_inside.h"
#include "watch/json_line.h"

enum { JOURNAL_BYTES_MAX = 10 << 20, JOURNAL_FILES = 5, PATH_SIZE = 4096 };

static const char *const levels[] = {"debug", "info", "warn", "error"};

void engine_journal_open(struct engine *e)
{
    char path[PATH_SIZE];
    if (e->plan->json) {
        snprintf(path, sizeof path, "%s/watch.jsonl", e->plan->folder);
        e->journal = spool_file_new(e->spool, path, JOURNAL_BYTES_MAX, JOURNAL_FILES);
    }
    snprintf(path, sizeof path, "%s/watch.log", e->plan->folder);
    e->journal_text = spool_file_new(e->spool, path, JOURNAL_BYTES_MAX, JOURNAL_FILES);
}

void engine_journal_close(struct engine *e)
{
    spool_file_free(e->journal);
    spool_file_free(e->journal_text);
    e->journal = e->journal_text = NULL;
}

void engine_history_done(struct engine_history *h)
{
    for (size_t i = 0; i < ENGINE_HISTORY; i++)
        mem_free(h->lines[i]);
    *h = (struct engine_history){.n = 0};
}

static void remember(struct engine_history *h, struct str line)
{
    mem_free(h->lines[h->at]);
    h->lines[h->at] = mem_text(line.p, line.n);
    h->times[h->at] = engine_wall_ms();
    h->at = (h->at + 1) % ENGINE_HISTORY;
    h->n = MIN(h->n + 1, (size_t)ENGINE_HISTORY);
}

void engine_journal_begin(struct engine_unit *u, enum keeper_level level, const char *kind,
                          struct str text, struct buf *ret)
{
    buf_init(ret, ENGINE_EVENT_MAX);
    json_line_open(ret, NULL, '{');
    json_line_i64(ret, "time_ms", engine_wall_ms());
    json_line_text(ret, "level", str_c(levels[level]));
    json_line_text(ret, "kind", str_c(kind));
    if (u) {
        json_line_text(ret, "unit", str_c(u->name));
        json_line_i64(ret, "pid", u->pid);
    }
    json_line_text(ret, "text", text);
}

static void put_line(struct engine *e, struct engine_unit *u, enum keeper_level level,
                     const char *kind, struct str text)
{
    struct buf line;
    int64_t now = engine_wall_ms();
    time_t seconds = (time_t)(now / 1000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    buf_init(&line, ENGINE_EVENT_MAX);
    buf_printf(&line, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ %s %s %s: ", tm.tm_year + 1900,
               tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(now % 1000),
               levels[level], u ? u->name : "sonde-watch", kind);
    for (size_t i = 0; i < text.n; i++) /* no stranger's text forges a line */
        buf_put_c(&line, (unsigned char)text.p[i] < 0x20 ? ' ' : text.p[i]);
    buf_put_c(&line, '\n');
    spool_put(e->journal_text, buf_str(&line));
    buf_done(&line);
}

static enum log_level shown_as(enum keeper_level level)
{
    static const enum log_level as[] = {LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR};
    return as[level];
}

void engine_journal_put(struct engine *e, struct engine_unit *u, enum keeper_level level,
                        const char *kind, struct str text, struct buf *event)
{
    json_line_close(event, '}');
    if (buf_failed(event)) { /* cut to what fits: a line has to be whole */
        buf_done(event);
        engine_journal_begin(u, level, kind, str_sub(text, 0, ENGINE_TEXT_MAX), event);
        json_line_close(event, '}');
    }
    struct str line = buf_str(event);
    remember(u ? &u->history : &e->history, line);
    for (struct engine_watcher *w = e->watchers; w; w = w->next)
        if (w->event)
            w->event(w->context, u, line);
    put_line(e, u, level, kind, text);
    log_line(shown_as(level), u ? u->name : "watch", "%s: " STR_FMT, kind, STR_ARG(text));
    buf_put_c(event, '\n');
    if (e->journal)
        spool_put(e->journal, buf_str(event));
    buf_done(event);
}

void engine_journal_say(struct engine *e, struct engine_unit *u, enum keeper_level level,
                        const char *kind, struct str text)
{
    struct buf event;
    engine_journal_begin(u, level, kind, text, &event);
    engine_journal_put(e, u, level, kind, text, &event);
}

void engine_journal_note(const struct keeper_action *a, struct engine_unit *u)
{
    struct buf event;
    const char *kind = keeper_note_word(a->note);
    struct str text = str_c(a->text);
    engine_journal_begin(u, a->level, kind, text, &event);
    if (a->note == KEEPER_NOTE_RESTART || a->note == KEEPER_NOTE_HANG ||
        a->note == KEEPER_NOTE_LIMIT)
        json_line_text(&event, "cause", str_c(keeper_cause_word(a->cause)));
    if (a->note == KEEPER_NOTE_RESTART || a->note == KEEPER_NOTE_BLOCKED ||
        a->note == KEEPER_NOTE_CRITICAL)
        json_line_i64(&event, "pause_ms", a->pause_ms);
    if (a->note == KEEPER_NOTE_RESTART)
        json_line_i64(&event, "restarts_in_window", (int64_t)keeper_restarts(&u->keeper));
    engine_journal_put(u->engine, u, a->level, kind, text, &event);
}

void engine_journal_death(struct engine_unit *u, int64_t uptime_ms, int pid)
{
    const struct engine_death *d = &u->death;
    const struct watch_diagnosis *g = &d->diagnosis;
    bool planned = u->killed || u->keeper.state == KEEPER_STOPPING;
    bool clean = d->end.known && !d->end.signaled && d->end.code == 0;
    enum keeper_level level = planned || clean ? KEEPER_INFO : KEEPER_ERROR;
    struct buf event;
    char text[ENGINE_TEXT_MAX];
    int n = snprintf(text, sizeof text, STR_FMT " (PID %d, after %lld ms)", STR_ARG(g->sentence),
                     pid, (long long)uptime_ms);
    struct str said = str_of(text, MIN((size_t)n, sizeof text - 1));
    engine_journal_begin(u, level, "exit", said, &event);
    if (d->end.known && !d->end.signaled)
        json_line_i64(&event, "exit_code", d->end.code);
    if (d->end.signaled)
        json_line_i64(&event, "signal", d->end.code);
    json_line_text(&event, "cause", str_c(watch_diagnosis_word(g->cause)));
    json_line_text(&event, "sentence", g->sentence);
    json_line_open(&event, "facts", '[');
    for (size_t i = 0; i < g->n; i++)
        json_line_text(&event, NULL, g->facts[i]);
    json_line_close(&event, ']');
    json_line_i64(&event, "uptime_ms", uptime_ms);
    engine_journal_put(u->engine, u, level, "exit", said, &event);
}

void engine_note(struct engine *e, enum keeper_level level, const char *format, ...)
{
    char text[ENGINE_TEXT_MAX * 2];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    engine_journal_say(e, NULL, level, "supervisor", str_c(text));
}

/* ---- for who asks */

struct entry {
    int64_t time_ms;
    size_t order;
    const char *line;
};

static int by_time(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->time_ms != y->time_ms)
        return x->time_ms < y->time_ms ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

static size_t gather(const struct engine_history *h, struct entry *ret, size_t at)
{
    for (size_t i = 0; i < h->n; i++) {
        size_t slot = (h->at + ENGINE_HISTORY - h->n + i) % ENGINE_HISTORY;
        ret[at] = (struct entry){h->times[slot], at, h->lines[slot]};
        at++;
    }
    return at;
}

void engine_events(struct engine *e, const char *target, size_t lines, struct buf *out)
{
    struct entry *all = mem_array((e->n + 1) * ENGINE_HISTORY, sizeof *all);
    size_t n = 0;
    if (!*target || strcmp(target, "all") == 0)
        n = gather(&e->history, all, n);
    for (size_t i = 0; i < e->n; i++) {
        struct engine_unit *u = e->units[i];
        if (control_target_is(target, u->program->name, u->program->group, u->name))
            n = gather(&u->history, all, n);
    }
    qsort(all, n, sizeof *all, by_time);
    for (size_t i = n > lines ? n - lines : 0; i < n; i++) {
        buf_put_str(out, str_c(all[i].line));
        buf_put_c(out, '\n');
    }
    mem_free(all);
}
