/* Reading page files. */
#include "store/disk/page.h"

#include <string.h>

#include "base/mem.h"
#include "base/stat.h"
#include "store/disk/page_cache.h"
#include "store/disk/page_format.h"

static struct stat damaged_pages =
    STAT_COUNTER("sonde_page_damaged_total", "Reads of pages whose checksum did not match.");
static _Atomic uint64_t last_file;

struct page_file {
    struct disk *d;
    struct disk_file *file;
    struct page_cache *cache;
    struct cipher *cipher;
    struct page_format format;
    uint64_t number; /* in the cache; never used again */
    char *path;
};

static int read_header(struct page_file *f, enum page_kind kind, const struct keyring *ring,
                       struct why *why)
{
    uint8_t header[PAGE_HEADER_BYTES], bound[PAGE_FORMAT_BOUND], key[CIPHER_KEY_BYTES];
    int err = disk_read_all(f->d, f->file, 0, header, sizeof header);
    if (!err)
        err = page_format_read(header, &f->format);
    if (err == -ERR_CORRUPT)
        return why_set(why, ERR_CORRUPT, "%s has no sound header: it is damaged or unfinished",
                       f->path);
    if (err == -ERR_FORMAT)
        return why_set(why, ERR_FORMAT, "%s was written by another version of this program",
                       f->path);
    if (err)
        return why_set(why, (enum err) - err, "cannot read %s: %s", f->path, err_text(err));
    if (f->format.kind != (uint32_t)kind)
        return why_set(why, ERR_FORMAT, "%s is a page file of kind %u, not %d", f->path,
                       f->format.kind, (int)kind);
    if (!f->format.encrypted)
        return 0;

    page_format_bound(&f->format, bound);
    err = keyring_unwrap(ring, str_of((char *)bound, sizeof bound), f->format.wrapped, f->path, key,
                         why);
    if (!err)
        f->cipher = cipher_new(key);
    cipher_wipe(key, sizeof key);
    return err;
}

int page_file_open(struct disk *d, const char *path, enum page_kind kind,
                   const struct keyring *ring, struct page_cache *cache, struct page_file **ret,
                   struct why *why)
{
    stat_register(&damaged_pages);
    struct page_file *f = mem_new(sizeof *f);
    f->d = d;
    f->cache = cache;
    f->path = mem_text(path, strlen(path));
    f->number = atomic_fetch_add(&last_file, 1) + 1;
    int err = disk_open(d, path, DISK_READ, &f->file);
    if (err)
        why_set(why, (enum err) - err, "cannot open %s: %s", path, err_text(err));
    else
        err = read_header(f, kind, ring, why);
    if (err) {
        page_file_close(f);
        return err;
    }
    *ret = f;
    return 0;
}

void page_file_close(struct page_file *f)
{
    if (!f)
        return;
    disk_close(f->d, f->file);
    cipher_free(f->cipher);
    mem_free(f->path);
    mem_free(f);
}

uint64_t page_file_size(const struct page_file *f)
{
    return f->format.size;
}

bool page_file_encrypted(const struct page_file *f)
{
    return f->format.encrypted;
}

/* Reads and checks a page into p [PAGE_BYTES]. */
static int load(struct page_file *f, uint64_t page, uint8_t *p, struct why *why)
{
    size_t n = page_format_payload(f->format.size, page);
    int err = disk_read_all(f->d, f->file, PAGE_HEADER_BYTES + page * (uint64_t)PAGE_BYTES, p,
                            n + PAGE_TAG_BYTES);
    if (!err)
        err = page_format_open(&f->format, f->cipher, page, p, n);
    if (err == -ERR_CORRUPT) {
        stat_add(&damaged_pages, 1);
        return why_set(why, ERR_CORRUPT, "page %llu of %s is damaged: its checksum does not match",
                       (unsigned long long)page, f->path);
    }
    return err ? why_set(why, (enum err) - err, "cannot read page %llu of %s: %s",
                         (unsigned long long)page, f->path, err_text(err))
               : 0;
}

