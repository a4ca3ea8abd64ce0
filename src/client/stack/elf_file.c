#include "client/stack/elf_file.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "client/stack/build_id.h"

enum {
    SECTIONS_MAX = 4096,
    SEGMENTS_MAX = 256,
    NOTES_BYTES_MAX = 1 << 16,
    CHUNK_SYMBOLS = 512,
    GAP_BYTES_MAX = 1 << 16, /* behind a function without a size */
};

/* Copies n bytes, where they lie within the file. */
static bool get(const struct elf_source *s, uint64_t offset, void *ret, uint64_t n)
{
    return offset <= s->size && n <= s->size - offset && s->read(s->context, offset, ret, n);
}

static void read_build_id(const struct elf_source *s, const Elf64_Ehdr *e, struct elf_file *f)
{
    for (size_t i = 0; i < e->e_phnum && i < SEGMENTS_MAX && f->build_id_n == 0; i++) {
        Elf64_Phdr h;
        if (!get(s, e->e_phoff + i * sizeof h, &h, sizeof h)) {
            return;
        }
        if (h.p_type != PT_NOTE || h.p_filesz > NOTES_BYTES_MAX) {
            continue;
        }
        uint8_t *notes = malloc(h.p_filesz + 1);
        if (notes && get(s, h.p_offset, notes, h.p_filesz)) {
            uint32_t found = build_id_find(notes, h.p_filesz, f->build_id);
            f->build_id_n = found ? found : f->build_id_n; /* there are several of them */
        }
        free(notes);
    }
}

/* The best table of symbols and the strings that belong to it. */
static bool find_tables(const struct elf_source *s, const Elf64_Ehdr *e, Elf64_Shdr *ret_symbols,
                        Elf64_Shdr *ret_strings)
{
    bool found = false;
    for (size_t i = 0; i < e->e_shnum && i < SECTIONS_MAX; i++) {
        Elf64_Shdr h, strings;
        if (!get(s, e->e_shoff + i * sizeof h, &h, sizeof h)) {
            return found;
        }
        bool better = h.sh_type == SHT_SYMTAB || (h.sh_type == SHT_DYNSYM && !found);
        if (!better || h.sh_entsize != sizeof(Elf64_Sym) || h.sh_link >= e->e_shnum ||
            h.sh_size < 2 * sizeof(Elf64_Sym)) {
            continue;
        }
        if (get(s, e->e_shoff + h.sh_link * sizeof strings, &strings, sizeof strings) &&
            strings.sh_type == SHT_STRTAB) {
            *ret_symbols = h;
            *ret_strings = strings;
            found = true;
        }
    }
    return found;
}

struct names {
    char *all; /* the file's strings */
    uint64_t all_n;
    size_t at, cap; /* of elf_file.names */
};

/* Keeps the name at offset of the file's strings; false: no room. */
static bool keep_name(struct elf_file *f, struct names *names, uint32_t offset, uint32_t *ret)
{
    uint64_t left = names->all_n - offset;
    size_t n = strnlen(names->all + offset, left < ELF_NAME_MAX ? (size_t)left : ELF_NAME_MAX);
    if (names->at + n + 1 > names->cap) {
        size_t cap = names->cap ? names->cap * 2 : 4096;
        while (cap < names->at + n + 1) {
            cap *= 2;
        }
        char *more = cap <= ELF_NAMES_BYTES_MAX ? realloc(f->names, cap) : NULL;
        if (!more) {
            return false;
        }
        f->names = more;
        names->cap = cap;
    }
    memcpy(f->names + names->at, names->all + offset, n);
    f->names[names->at + n] = 0;
    *ret = (uint32_t)names->at;
    names->at += n + 1;
    return true;
}

static bool is_function(const Elf64_Sym *sym, const struct names *names)
{
    unsigned type = ELF64_ST_TYPE(sym->st_info);
    return (type == STT_FUNC || type == STT_GNU_IFUNC) && sym->st_shndx != SHN_UNDEF &&
           sym->st_value && sym->st_name && sym->st_name < names->all_n;
}

