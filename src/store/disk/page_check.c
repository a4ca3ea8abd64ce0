#include "store/disk/page_check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "store/disk/page_format.h"

struct check {
    struct disk *d;
    struct disk_file *file;
    const char *path;
    void (*f)(void *context, const char *text);
    void *context;
    int problems;
};

PRINTF(2, 3) static void problem(struct check *c, const char *format, ...)
{
    char text[WHY_MAX];
    va_list args;
    va_start(args, format);
    int n = snprintf(text, sizeof text, "%s: ", c->path);
    vsnprintf(text + n, sizeof text - (size_t)n, format, args);
    va_end(args);
    c->problems++;
    if (c->f)
        c->f(c->context, text);
}

static bool is_zero(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i])
            return false;
    return true;
}

/* A slot alone: as the writer would write what it says. */
static bool slot_is_exact(const uint8_t *slot)
{
    uint8_t both[PAGE_HEADER_BYTES], again[PAGE_FORMAT_SLOT];
    struct page_format format;
    memcpy(both, slot, PAGE_FORMAT_SLOT);
    memcpy(both + PAGE_FORMAT_SLOT, slot, PAGE_FORMAT_SLOT);
    if (page_format_read(both, &format))
        return false;
    page_format_write(&format, again);
    return memcmp(slot, again, sizeof again) == 0;
}

/* In the clear a tag is 4 bytes of checksum and 12 zeros. */
static int check_tags(struct check *c, const struct page_format *format)
{
    uint8_t tag[PAGE_TAG_BYTES];
    size_t n;
    for (uint64_t page = 0; (n = page_format_payload(format->size, page)) != 0; page++) {
        uint64_t at = PAGE_HEADER_BYTES + page * (uint64_t)PAGE_BYTES + n;
        int err = disk_read_all(c->d, c->file, at, tag, sizeof tag);
        if (err)
            return err;
        if (!is_zero(tag + 4, sizeof tag - 4))
            problem(c, "the tag of page %llu is damaged, its bytes are sound",
                    (unsigned long long)page);
    }
    return 0;
}

static int check_all(struct check *c)
{
    uint8_t header[PAGE_HEADER_BYTES];
    struct page_format format;
    uint64_t size;
    int err = disk_read_all(c->d, c->file, 0, header, sizeof header);
    if (!err)
        err = disk_size(c->d, c->file, &size);
    if (!err)
        err = page_format_read(header, &format);
    if (err)
        return err;
    for (size_t i = 0; i < PAGE_FORMAT_SLOTS; i++)
        if (!slot_is_exact(header + i * PAGE_FORMAT_SLOT))
            problem(c, "copy %zu of its header is damaged, the other one is sound", i + 1);
    uint64_t pages = (format.size + PAGE_PAYLOAD - 1) / PAGE_PAYLOAD;
    uint64_t wanted = PAGE_HEADER_BYTES + format.size + pages * PAGE_TAG_BYTES;
    if (size != wanted)
        problem(c, "it has %llu bytes, its header says %llu", (unsigned long long)size,
                (unsigned long long)wanted);
    return format.encrypted || size < wanted ? 0 : check_tags(c, &format);
}

int page_check(struct disk *d, const char *path, void (*f)(void *context, const char *text),
               void *context)
{
    struct check c = {.d = d, .path = path, .f = f, .context = context};
    int err = disk_open(d, path, DISK_READ, &c.file);
    if (!err)
        err = check_all(&c);
    disk_close(d, c.file);
    return err ? err : c.problems;
}

int page_check_key(struct disk *d, const char *path, bool *ret_is_page_file,
                   char ret_key[KEYRING_ID_BYTES])
{
    uint8_t header[PAGE_HEADER_BYTES];
    struct disk_file *file;
    struct page_format format;
    size_t n = 0;
    int err = disk_open(d, path, DISK_READ, &file);
    if (err)
        return err;
    err = disk_read(d, file, 0, header, sizeof header, &n);
    disk_close(d, file);
    if (err)
        return err;
    *ret_is_page_file = n == sizeof header && page_format_read(header, &format) == 0;
    ret_key[0] = 0;
    if (*ret_is_page_file && format.encrypted)
        keyring_id_of(format.wrapped, ret_key);
    return 0;
}
