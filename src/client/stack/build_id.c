#include "client/stack/build_id.h"

#include <elf.h>
#include <string.h>

/* Notes have the same layout in files of 32 and of 64 bits. */
uint32_t build_id_find(const uint8_t *at, size_t n, uint8_t ret[BUILD_ID_MAX])
{
    while (n >= sizeof(Elf64_Nhdr)) {
        Elf64_Nhdr note;
        memcpy(&note, at, sizeof note);
        size_t name = ((size_t)note.n_namesz + 3) & ~(size_t)3;
        size_t desc = ((size_t)note.n_descsz + 3) & ~(size_t)3;
        size_t left = n - sizeof note;
        if (name > left || desc > left - name) {
            return 0;
        }
        const uint8_t *value = at + sizeof note + name;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
            memcmp(at + sizeof note, "GNU", 4) == 0) {
            uint32_t found = note.n_descsz < BUILD_ID_MAX ? note.n_descsz : (uint32_t)BUILD_ID_MAX;
            memcpy(ret, value, found);
            return found;
        }
        at = value + desc;
        n = left - name - desc;
    }
    return 0;
}
