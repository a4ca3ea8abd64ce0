#include "tool/backup_run.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "os/file.h"
#include "store/state/state.h"
#include "tool/backup.h"
#include "tool/offline.h"

enum { PATH_BYTES = 2400 };

static void say(void *context, const char *text)
{
    const struct offline *o = context;
    fprintf(stderr, "%s: %s: it is in the backup as it is\n", o->command, text);
}

/* The value of "name" in the daemon's answer. */
static bool name_in(struct str answer, struct str *ret)
{
    struct str mark = STR("\"name\":\"");
    size_t at = str_search(answer, mark);
    if (at == answer.n)
        return false;
    *ret = str_sub(answer, at + mark.n, answer.n);
    ret->n = str_find(*ret, '"');
    return ret->n > 0 && str_find(*ret, '/') == ret->n;
}

/* Has the daemon make a snapshot; "snapshots/NAME" (mem_free), or NULL after a sentence. */
static char *ask_snapshot(struct offline *o)
{
    struct buf answer;
    struct str name;
    char path[256];
    if (offline_ask(o, "/api/admin/snapshot", &answer))
        return NULL;
    bool good = name_in(buf_str(&answer), &name) && name.n < 200;
    int n = good ? snprintf(path, sizeof path, "snapshots/%.*s", STR_ARG(name)) : 0;
    buf_done(&answer);
    if (good)
        return mem_text(path, (size_t)n);
    offline_fail(o, "the daemon's answer names no snapshot");
    return NULL;
}

/* A copy of state.db into a snapshot, where there is one. */
static int add_state(struct offline *o, const char *snapshot, struct why *why)
{
    char from[PATH_BYTES], to[PATH_BYTES];
    struct state *s;
    snprintf(from, sizeof from, "%.2000s/state.db", o->data);
    snprintf(to, sizeof to, "%.2000s/%.200s/state.db", o->data, snapshot);
    if (access(from, F_OK))
        return 0;
    int err = state_open(from, &s, why);
    if (err)
        return err;
    if (state_problem(s)[0])
        fprintf(stderr, "%s: %s\n", o->command, state_problem(s));
    err = state_copy(s, to, why);
    state_close(s);
    return err;
}

static char *make_snapshot(struct offline *o)
{
    struct why why = {0};
    char *path = NULL;
    struct store *s = offline_store(o);
    if (!s)
        return NULL;
    int err = store_snapshot(s, &path, &why);
    store_close(s);
    if (!err)
        err = add_state(o, path, &why);
    if (!err)
        return path;
    offline_fail(o, why.text);
    if (path && disk_remove_tree(o->disk, path))
        fprintf(stderr, "%s: %s/%s cannot be removed: remove it by hand\n", o->command, o->data,
                path);
    mem_free(path);
    return NULL;
}

static void put_result(const struct backup_result *r, const char *directory)
{
    printf("backup %s in %s: %" PRIu64 " parts, %" PRIu64 " of them new; %" PRIu64
           " bytes copied\n",
           r->name, directory, r->parts, r->parts_copied, r->bytes_copied);
    if (r->unchecked)
        printf("%" PRIu64 " files could not be checked: the keys are not in the key file\n",
               r->unchecked);
    if (r->problems)
        printf("%" PRIu64 " files are damaged (see above): sonde store verify says what is lost\n",
               r->problems);
}

static int make(struct offline *o, struct disk *to, const char *directory, bool full)
{
    int busy = offline_busy(o);
    if (busy < 0 || !offline_disk(o))
        return 1;
    char *snapshot = busy ? ask_snapshot(o) : make_snapshot(o);
    if (!snapshot)
        return 1;
    struct backup_job job = {o->disk, snapshot, to, o->ring, full, say, o};
    struct backup_result result;
    struct why why = {0};
    int err = backup_make(&job, &result, &why);
    if (err)
        offline_fail(o, why.text);
    else
        put_result(&result, directory);
    if (disk_remove_tree(o->disk, snapshot))
        fprintf(stderr, "%s: %s/%s cannot be removed: remove it by hand\n", o->command, o->data,
                snapshot);
    mem_free(snapshot);
    return err || result.problems;
}

static void put_info(void *context, const struct backup_info *info)
{
    (void)context;
    if (info->sound)
        printf("%s  %" PRIu64 " parts  %" PRIu64 " files  %" PRIu64 " bytes\n", info->name,
               info->parts, info->files, info->bytes);
    else
        printf("%s  damaged: its index cannot be read\n", info->name);
}

static int list(struct offline *o, struct disk *d)
{
    struct why why = {0};
    return backup_list(d, put_info, NULL, &why) ? offline_fail(o, why.text) : 0;
}

static int prune(struct offline *o, struct disk *d, const char *keep)
{
    struct why why = {0};
    uint64_t n, removed;
    if (!str_u64(str_c(keep), &n) || n == 0)
        return offline_fail(o, "--prune takes how many backups are to stay, 1 or more");
    if (backup_prune(d, (size_t)n, &removed, &why))
        return offline_fail(o, why.text);
    printf("%" PRIu64 " backups removed\n", removed);
    return 0;
}

static int run(struct offline *o, struct arguments *a)
{
    bool full = arguments_flag(a, "full"), listing = arguments_flag(a, "list");
    const char *keep = arguments_value(a, "prune"), *directory = arguments_word(a);
    struct disk *to;
    struct why why = {0};
    if (!arguments_end(a, "backup"))
        return 2;
    if (!directory)
        return offline_fail(o, "name the directory of the backups: sonde backup DIRECTORY");
    int err = listing || keep ? 0 : file_make_dir(directory, &why);
    if (!err)
        err = disk_real_open(directory, &to, &why);
    if (err)
        return offline_fail(o, why.text);
    int status;
    if (disk_lock(to, "lock"))
        status = offline_fail(o, "another backup is using that directory");
    else if (listing)
        status = list(o, to);
    else
        status = keep ? prune(o, to, keep) : make(o, to, directory, full);
    disk_free(to);
    return status;
}

int backup_run(int argc, char **argv)
{
    struct arguments a;
    struct offline o = {0};
    int status = 2;
    if (arguments_init(&a, argc, argv) && offline_init(&o, "sonde backup", &a))
        status = run(&o, &a);
    offline_done(&o);
    return status;
}
