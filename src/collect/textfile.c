/* Metrics that other programs leave in files *.prom of a folder, in the text exposition format.
 *
 * A file counts as a whole: one bad line, or a sample with a time of its own, and nothing of it is
 * given and node_textfile_scrape_error is 1. The files' own labels job and instance get the prefix
 * exported_. */
#include "collect/collector.h"

#include <glob.h>
#include <stdio.h>
#include <sys/stat.h>

#include "collect/exposition_emit.h"
#include "collect/folder.h"

static const struct family MTIME = {
    "node_textfile_mtime_seconds", METRIC_GAUGE, "When the file was written.", {"file"}};
static const struct family FAILED = {"node_textfile_scrape_error",
                                     METRIC_GAUGE,
                                     "Could a file or folder not be read? 1 or 0.",
                                     {NULL}};

enum { FILES_MAX = 1000 }; /* of all folders together */

static int read_file(struct emit *e, const char *path, struct why *why)
{
    const struct exposition_emit_source source = {.name = path, .format = EXPOSITION_TEXT};
    struct pseudo file;
    struct str text;
    struct stat st;
    pseudo_init(&file, path, "");
    int err = pseudo_read(&file, &text, why);
    if (!err && stat(path, &st) != 0)
        err = why_set(why, ERR_IO, "%s is gone", path);
    if (!err)
        err = exposition_emit(text, &source, e, why);
    if (!err) {
        emit(e, &MTIME, (double)st.st_mtim.tv_sec, str_c(path));
    }
    pseudo_done(&file);
    return err;
}

static int read_folder(struct emit *e, const char *dir, size_t *files, struct why *why)
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
        int one = read_file(e, path, err ? NULL : why);
        err = err ? err : one;
        ++*files;
    }
    folder_done(&names);
    return err;
}

/* What the pattern names; a folder that it does not find is asked for by its own name. */
static int read_pattern(struct emit *e, const char *pattern, size_t *files, struct why *why)
{
    glob_t found = {0};
    if (glob(pattern, GLOB_NOSORT, NULL, &found) != 0 || found.gl_pathc == 0) {
        globfree(&found);
        return read_folder(e, pattern, files, why);
    }
    int err = 0;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        int one = read_folder(e, found.gl_pathv[i], files, err ? NULL : why);
        err = err ? err : one;
    }
    globfree(&found);
    return err;
}

static int run(void *state, const struct collector_host *host, struct emit *e, struct why *why)
{
    (void)state;
    const struct option_list *patterns = &host->settings->textfile_directory;
    size_t files = 0;
    int err = 0;
    for (size_t i = 0; i < patterns->n; i++) {
        int one = read_pattern(e, patterns->v[i], &files, err ? NULL : why);
        err = err ? err : one;
    }
    emit_plain(e, &FAILED, err != 0);
    return err == -ERR_NOENT ? -ERR_IO : err; /* asked for and missing: that is worth a warning */
}

const struct collector_ops textfile_collector = {.run = run};