/* Takes the functions of a piece of the table; false: no more room. */
static bool keep_symbols(struct elf_file *f, struct names *names, const Elf64_Sym *sym, size_t n,
                         size_t *cap)
{
    for (size_t i = 0; i < n; i++) {
        if (!is_function(&sym[i], names)) {
            continue;
        }
        if (f->n == *cap) {
            size_t more_n = *cap ? *cap * 2 : 256;
            struct elf_symbol *more =
                more_n <= ELF_SYMBOLS_MAX ? realloc(f->symbol, more_n * sizeof *f->symbol) : NULL;
            if (!more) {
                return false;
            }
            f->symbol = more;
            *cap = more_n;
        }
        struct elf_symbol *to = &f->symbol[f->n];
        to->address = sym[i].st_value;
        to->size = sym[i].st_size < UINT32_MAX ? (uint32_t)sym[i].st_size : UINT32_MAX;
        if (!keep_name(f, names, sym[i].st_name, &to->name)) {
            return false;
        }
        f->n++;
    }
    return true;
}

static int by_address(const void *a, const void *b)
{
    const struct elf_symbol *s = a, *t = b;
    if (s->address != t->address) {
        return s->address < t->address ? -1 : 1;
    }
    return s->name < t->name ? -1 : s->name > t->name; /* the file's order */
}

static void read_symbols(const struct elf_source *s, const Elf64_Shdr *symbols,
                         const Elf64_Shdr *strings, struct elf_file *f)
{
    if (strings->sh_size > 4ull * ELF_NAMES_BYTES_MAX || strings->sh_size > s->size ||
        symbols->sh_size > s->size) {
        return;
    }
    struct names names = {.all = malloc(strings->sh_size + 1), .all_n = strings->sh_size};
    Elf64_Sym *chunk = malloc(CHUNK_SYMBOLS * sizeof *chunk);
    size_t n = symbols->sh_size / sizeof *chunk, cap = 0;
    bool good = names.all && chunk && get(s, strings->sh_offset, names.all, names.all_n);
    for (size_t i = 0; good && i < n; i += CHUNK_SYMBOLS) {
        size_t part = n - i < CHUNK_SYMBOLS ? n - i : CHUNK_SYMBOLS;
        good = get(s, symbols->sh_offset + i * sizeof *chunk, chunk, part * sizeof *chunk) &&
               keep_symbols(f, &names, chunk, part, &cap);
    }
    free(chunk);
    free(names.all);
    if (f->n) {
        qsort(f->symbol, f->n, sizeof *f->symbol, by_address);
    }
    f->whole = symbols->sh_type == SHT_SYMTAB;
}

bool elf_file_read(const struct elf_source *source, struct elf_file *ret)
{
    static const uint16_t order = 1;
    Elf64_Ehdr e;
    *ret = (struct elf_file){0};
    uint8_t native = *(const uint8_t *)&order ? ELFDATA2LSB : ELFDATA2MSB;
    if (!get(source, 0, &e, sizeof e) || memcmp(e.e_ident, ELFMAG, SELFMAG) != 0 ||
        e.e_ident[EI_CLASS] != ELFCLASS64 || e.e_ident[EI_DATA] != native ||
        e.e_phoff > source->size || e.e_shoff > source->size) {
        return false;
    }
    Elf64_Shdr symbols = {0}, strings = {0};
    if (e.e_phentsize == sizeof(Elf64_Phdr)) {
        read_build_id(source, &e, ret);
    }
    if (e.e_shentsize == sizeof(Elf64_Shdr) && find_tables(source, &e, &symbols, &strings)) {
        read_symbols(source, &symbols, &strings, ret);
    }
    return true;
}

void elf_file_done(struct elf_file *f)
{
    free(f->symbol);
    free(f->names);
    *f = (struct elf_file){0};
}

/* How little a name says about what a programmer wrote: "raise" before "__GI_raise". */
static size_t strangeness(const char *name)
{
    size_t n = strspn(name, "_");
    return (name[0] == '_' && name[1] == 'Z' ? 0 : n * 100) + strlen(name);
}

const struct elf_symbol *elf_file_find(const struct elf_file *f, uint64_t address)
{
    size_t low = 0, high = f->n; /* the first that begins behind address is at low */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (f->symbol[middle].address <= address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    const struct elf_symbol *best = NULL;
    uint64_t from = low ? f->symbol[low - 1].address : 0;
    for (size_t i = low; i-- > 0 && f->symbol[i].address == from;) { /* aliases */
        const struct elf_symbol *s = &f->symbol[i];
        uint64_t size = s->size ? s->size : GAP_BYTES_MAX;
        if (address - from < size &&
            (!best || strangeness(f->names + s->name) < strangeness(f->names + best->name))) {
            best = s;
        }
    }
    return best;
}
