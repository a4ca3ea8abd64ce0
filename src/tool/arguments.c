#include "tool/arguments.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

bool arguments_init(struct arguments *a, int argc, char **argv)
{
    *a = (struct arguments){0};
    if (argc > ARGUMENTS_MAX)
        return false;
    for (int i = 0; i < argc; i++)
        a->v[a->n++] = argv[i];
    return true;
}

/* Is word "--name", or "--name=..." (then *ret_value is what stands behind)? */
static bool is_option(const char *word, const char *name, const char **ret_value)
{
    size_t n = strlen(name);
    if (word == NULL || strncmp(word, "--", 2) != 0 || strncmp(word + 2, name, n) != 0)
        return false;
    if (word[2 + n] != '\0' && word[2 + n] != '=')
        return false;
    *ret_value = word[2 + n] == '=' ? word + 3 + n : NULL;
    return true;
}

const char *arguments_value(struct arguments *a, const char *name)
{
    for (size_t i = 0; i < a->n; i++) {
        const char *value;
        if (!is_option(a->v[i], name, &value))
            continue;
        if (value == NULL) {
            if (i + 1 >= a->n || a->v[i + 1] == NULL)
                return NULL; /* its value is missing: arguments_end() complains */
            value = a->v[i + 1];
            a->v[i + 1] = NULL;
        }
        a->v[i] = NULL;
        return value;
    }
    return NULL;
}

const char *arguments_server(struct arguments *a)
{
    const char *server = arguments_value(a, "server");
    return server ? server : arguments_value(a, "url");
}

bool arguments_flag(struct arguments *a, const char *name)
{
    for (size_t i = 0; i < a->n; i++) {
        const char *value;
        if (is_option(a->v[i], name, &value) && value == NULL) {
            a->v[i] = NULL;
            return true;
        }
    }
    return false;
}

const char *arguments_word(struct arguments *a)
{
    for (size_t i = 0; i < a->n; i++) {
        const char *word = a->v[i];
        if (word != NULL && strncmp(word, "--", 2) != 0) {
            a->v[i] = NULL;
            return word;
        }
    }
    return NULL;
}

bool arguments_end(const struct arguments *a, const char *command)
{
    for (size_t i = 0; i < a->n; i++)
        if (a->v[i] != NULL) {
            fprintf(stderr,
                    "sonde %s: %s is not understood or lacks its value; see: sonde help %s\n",
                    command, a->v[i], command);
            return false;
        }
    return true;
}

/* A copy of n bytes in the settings' own text; NULL where it is full. */
static const char *keep(struct arguments_settings *s, const char *p, size_t n)
{
    if (n + 1 > sizeof s->text - s->text_n)
        return NULL;
    char *copy = s->text + s->text_n;
    memcpy(copy, p, n);
    copy[n] = '\0';
    s->text_n += n + 1;
    return copy;
}

static bool take_set(struct arguments_settings *s, const char *text)
{
    const char *equal = strchr(text, '=');
    const char *key = equal == NULL ? NULL : keep(s, text, (size_t)(equal - text));
    if (key == NULL) {
        fprintf(stderr, "sonde: --set %s: expected SECTION.KEY=VALUE\n", text);
        return false;
    }
    s->v[s->n++] = (struct conf_override){key, equal + 1};
    return true;
}

bool arguments_settings(struct arguments *a, struct arguments_settings *ret)
{
    *ret = (struct arguments_settings){0};
    const char *value;
    while ((value = arguments_value(a, "data")) != NULL)
        ret->v[ret->n++] = (struct conf_override){"server.data", value};
    size_t begin = ret->text_n;
    while ((value = arguments_value(a, "listen")) != NULL) {
        if (ret->text_n > begin)
            ret->text[ret->text_n - 1] = ','; /* one list of all */
        if (keep(ret, value, strlen(value)) == NULL) {
            fprintf(stderr, "sonde: too many addresses to listen on\n");
            return false;
        }
    }
    if (ret->text_n > begin)
        ret->v[ret->n++] = (struct conf_override){"server.listen", ret->text + begin};
    while ((value = arguments_value(a, "set")) != NULL)
        if (!take_set(ret, value))
            return false;
    return true;
}