static int pin(struct page_file *f, uint64_t page, struct page_frame **ret, struct why *why)
{
    struct page_frame *frame = page_cache_get(f->cache, f->number, page);
    if (!frame) {
        frame = page_cache_take(f->cache, f->number, page);
        int err = load(f, page, frame->v, why);
        if (err) {
            page_cache_unpin(frame);
            return err;
        }
        frame = page_cache_put(f->cache, f->number, frame);
    }
    *ret = frame;
    return 0;
}

static int check_range(const struct page_file *f, uint64_t offset, size_t n, struct why *why)
{
    if (offset <= f->format.size && n <= f->format.size - offset)
        return 0;
    return why_set(why, ERR_CORRUPT, "%s has %llu bytes, and bytes %llu to %llu were asked for",
                   f->path, (unsigned long long)f->format.size, (unsigned long long)offset,
                   (unsigned long long)(offset + n));
}

int page_copy(struct page_file *f, uint64_t offset, size_t n, void *p, struct why *why)
{
    uint8_t *to = p;
    int err = check_range(f, offset, n, why);
    while (!err && n) {
        struct page_frame *frame;
        size_t from = (size_t)(offset % PAGE_PAYLOAD), part = MIN(n, PAGE_PAYLOAD - from);
        err = pin(f, offset / PAGE_PAYLOAD, &frame, why);
        if (err)
            break;
        memcpy(to, frame->v + from, part);
        page_cache_unpin(frame);
        to += part;
        offset += part;
        n -= part;
    }
    return err;
}

int page_read(struct page_file *f, uint64_t offset, size_t n, struct page_ref *ret, struct why *why)
{
    int err = check_range(f, offset, n, why);
    if (err)
        return err;
    if (n == 0) {
        *ret = (struct page_ref){0};
        return 0;
    }

    size_t from = (size_t)(offset % PAGE_PAYLOAD);
    if (n <= PAGE_PAYLOAD - from) {
        struct page_frame *frame;
        err = pin(f, offset / PAGE_PAYLOAD, &frame, why);
        if (!err)
            *ret = (struct page_ref){.p = frame->v + from, .n = n, .frame = frame};
        return err;
    }
    uint8_t *copy = mem_raw(n);
    err = page_copy(f, offset, n, copy, why);
    if (err)
        mem_free(copy);
    else
        *ret = (struct page_ref){.p = copy, .n = n, .copy = copy};
    return err;
}

int page_read_some(struct page_file *f, uint64_t offset, struct page_ref *ret, struct why *why)
{
    if (offset == f->format.size)
        return -ERR_END;
    uint64_t left = offset < f->format.size ? f->format.size - offset : 1;
    uint64_t in_page = PAGE_PAYLOAD - offset % PAGE_PAYLOAD;
    return page_read(f, offset, (size_t)MIN(left, in_page), ret, why);
}

void page_release(struct page_ref *ref)
{
    if (ref->frame)
        page_cache_unpin(ref->frame);
    mem_free(ref->copy);
    *ref = (struct page_ref){0};
}

int page_verify(struct page_file *f,
                void (*damaged)(void *context, uint64_t page, uint64_t offset, size_t n),
                void *context, struct why *why)
{
    uint8_t *p = mem_raw(PAGE_BYTES);
    int err = 0;
    size_t n;
    for (uint64_t page = 0; (n = page_format_payload(f->format.size, page)) != 0; page++) {
        int this_err = load(f, page, p, why);
        if (this_err == -ERR_CORRUPT && damaged)
            damaged(context, page, page * PAGE_PAYLOAD, n);
        if (this_err)
            err = this_err;
        if (this_err && this_err != -ERR_CORRUPT)
            break;
    }
    mem_free(p);
    return err;
}
