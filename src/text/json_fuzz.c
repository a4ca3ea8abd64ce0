/* Any bytes as JSON: what jansson takes, we take. Its header names what ours does, so that
 * it is met at run time only. */
#include <dlfcn.h>

#include "base/must.h"
#include "text/json.h"

enum { DECODE_ANY = 0x4, ALLOW_NUL = 0x10 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void *(*load)(const char *, size_t, size_t, void *);
static void (*delete)(void *);

static void find_jansson(void)
{
    void *library = dlopen("libjansson.so.4", RTLD_NOW | RTLD_LOCAL);
    must(library);
    load = (void *(*)(const char *, size_t, size_t, void *))dlsym(library, "json_loadb");
    delete = (void (*)(void *))dlsym(library, "json_delete");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    struct json_reader r;
    struct json_event e;
    struct why why = {0};
    int got;
    if (!load)
        find_jansson();
    arena_init(&a);
    json_reader_init(&r, str_of((const char *)data, size), &a);
    do {
        got = json_next(&r, &e, &why);
    } while (got > 0);
    void *tree = load((const char *)data, size, DECODE_ANY | ALLOW_NUL, NULL);
    /* It refuses whole numbers past 64 bits, we do not; it goes deeper than we do, and takes a NUL
     * for the end. */
    must(!tree || got == 0 || why.err == -ERR_LIMIT || memchr(data, 0, size));
    if (tree)
        delete (tree);
    arena_done(&a);
    return 0;
}
