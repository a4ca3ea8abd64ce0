#include "tool/backup_index.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/mem.h"

enum { INDEX_MAX = 256 << 20, PATH_BYTES = 800, SUM_BYTES = 13 /* "end 01234567\n" */ };

static const struct str MAGIC = {"sonde-backup 1\n", 15};

void backup_index_init(struct backup_index *x)
{
    buf_init(&x->text, INDEX_MAX);
    buf_put_str(&x->text, MAGIC);
}

void backup_index_done(struct backup_index *x)
{
    buf_done(&x->text);
}

void backup_index_put(struct backup_index *x, const struct backup_file *f, const char *key,
                      const char *path)
{
    buf_printf(&x->text, "%08x %" PRIu64 " %s %s\n", f->crc, f->bytes, *key ? key : "-", path);
}

static bool parse(struct str line, struct backup_file *ret)
{
    struct str crc, bytes, key;
    char hex[9] = {0};
    if (!str_split(&line, ' ', &crc) || crc.n != 8 || !str_split(&line, ' ', &bytes) ||
        !str_u64(bytes, &ret->bytes) || !str_split(&line, ' ', &key) || line.n == 0)
        return false;
    memcpy(hex, crc.p, 8);
    ret->crc = (uint32_t)strtoul(hex, NULL, 16);
    ret->key = str_eq(key, STR("-")) ? STR("") : key;
    ret->path = line;
    return true;
}

int backup_index_each(const struct backup_index *x,
                      void (*f)(void *context, const struct backup_file *), void *context)
{
    struct str rest = str_sub(buf_str(&x->text), MAGIC.n, x->text.n), line;
    while (rest.n && str_split(&rest, '\n', &line)) {
        struct backup_file file;
        if (line.n == 0)
            continue;
        if (!parse(line, &file))
            return -ERR_CORRUPT;
        f(context, &file);
    }
    return 0;
}

int backup_index_write(const struct backup_index *x, struct disk *d, const char *dir,
                       const char *name)
{
    char path[PATH_BYTES];
    struct buf whole;
    buf_init(&whole, INDEX_MAX);
    buf_put_str(&whole, buf_str(&x->text));
    buf_printf(&whole, "end %08x\n", hash_crc32c(0, x->text.p, x->text.n));
    int err = buf_failed(&whole) || buf_failed(&x->text) ? -ERR_LIMIT : 0;
    if (!err)
        err = disk_join(path, sizeof path, dir, name);
    if (!err)
        err = disk_replace(d, path, whole.p, whole.n);
    buf_done(&whole);
    return err;
}

int backup_index_read(struct backup_index *x, struct disk *d, const char *dir, const char *name,
                      struct why *why)
{
    char path[PATH_BYTES], sum[SUM_BYTES + 1];
    void *p = NULL;
    size_t n = 0;
    int err = disk_join(path, sizeof path, dir, name);
    if (!err)
        err = disk_slurp(d, path, INDEX_MAX, &p, &n);
    if (!err) {
        struct str all = str_of(p, n), text = str_sub(all, 0, n < SUM_BYTES ? 0 : n - SUM_BYTES);
        snprintf(sum, sizeof sum, "end %08x\n", hash_crc32c(0, text.p, text.n));
        if (!str_starts(text, MAGIC) || !str_eq(str_sub(all, text.n, n), str_c(sum)))
            err = -ERR_CORRUPT;
        if (!err) {
            buf_clear(&x->text);
            buf_put_str(&x->text, text);
        }
    }
    mem_free(p);
    return err ? why_set(why, (enum err) - err, "cannot read %s/%s: %s", dir, name, err_text(err))
               : 0;
}
