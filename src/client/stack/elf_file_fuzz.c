#include "client/stack/elf_file.h"

#include <stdlib.h>
#include <string.h>

#include "client/stack/cfi.h"

struct bytes {
    const uint8_t *at;
    size_t n;
};

static bool read_at(void *context, uint64_t offset, void *ret, size_t n)
{
    const struct bytes *b = context;
    if (offset > b->n || n > b->n - offset) {
        return false;
    }
    memcpy(ret, b->at + offset, n);
    return true;
}

/* The bytes as a file; then, as they lie in memory, as frame-unwinding tables. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct bytes b = {data, n};
    struct elf_source source = {read_at, &b, n};
    struct elf_file f;
    if (elf_file_read(&source, &f)) {
        for (size_t i = 0; i < f.n && i < 64; i++) {
            const struct elf_symbol *s = elf_file_find(&f, f.symbol[i].address + 1);
            if (s && strlen(f.names + s->name) > ELF_NAME_MAX) {
                abort();
            }
        }
        elf_file_done(&f);
    }
    if (n >= 16) {
        uint8_t *copy = malloc(n); /* the walk reads beside it too: pages, checked */
        if (copy) {
            memcpy(copy, data, n);
            struct peek p;
            peek_init(&p);
            struct cfi_registers r = {.is_return = false};
            uint64_t header = (uint64_t)(uintptr_t)copy;
            r.pc = header + data[n - 1] * 4;
            r.value[CFI_SP] = header + 16;
            bool end;
            for (int i = 0; i < 4 && cfi_step(&p, header, &r, &end); i++) {
            }
            free(copy);
        }
    }
    return 0;
}
