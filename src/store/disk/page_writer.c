/* Writing page files, and wrapping their keys anew. */
#include "store/disk/page.h"

#include <string.h>

#include "base/mem.h"
#include "base/must.h"
#include "store/disk/page_format.h"

enum { RUN = 8 /* pages that are written by one call */ };

struct page_writer {
    struct disk *d;
    struct disk_file *file;
    const struct keyring *ring;
    struct cipher *cipher; /* NULL: in the clear */
    uint8_t key[CIPHER_KEY_BYTES];
    struct page_format format;
    uint64_t page; /* number of the page that is filled */
    size_t n;      /* bytes in it */
    size_t full;   /* pages before it in run that wait to be written */
    int err;
    uint8_t run[RUN][PAGE_BYTES];
};

int page_writer_new(struct disk *d, const char *path, enum page_kind kind,
                    const struct keyring *ring, struct page_writer **ret)
{
    struct page_writer *w = mem_new(sizeof *w);
    w->d = d;
    w->ring = ring;
    w->format.kind = kind;
    w->format.encrypted = ring != NULL;
    w->format.generation = 1;
    int err = cipher_random(&w->format.id, sizeof w->format.id);
    if (!err && ring) {
        err = cipher_random(w->key, sizeof w->key);
        w->cipher = cipher_new(w->key);
    }
    if (!err)
        err = disk_open(d, path, DISK_WRITE | DISK_CREATE, &w->file);
    if (err) {
        page_writer_free(w);
        return err;
    }
    *ret = w;
    return 0;
}

/* Writes the full pages and, at the end, the one that is not. */
static void write_run(struct page_writer *w, size_t last)
{
    uint64_t at = PAGE_HEADER_BYTES + (w->page - w->full) * (uint64_t)PAGE_BYTES;
    size_t n = w->full * (size_t)PAGE_BYTES + last;
    if (!w->err && n)
        w->err = disk_write(w->d, w->file, at, w->run, n);
    w->full = 0;
}

static void end_page(struct page_writer *w)
{
    if (!w->err)
        w->err = page_format_seal(&w->format, w->cipher, w->page, w->run[w->full], w->n);
    w->page++;
    w->full++;
    w->n = 0;
    if (w->full == RUN)
        write_run(w, 0);
}

void page_writer_put(struct page_writer *w, const void *p, size_t n)
{
    const uint8_t *from = p;
    while (n && !w->err) {
        size_t part = MIN(n, (size_t)PAGE_PAYLOAD - w->n);
        memcpy(w->run[w->full] + w->n, from, part);
        w->n += part;
        from += part;
        n -= part;
        if (w->n == PAGE_PAYLOAD)
            end_page(w);
    }
}

uint64_t page_writer_position(const struct page_writer *w)
{
    return w->page * PAGE_PAYLOAD + w->n;
}

void page_writer_align(struct page_writer *w, size_t n)
{
    if (n > PAGE_PAYLOAD || w->n == 0 || n <= (size_t)PAGE_PAYLOAD - w->n || w->err)
        return;
    memset(w->run[w->full] + w->n, 0, PAGE_PAYLOAD - w->n);
    w->n = PAGE_PAYLOAD;
    end_page(w);
}

int page_writer_error(const struct page_writer *w)
{
    return w->err;
}

static int write_header(struct page_writer *w)
{
    uint8_t header[PAGE_HEADER_BYTES], bound[PAGE_FORMAT_BOUND];
    if (w->ring) {
        page_format_bound(&w->format, bound);
        int err =
            keyring_wrap(w->ring, str_of((char *)bound, sizeof bound), w->key, w->format.wrapped);
        if (err)
            return err;
    }
    page_format_write(&w->format, header);
    memcpy(header + PAGE_FORMAT_SLOT, header, PAGE_FORMAT_SLOT);
    return disk_write(w->d, w->file, 0, header, sizeof header);
}

int page_writer_finish(struct page_writer *w)
{
    w->format.size = page_writer_position(w);
    if (w->n) {
        size_t n = w->n;
        if (!w->err)
            w->err = page_format_seal(&w->format, w->cipher, w->page, w->run[w->full], n);
        write_run(w, n + PAGE_TAG_BYTES);
    } else {
        write_run(w, 0);
    }
    if (!w->err)
        w->err = write_header(w);
    if (!w->err)
        w->err = disk_sync(w->d, w->file);
    return w->err;
}

void page_writer_free(struct page_writer *w)
{
    if (!w)
        return;
    disk_close(w->d, w->file);
    cipher_free(w->cipher);
    cipher_wipe(w->key, sizeof w->key);
    mem_free(w);
}

/* Writes one slot and makes it durable before the other is touched. */
static int write_slots(struct disk *d, struct disk_file *file, struct page_format *format)
{
    uint8_t slot[PAGE_FORMAT_SLOT];
    int err = 0;
    for (uint64_t i = 0; !err && i < PAGE_FORMAT_SLOTS; i++) {
        /* The slot that is not in force comes first. */
        format->generation++;
        page_format_write(format, slot);
        err = disk_write(d, file, format->generation % PAGE_FORMAT_SLOTS * PAGE_FORMAT_SLOT, slot,
                         sizeof slot);
        if (!err)
            err = disk_sync(d, file);
    }
    return err;
}

static int rewrap(struct disk *d, struct disk_file *file, const char *path,
                  const struct keyring *ring, struct why *why)
{
    uint8_t header[PAGE_HEADER_BYTES], bound[PAGE_FORMAT_BOUND], key[CIPHER_KEY_BYTES];
    char id[KEYRING_ID_BYTES];
    struct page_format format;
    int err = disk_read_all(d, file, 0, header, sizeof header);
    if (!err)
        err = page_format_read(header, &format);
    if (err)
        return why_set(why, (enum err) - err, "cannot read the header of %s: %s", path,
                       err_text(err));
    keyring_id_of(format.wrapped, id);
    if (!format.encrypted || (!format.uneven && strcmp(id, keyring_newest(ring)) == 0))
        return 0;

    page_format_bound(&format, bound);
    struct str aad = str_of((char *)bound, sizeof bound);
    err = keyring_unwrap(ring, aad, format.wrapped, path, key, why);
    if (err)
        return err;
    err = keyring_wrap(ring, aad, key, format.wrapped);
    cipher_wipe(key, sizeof key);
    if (!err)
        err = write_slots(d, file, &format);
    return err ? why_set(why, (enum err) - err, "cannot write the header of %s: %s", path,
                         err_text(err))
               : 0;
}

int page_rewrap(struct disk *d, const char *path, const struct keyring *ring, struct why *why)
{
    struct disk_file *file;
    int err = disk_open(d, path, DISK_WRITE, &file);
    if (err)
        return why_set(why, (enum err) - err, "cannot open %s: %s", path, err_text(err));
    err = rewrap(d, file, path, ring, why);
    disk_close(d, file);
    return err;
}
