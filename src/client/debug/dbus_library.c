#include "client/debug/dbus_library.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

struct dbus_library dbus_library;

static const struct {
    const char *name;
    void *at;
} entries[] = {
#define X(result, name, arguments) {"dbus_" #name, &dbus_library.name},
    DBUS_LIBRARY_FUNCTIONS(X)
#undef X
};

bool dbus_library_load(char *problem, size_t size)
{
    static bool loaded;
    if (loaded) {
        return true;
    }
    void *library = dlopen("libdbus-1.so.3", RTLD_NOW | RTLD_LOCAL); /* never closed: it is not made
                                                                        for that */
    if (!library) {
        snprintf(problem, size, "there is no libdbus-1.so.3 (package libdbus-1-3) on this system");
        return false;
    }
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        void *symbol = dlsym(library, entries[i].name);
        if (!symbol) {
            snprintf(problem, size, "libdbus has no %s", entries[i].name);
            dlclose(library);
            return false;
        }
        memcpy(entries[i].at, &symbol, sizeof symbol);
    }
    loaded = true;
    return true;
}
