#include "store/series/rotate.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/vec.h"
#include "store/disk/page.h"
#include "store/disk/page_check.h"

enum { PATH_BYTES = 800 };

struct walk {
    struct disk *disk;
    const struct keyring *ring;
    struct rotate_result result;
    struct {
        char **v; /* owned paths of directories that are still to be looked at */
        size_t n, capacity;
    } dirs;
    const char *dir;
    struct why *why;
};

static int rewrap(struct walk *w, const char *path)
{
    char key[KEYRING_ID_BYTES];
    bool is_page_file;
    int err = page_check_key(w->disk, path, &is_page_file, key);
    if (err == -ERR_NOENT)
        return 0;
    if (err)
        return why_set(w->why, (enum err) - err, "cannot read %s: %s", path, err_text(err));
    if (!is_page_file)
        return 0;
    w->result.files++;
    w->result.clear += key[0] == 0;
    w->result.wrapped += key[0] && strcmp(key, keyring_newest(w->ring)) != 0;
    return page_rewrap(w->disk, path, w->ring, w->why);
}

static int look(void *context, const struct disk_entry *e)
{
    struct walk *w = context;
    char path[PATH_BYTES];
    int err = disk_join(path, sizeof path, w->dir, e->name);
    if (err)
        return err;
    if (!e->is_dir)
        return rewrap(w, path);
    vec_push(&w->dirs, mem_text(path, strlen(path)));
    return 0;
}

static int rewrap_all(struct walk *w)
{
    static const char *const ROOTS[] = {"tenants", "snapshots"};
    int err = 0;
    for (size_t i = 0; i < COUNTOF(ROOTS); i++)
        vec_push(&w->dirs, mem_text(ROOTS[i], strlen(ROOTS[i])));
    while (w->dirs.n) {
        char *dir = w->dirs.v[--w->dirs.n];
        w->dir = dir;
        int one = err ? 0 : disk_list(w->disk, dir, look, w);
        if (one && one != -ERR_NOENT)
            err = one;
        mem_free(dir);
    }
    vec_free(&w->dirs);
    return err;
}

/* Opens with all keys and writes the log out: new segments and parts take the newest key. */
static int flush(struct disk *disk, const struct clock *clock,
                 const struct store_settings *settings,
                 void (*warn)(void *context, const char *text), void *context, struct why *why)
{
    struct store_config config = {.disk = disk,
                                  .clock = clock,
                                  .settings = settings,
                                  .lanes = 1,
                                  .manual = true,
                                  .warn = warn,
                                  .warn_context = context};
    struct store *s;
    int err = store_open(&config, &s, why);
    if (err)
        return err;
    err = store_flush(s, why);
    store_abandon(s);
    return err;
}

int rotate_run(struct disk *disk, const struct clock *clock, const struct store_settings *settings,
               void (*warn)(void *context, const char *text), void *context,
               struct rotate_result *ret, struct why *why)
{
    struct keyring *ring;
    if (!*settings->key_file)
        return why_set(why, ERR_KEY,
                       "there is no key file: name it with --key-file, or "
                       "store.key_file in the configuration");
    int err = keyring_load(settings->key_file, &ring, why);
    if (err)
        return err;
    struct walk w = {.disk = disk, .ring = ring, .why = why};
    err = flush(disk, clock, settings, warn, context, why);
    if (!err)
        err = rewrap_all(&w);
    keyring_free(ring);
    if (!err)
        *ret = w.result;
    return err;
}
