#include "tool/restore.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "os/file.h"
#include "store/series/verify.h"
#include "tool/backup.h"
#include "tool/offline.h"

enum { PATH_BYTES = 4096 };

static void put_problem(void *context, const char *path, const char *text)
{
    (void)context, (void)path;
    printf("%s\n", text);
}

/* Reads all that was written. */
static int verify(struct offline *o)
{
    struct verify_result result;
    struct why why = {0};
    if (!offline_disk(o))
        return 1;
    struct verify v = {o->disk, o->ring, put_problem, NULL};
    if (verify_run(&v, &result, &why))
        return offline_fail(o, why.text);
    printf("verified: %" PRIu64 " tenants, %" PRIu64 " parts, %" PRIu64 " problems\n",
           result.tenants, result.parts, result.problems);
    return result.problems > 0;
}

/* Splits "/a/b/c/" into "/a/b" and "c". */
static bool split(const char *path, char parent[PATH_BYTES], const char **ret_name)
{
    size_t n = strlen(path);
    if (n == 0 || n >= PATH_BYTES - 2)
        return false;
    memcpy(parent, path, n + 1);
    while (n > 1 && parent[n - 1] == '/')
        parent[--n] = 0;
    char *slash = strrchr(parent, '/');
    if (!slash) {
        memmove(parent + 2, parent, n + 1);
        memcpy(parent, ".", 2);
        *ret_name = parent + 2;
    } else {
        *ret_name = slash + 1;
        if (slash == parent) /* below the root: the name moves to make room for "/" */
            memmove(parent + 2, parent + 1, n), *ret_name = parent + 2, parent[1] = 0;
        else
            *slash = 0;
    }
    return **ret_name && strcmp(*ret_name, ".") != 0 && strcmp(*ret_name, "..") != 0;
}

static int restore(struct offline *o, const char *directory, const char *name)
{
    static char parent[PATH_BYTES];
    const char *base;
    struct disk *from = NULL, *to = NULL;
    struct why why = {0};
    char restored[128];
    if (!split(o->data, parent, &base))
        return offline_fail(o, "--data must name a directory below another one");
    int err = file_make_dir(parent, &why);
    if (!err)
        err = disk_real_open(directory, &from, &why);
    if (!err)
        err = disk_real_open(parent, &to, &why);
    if (!err)
        err = backup_restore(from, name, to, base, restored, &why);
    disk_free(from);
    disk_free(to);
    if (err)
        return offline_fail(o, why.text);
    printf("backup %s is restored into %s\n", restored, o->data);
    return verify(o);
}

int restore_run(int argc, char **argv)
{
    struct arguments a;
    struct offline o = {0};
    int status = 2;
    if (arguments_init(&a, argc, argv) && offline_init(&o, "sonde restore", &a)) {
        const char *name = arguments_value(&a, "backup"), *directory = arguments_word(&a);
        if (!directory)
            status = offline_fail(&o, "name the directory of the backups: sonde restore DIRECTORY");
        else if (arguments_end(&a, "restore"))
            status = restore(&o, directory, name);
    }
    offline_done(&o);
    return status;
}
