#include "tool/docs.h"

#include <stdio.h>

#include "base/buf.h"
#include "os/file.h"
#include "tool/arguments.h"
#include "tool/options.h"

enum { PAGE_MAX = 1 << 20, PATH_BYTES = 4096 };

static int write_page(const char *folder, const char *name, struct str text)
{
    char path[PATH_BYTES];
    struct why why = {0};
    snprintf(path, sizeof path, "%s/%s.md", folder, name);
    int err = file_write(path, text, &why);
    if (err != 0)
        fprintf(stderr, "sonde docs: %s\n", why.text);
    return err;
}

static int write_pages(const char *folder)
{
    struct buf list, page;
    buf_init(&list, PAGE_MAX);
    buf_init(&page, PAGE_MAX);
    buf_put_str(&list, STR("# Configuration, section by section\n\nMade from the option tables by "
                           "`sonde docs`; edit the rows, not these pages.\n\n"));
    int err = 0;
    for (size_t i = 0; i < options_tables.n && err == 0; i++) {
        const struct option_table *t = options_tables.v[i];
        buf_printf(&list, "- [%s](%s.md): %s\n", t->section, t->section, t->prose);
        buf_clear(&page);
        conf_reference(t, &page);
        err = write_page(folder, t->section, buf_str(&page));
    }
    if (err == 0)
        err = write_page(folder, "README", buf_str(&list));
    buf_done(&page);
    buf_done(&list);
    return err;
}

int docs_run(int argc, char **argv)
{
    struct arguments a;
    if (!arguments_init(&a, argc, argv))
        return 2;
    const char *folder = arguments_word(&a);
    if (folder == NULL || !arguments_end(&a, "docs"))
        return 2;
    struct why why = {0};
    if (file_make_dir(folder, &why) != 0) {
        fprintf(stderr, "sonde docs: %s\n", why.text);
        return 1;
    }
    return write_pages(folder) != 0;
}
