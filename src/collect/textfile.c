/* Metrics that other programs leave in files *.prom of a folder, in the text exposition format.
 *
 * A file counts as a whole: one bad line, or a sample with a time of its own, and nothing of it is
 * given and node_textfile_scrape_error is 1. The files' own labels job and instance get the prefix
 * exported_. */
#include "collect/collector.h"

#include <glob.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/mem.h"
#include "codec/exposition_line.h"
#include "collect/folder.h"

static const struct family MTIME = {
    "node_textfile_mtime_seconds", METRIC_GAUGE, "When the file was written.", {"file"}};
static const struct family FAILED = {"node_textfile_scrape_error",
                                     METRIC_GAUGE,
                                     "Could a file or folder not be read? 1 or 0.",
                                     {NULL}};

enum { FILES_MAX = 1000 }; /* of all folders together */

struct state {
    struct arena arena; /* of the line at hand */
    struct exposition_line line;
};

/* What the lines before have said of the family at hand. */
struct family_now {
    struct str name, help;
    enum metric_type type;
};

static int open_state(const struct collector_host *host, void **ret, struct why *why)
{
    (void)host;
    (void)why;
    struct state *s = mem_new(sizeof *s);
    arena_init(&s->arena);
    *ret = s;
    return 0;
}

static void close_state(void *state)
{
    struct state *s = state;
    arena_done(&s->arena);
    mem_free(s);
}

/* The next line that says something into s->line: 1, 0 at the end, or an error. */
static int next(struct state *s, struct str *rest, size_t *line_n, const char *path,
                struct why *why)
{
    struct str line;
    while (pseudo_line(rest, &line)) {
        ++*line_n;
        const char *wrong = exposition_line_read(line, EXPOSITION_TEXT, true, &s->arena, &s->line);
        if (wrong)
            return why_set(why, ERR_FORMAT, "%s: line %zu: %s", path, *line_n, wrong);
        if (s->line.type == EXPOSITION_LINE_SAMPLE && s->line.has_time)
            return why_set(why, ERR_FORMAT, "%s: line %zu: it has a time of its own", path,
                           *line_n);
        if (s->line.labels_n > EMIT_LABELS_MAX)
            return why_set(why, ERR_LIMIT, "%s: line %zu: more than %d labels", path, *line_n,
                           EMIT_LABELS_MAX);
        enum metric_type type;
        if (s->line.type == EXPOSITION_LINE_TYPE &&
            !exposition_line_family_type(s->line.text, EXPOSITION_TEXT, &type))
            return why_set(why, ERR_FORMAT, "%s: line %zu: no type of metrics", path, *line_n);
        if (s->line.type != EXPOSITION_LINE_NOTHING)
            return 1;
    }
    return 0;
}

static int check(struct state *s, struct str text, const char *path, struct why *why)
{
    size_t line_n = 0;
    int more = 1;
    while (more > 0) {
        more = next(s, &text, &line_n, path, why);
        arena_reset(&s->arena);
    }
    return more;
}

/* Is the sample one of the family: x, or x_bucket, x_sum, x_count of a histogram or summary? */
static bool of_family(const struct family_now *f, struct str name)
{
    if (!f->name.n || !str_starts(name, f->name))
        return false;
    struct str suffix = str_sub(name, f->name.n, name.n);
    if (suffix.n == 0)
        return true;
    bool both = f->type == METRIC_HISTOGRAM || f->type == METRIC_SUMMARY;
    return (both && (str_eq(suffix, STR("_sum")) || str_eq(suffix, STR("_count")))) ||
           (f->type == METRIC_HISTOGRAM && str_eq(suffix, STR("_bucket")));
}

static void give(struct state *s, struct emit *e, struct str text, const char *path)
{
    struct family_now f = {.type = METRIC_UNKNOWN};
    char help[FOLDER_PATH + 32];
    size_t line_n = 0;
    snprintf(help, sizeof help, "Metric read from %s", path);
    while (next(s, &text, &line_n, path, NULL) > 0) {
        const struct exposition_line *l = &s->line;
        if (l->type == EXPOSITION_LINE_HELP || l->type == EXPOSITION_LINE_TYPE) {
            if (!str_eq(f.name, l->name))
                f = (struct family_now){.name = l->name, .type = METRIC_UNKNOWN};
            if (l->type == EXPOSITION_LINE_HELP)
                f.help = l->text;
            else if (!exposition_line_family_type(l->text, EXPOSITION_TEXT, &f.type))
                f.type = METRIC_UNKNOWN;
            continue;
        }
        if (l->type != EXPOSITION_LINE_SAMPLE)
            continue;
        bool mine = of_family(&f, l->name);
        struct emit_foreign series = {.name = l->name,
                                      .base = mine ? f.name : l->name,
                                      .help = mine && f.help.n ? f.help : str_c(help),
                                      .type = mine ? f.type : METRIC_UNKNOWN,
                                      .labels = l->labels,
                                      .labels_n = l->labels_n};
        (void)emit_foreign(e, &series, l->value); /* too many labels: check() has seen to that */
    }
    arena_reset(&s->arena); /* names and help lie in the text or here: all of the file at once */
}

static int read_file(struct state *s, struct emit *e, const char *path, struct why *why)
{
    struct pseudo file;
    struct str text;
    struct stat st;
    pseudo_init(&file, path, "");
    int err = pseudo_read(&file, &text, why);
    if (!err)
        err = check(s, text, path, why);
    if (!err && stat(path, &st) != 0)
        err = why_set(why, ERR_IO, "%s is gone", path);
    if (!err) {
        give(s, e, text, path);
        emit(e, &MTIME, (double)st.st_mtim.tv_sec, str_c(path));
    }
    pseudo_done(&file);
    return err;
}

static int read_folder(struct state *s, struct emit *e, const char *dir, size_t *files,
                       struct why *why)
{
    struct folder names;
    int err = folder_list(dir, "", &names);
    if (err)
        return why_set(why, (enum err) - err, "%s cannot be read", dir);
    for (size_t i = 0; i < names.n && *files < FILES_MAX; i++) {
        char path[FOLDER_PATH];
        if (!str_ends(str_c(names.v[i]), STR(".prom")))
            continue;
        folder_path(path, "%s/%s", dir, names.v[i]);
        int one = read_file(s, e, path, err ? NULL : why);
        err = err ? err : one;
        ++*files;
    }
    folder_done(&names);
    return err;
}

/* What the pattern names; a folder that it does not find is asked for by its own name. */
static int read_pattern(struct state *s, struct emit *e, const char *pattern, size_t *files,
                        struct why *why)
{
    glob_t found = {0};
    if (glob(pattern, GLOB_NOSORT, NULL, &found) != 0 || found.gl_pathc == 0) {
        globfree(&found);
        return read_folder(s, e, pattern, files, why);
    }
    int err = 0;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        int one = read_folder(s, e, found.gl_pathv[i], files, err ? NULL : why);
        err = err ? err : one;
    }
    globfree(&found);
    return err;
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    const struct option_list *patterns = &host->settings->textfile_directory;
    size_t files = 0;
    int err = 0;
    for (size_t i = 0; i < patterns->n; i++) {
        int one = read_pattern(state, e, patterns->v[i], &files, err ? NULL : why);
        err = err ? err : one;
    }
    emit_plain(e, &FAILED, err != 0);
    return err == -ERR_NOENT ? -ERR_IO : err; /* asked for and missing: that is worth a warning */
}

const struct collector_ops textfile_collector = {
    .open = open_state, .run = run, .close = close_state};
