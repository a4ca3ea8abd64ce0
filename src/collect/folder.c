#include "collect/folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/vec.h"

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int folder_list(const char *path, const char *prefix, struct folder *ret)
{
    *ret = (struct folder){0};
    DIR *dir = opendir(path);
    if (!dir)
        return -err_of_errno(errno);
    for (struct dirent *d; (d = readdir(dir)) && ret->n < FOLDER_NAMES_MAX;)
        if (d->d_name[0] != '.' && str_starts(str_c(d->d_name), str_c(prefix)))
            vec_push(ret, mem_text(d->d_name, strlen(d->d_name)));
    closedir(dir);
    if (ret->n > 1)
        qsort(ret->v, ret->n, sizeof *ret->v, by_name);
    return 0;
}

void folder_done(struct folder *f)
{
    for (size_t i = 0; i < f->n; i++)
        mem_free(f->v[i]);
    vec_free(f);
}

void folder_path(char out[FOLDER_PATH], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(out, FOLDER_PATH, format, args);
    va_end(args);
}

bool folder_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

bool folder_text(const char *dir, const char *file, char room[PSEUDO_SMALL], struct str *ret)
{
    char path[FOLDER_PATH];
    folder_path(path, "%s/%s", dir, file);
    return pseudo_peek(path, room, PSEUDO_SMALL, ret) == 0;
}

bool folder_number(const char *dir, const char *file, double *ret)
{
    char room[PSEUDO_SMALL];
    struct str text;
    return folder_text(dir, file, room, &text) && pseudo_parse(text, ret);
}

size_t folder_give(struct emit *e, const char *dir, const struct folder_row *rows, size_t rows_n,
                   const struct str *values, size_t values_n)
{
    size_t given = 0;
    for (size_t i = 0; i < rows_n; i++) {
        double v;
        if (!folder_number(dir, rows[i].file, &v))
            continue;
        emit_value(e, &rows[i].family, v * rows[i].unit, values, values_n);
        given++;
    }
    return given;
}

size_t folder_texts(const char *dir, const char *const *files, size_t n, struct buf *room,
                    struct str *ret)
{
    size_t given = 0;
    for (size_t i = 0; i < n; i++) {
        char small[PSEUDO_SMALL];
        struct str text = {0};
        bool there = folder_text(dir, files[i], small, &text);
        size_t from = room->n;
        buf_put_str(room, str_sub(text, 0, MIN(text.n, (size_t)EMIT_VALUE_MAX)));
        ret[i] = str_of(room->p + from, room->n - from);
        given += there;
    }
    return given;
}
