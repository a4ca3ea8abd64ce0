#include "client/error/error_thread.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/core/slot.h"
#include "sonde/core.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;

/* The next thread of this slot begins without tags. */
static void retire(void *part)
{
    struct error_thread *t = part;
    t->tags_n = 0;
    t->request_open = t->request_errored = false;
}

static void announce(void)
{
    slot_on_retire(SLOT_ERROR, retire);
}

struct error_thread *error_thread_mine(bool make)
{
    struct slot *s = slot_mine();
    if (!s) {
        return NULL;
    }
    struct error_thread *t = s->part[SLOT_ERROR];
    if (!t && make) {
        pthread_once(&once, announce);
        t = calloc(1, sizeof *t);
        if (t) {
            slot_publish(s, SLOT_ERROR, t);
        }
    }
    return t;
}

int error_thread_put(struct error_tag *tags, size_t *n, size_t most, const char *key,
                     const char *value)
{
    if (!key || !*key || strlen(key) >= ERROR_TAG_KEY_MAX) {
        return SONDE_ERROR_ARGUMENT;
    }
    size_t i = 0;
    while (i < *n && strcmp(tags[i].key, key) != 0) {
        i++;
    }
    if (!value) {
        if (i < *n) {
            memmove(&tags[i], &tags[i + 1], (*n - i - 1) * sizeof *tags);
            --*n;
        }
        return 0;
    }
    if (i == most) {
        return SONDE_ERROR_LIMIT;
    }
    snprintf(tags[i].key, sizeof tags[i].key, "%s", key);
    snprintf(tags[i].value, sizeof tags[i].value, "%s", value);
    *n += i == *n;
    return 0;
}
