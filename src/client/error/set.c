#include "client/error/set.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/core/module.h"
#include "client/core/redact.h"
#include "client/core/setting.h"
#include "client/error/envelope.h"
#include "client/error/pseudonym.h"
#include "client/error/session.h"
#include "sonde/error.h"

struct context {
    char name[ERROR_TAG_KEY_MAX];
    char *json; /* [n] */
    size_t n;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct error_tag tags[SET_TAGS_MAX];
static size_t tags_n, contexts_n, contexts_bytes;
static struct context contexts[SET_CONTEXTS_MAX];
static char user_id[SET_USER_MAX], user_email[SET_USER_MAX], user_name[SET_USER_MAX],
    user_ip[SET_USER_MAX], transaction[SET_USER_MAX];

static bool on(void)
{
    module_wake();
    return atomic_load_explicit(&module_on, memory_order_relaxed);
}

int sonde_set_tag(const char *key, const char *value)
{
    if (!on()) {
        return SONDE_ERROR_STATE;
    }
    pthread_mutex_lock(&lock);
    int err = error_thread_put(tags, &tags_n, SET_TAGS_MAX, key, value);
    pthread_mutex_unlock(&lock);
    return err;
}

int sonde_set_thread_tag(const char *key, const char *value)
{
    if (!on()) {
        return SONDE_ERROR_STATE;
    }
    struct error_thread *t = error_thread_mine(value != NULL);
    if (!t) {
        return value ? SONDE_ERROR_MEMORY : 0;
    }
    return error_thread_put(t->tags, &t->tags_n, ERROR_THREAD_TAGS_MAX, key, value);
}

static void put(char ret[SET_USER_MAX], const char *value)
{
    snprintf(ret, SET_USER_MAX, "%s", value ? value : "");
}

int sonde_set_user(const sonde_user *user)
{
    static const sonde_user nobody = SONDE_USER_INIT;
    if (!on()) {
        return SONDE_ERROR_STATE;
    }
    user = user ? user : &nobody;
    if (user->struct_size < sizeof *user) {
        return SONDE_ERROR_ARGUMENT;
    }
    pthread_mutex_lock(&lock);
    put(user_id, user->id);
    put(user_email, user->email);
    put(user_name, user->name);
    put(user_ip, user->ip);
    pthread_mutex_unlock(&lock);
    session_user(user->id ? user->id : "");
    return 0;
}

int sonde_set_transaction(const char *name)
{
    if (!on()) {
        return SONDE_ERROR_STATE;
    }
    pthread_mutex_lock(&lock);
    put(transaction, name);
    pthread_mutex_unlock(&lock);
    return 0;
}

/* Is it a JSON object? What is meant to be kept is checked when it is set. */
static bool is_object(const char *json, size_t n)
{
    struct text t;
    text_init(&t, SET_CONTEXTS_BYTES_MAX * 2);
    bool fine = redact_json(&t, json, n) && t.len && *t.bytes == '{';
    text_done(&t);
    return fine;
}

static void drop(size_t i)
{
    contexts_bytes -= contexts[i].n;
    free(contexts[i].json);
    memmove(&contexts[i], &contexts[i + 1], (contexts_n - i - 1) * sizeof *contexts);
    contexts_n--;
}

static int put_context(const char *name, const char *json, size_t n)
{
    size_t i = 0;
    while (i < contexts_n && strcmp(contexts[i].name, name) != 0) {
        i++;
    }
    size_t old = i < contexts_n ? contexts[i].n : 0;
    if (i == SET_CONTEXTS_MAX || contexts_bytes - old + n > SET_CONTEXTS_BYTES_MAX) {
        return SONDE_ERROR_LIMIT;
    }
    char *copy = malloc(n);
    if (!copy) {
        return SONDE_ERROR_MEMORY;
    }
    memcpy(copy, json, n);
    if (i < contexts_n) {
        drop(i);
    }
    struct context *c = &contexts[contexts_n++];
    snprintf(c->name, sizeof c->name, "%s", name);
    c->json = copy;
    c->n = n;
    contexts_bytes += n;
    return 0;
}

int sonde_set_context(const char *name, const char *json)
{
    if (!on()) {
        return SONDE_ERROR_STATE;
    }
    if (!name || !*name || strlen(name) >= sizeof contexts->name) {
        return SONDE_ERROR_ARGUMENT;
    }
    int err = 0;
    size_t n = json ? strlen(json) : 0;
    if (json && !is_object(json, n)) {
        return n > SET_CONTEXTS_BYTES_MAX ? SONDE_ERROR_LIMIT : SONDE_ERROR_ARGUMENT;
    }
    pthread_mutex_lock(&lock);
    if (json) {
        err = put_context(name, json, n);
    } else {
        for (size_t i = 0; i < contexts_n; i++) {
            if (strcmp(contexts[i].name, name) == 0) {
                drop(i);
                break;
            }
        }
    }
    pthread_mutex_unlock(&lock);
    return err;
}

size_t set_tags(struct error_tag ret[SET_TAGS_MAX])
{
    pthread_mutex_lock(&lock);
    size_t n = tags_n;
    memcpy(ret, tags, n * sizeof *tags);
    pthread_mutex_unlock(&lock);
    return n;
}

void set_contexts(struct jot *j, const char *but)
{
    struct text t;
    text_init(&t, SET_CONTEXTS_BYTES_MAX * 2);
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < contexts_n; i++) {
        text_clear(&t);
        if (strcmp(contexts[i].name, but) != 0 &&
            redact_json(&t, contexts[i].json, contexts[i].n)) {
            jot_raw(j, contexts[i].name, t.bytes, t.len);
        }
    }
    pthread_mutex_unlock(&lock);
    text_done(&t);
}

void set_user_write(struct jot *j, const char *id, const char *email, const char *name,
                    const char *ip)
{
    char shown[SET_USER_MAX];
    if (!*id && !*email && !*name && !*ip) {
        return;
    }
    jot_object(j, "user");
    if (*id) {
        pseudonym_of(id, shown, sizeof shown);
        jot_string(j, "id", shown);
    }
    if (*email) {
        jot_string(j, "email", setting.send_pii ? email : "[email]");
    }
    if (*name) {
        jot_string(j, "username", setting.send_pii ? name : "[user]");
    }
    if (*ip && setting.send_pii) { /* no placeholder: Sentry takes addresses alone here */
        jot_string(j, "ip_address", ip);
    }
    jot_end(j);
}

void set_user(struct jot *j)
{
    pthread_mutex_lock(&lock);
    set_user_write(j, user_id, user_email, user_name, user_ip);
    pthread_mutex_unlock(&lock);
}

void set_transaction(char *ret, size_t size)
{
    pthread_mutex_lock(&lock);
    snprintf(ret, size, "%s", transaction);
    pthread_mutex_unlock(&lock);
}

void set_reset(void)
{
    pthread_mutex_lock(&lock);
    while (contexts_n) {
        drop(contexts_n - 1);
    }
    tags_n = 0;
    put(user_id, NULL);
    put(user_email, NULL);
    put(user_name, NULL);
    put(user_ip, NULL);
    put(transaction, NULL);
    pthread_mutex_unlock(&lock);
}

void set_fork_child(void)
{
    pthread_mutex_init(&lock, NULL); /* whoever held it is not here */
}
