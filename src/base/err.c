#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *code, *text;
} ERRORS[ERR_COUNT] = {
    [ERR_NONE] = {"ok", "no error"},
#define ERR(name, code, text) [ERR_##name] = {code, text},
#include "base/err.tbl.h"
#undef ERR
};

static int index_of(int err)
{
    int i = err < 0 ? -err : err;
    return i < ERR_COUNT ? i : ERR_STATE;
}

const char *err_code(int err)
{
    return ERRORS[index_of(err)].code;
}

const char *err_text(int err)
{
    return ERRORS[index_of(err)].text;
}

int err_of_errno(int errnum)
{
    switch (errnum) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return ERR_FULL;
    case ENOENT:
    case ENOTDIR:
    case ESRCH:
        return ERR_NOENT;
    case EEXIST:
    case ENOTEMPTY:
        return ERR_EXISTS;
    case EACCES:
    case EPERM:
    case EROFS:
        return ERR_DENIED;
    case EAGAIN:
    case EBUSY:
    case EADDRINUSE:
        return ERR_BUSY;
    case ETIMEDOUT:
        return ERR_TIMEOUT;
    case EPIPE:
    case ECONNRESET:
    case ECONNREFUSED:
        return ERR_CLOSED;
    case ENOSYS:
    case EOPNOTSUPP:
        return ERR_UNSUPPORTED;
    case EINVAL:
    case ERANGE:
        return ERR_RANGE;
    case EMFILE:
    case ENFILE:
        return ERR_LIMIT;
    default:
        return ERR_IO;
    }
}

/* Cuts a text that vsnprintf() filled to the brim before a half UTF-8 sequence. */
static void cut_at_character(char *text, size_t len)
{
    size_t i = len;
    while (i > 0 && ((unsigned char)text[i - 1] & 0xc0) == 0x80)
        i--;
    if (i > 0 && (unsigned char)text[i - 1] >= 0xc0)
        text[i - 1] = 0;
}

int why_set(struct why *why, enum err code, const char *format, ...)
{
    if (!why)
        return -(int)code;

    va_list args;
    va_start(args, format);
    int n = vsnprintf(why->text, sizeof why->text, format, args);
    va_end(args);
    if (n >= (int)sizeof why->text)
        cut_at_character(why->text, sizeof why->text - 1);
    why->err = -(int)code;
    return why->err;
}

int why_prefix(struct why *why, const char *format, ...)
{
    if (!why)
        return 0;

    char prefix[WHY_MAX], joined[2 * WHY_MAX + 4];
    va_list args;
    va_start(args, format);
    vsnprintf(prefix, sizeof prefix, format, args);
    va_end(args);
    snprintf(joined, sizeof joined, "%s: %s", prefix, why->text);
    return why_set(why, (enum err)(why->err < 0 ? -why->err : why->err), "%s", joined);
}
