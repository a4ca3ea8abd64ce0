#include "daemon/admin.h"

#include "base/log.h"
#include "base/mem.h"

static int flush_now(void *context, struct why *why)
{
    const struct admin *admin = context;
    return store_flush(admin->store, why);
}

static int merge_now(void *context, struct why *why)
{
    const struct admin *admin = context;
    return store_merge(admin->store, true, why);
}

static int snapshot_now(void *context, struct arena *a, struct str *ret_path, struct why *why)
{
    const struct admin *admin = context;
    char *path;
    int err = store_snapshot(admin->store, &path, why);
    if (err != 0)
        return err;
    err = respond_snapshot(admin->respond, path, why);
    if (err == 0)
        *ret_path = arena_str(a, str_c(path));
    else if (disk_remove_tree(admin->disk, path) != 0)
        log_warn("admin", "%s is not whole and cannot be removed: remove it by hand", path);
    mem_free(path);
    return err;
}

struct serve_admin admin_serve(struct admin *a)
{
    return (struct serve_admin){a, flush_now, merge_now, snapshot_now};
}
