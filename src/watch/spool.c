#include "watch/spool.h"

#include "base/buf.h"
#include "base/mem.h"
#include "os/append_file.h"
#include "os/thread.h"

enum { REPLACE_MAX = 64 << 20 };

/* Either one that is appended to, or one that is replaced as a whole. */
struct spool_file {
    struct spool *spool;
    struct spool_file *next;
    struct append_file file; /* the thread's */
    char *path;              /* of one that is replaced; else NULL */
    struct buf pending;
    uint64_t dropped;
    int error;
    bool durable, filled;
};

struct spool {
    struct thread thread;
    pthread_mutex_t lock;
    pthread_cond_t work, idle;
    struct spool_file *files;
    struct spool_file *busy; /* being written: not to be freed */
    bool stop;
};

static struct spool_file *next_filled(struct spool *s)
{
    struct spool_file *f = s->files;
    while (f && !f->filled)
        f = f->next;
    return f;
}

/* Moves f behind the others, so that a chatty one lets them all have their turn. */
static void to_the_end(struct spool *s, struct spool_file *f)
{
    struct spool_file **at = &s->files;
    while (*at != f)
        at = &(*at)->next;
    *at = f->next;
    while (*at)
        at = &(*at)->next;
    *at = f;
    f->next = NULL;
}

static void write_out(struct spool *s, struct spool_file *f)
{
    struct buf bytes = f->pending;
    bool durable = f->durable;
    size_t n = 0;
    buf_init(&f->pending, f->path ? REPLACE_MAX : SPOOL_PENDING_MAX);
    f->filled = false;
    s->busy = f;
    to_the_end(s, f);
    thread_unlock(&s->lock);
    int err = f->path ? append_file_replace(f->path, buf_str(&bytes), durable)
                      : append_file_write(&f->file, buf_str(&bytes), &n);
    thread_lock(&s->lock);
    f->error = err;
    if (!f->path)
        f->dropped += bytes.n - n;
    buf_done(&bytes);
    s->busy = NULL;
    thread_wake_all(&s->idle);
}

static void run(void *context)
{
    struct spool *s = context;
    thread_lock(&s->lock);
    for (;;) {
        struct spool_file *f = next_filled(s);
        if (f)
            write_out(s, f);
        else if (s->stop)
            break;
        else
            thread_wait(&s->work, &s->lock);
    }
    thread_unlock(&s->lock);
}

struct spool *spool_new(void)
{
    struct spool *s = mem_new(sizeof *s);
    thread_lock_init(&s->lock);
    thread_cond_init(&s->work);
    thread_cond_init(&s->idle);
    thread_start(&s->thread, "spool", run, s);
    return s;
}

static struct spool_file *add(struct spool *s)
{
    struct spool_file *f = mem_new(sizeof *f);
    f->spool = s;
    thread_lock(&s->lock);
    f->next = s->files;
    s->files = f;
    thread_unlock(&s->lock);
    return f;
}

struct spool_file *spool_file_new(struct spool *s, const char *path, int64_t size_max,
                                  int64_t files)
{
    struct spool_file *f = add(s);
    append_file_init(&f->file, path, size_max, files);
    buf_init(&f->pending, SPOOL_PENDING_MAX);
    return f;
}

void spool_file_free(struct spool_file *f)
{
    if (!f)
        return;
    struct spool *s = f->spool;
    thread_lock(&s->lock);
    while (f->filled || s->busy == f)
        thread_wait(&s->idle, &s->lock);
    struct spool_file **at = &s->files;
    while (*at != f)
        at = &(*at)->next;
    *at = f->next;
    thread_unlock(&s->lock);
    if (!f->path)
        append_file_done(&f->file);
    mem_free(f->path);
    buf_done(&f->pending);
    mem_free(f);
}

void spool_free(struct spool *s)
{
    if (!s)
        return;
    for (struct spool_file *f = s->files, *next; f; f = next) {
        next = f->next;
        if (f->path) {
            spool_file_free(f);
            next = s->files;
        }
    }
    thread_lock(&s->lock);
    s->stop = true;
    thread_wake(&s->work);
    thread_unlock(&s->lock);
    thread_join(&s->thread);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->work);
    pthread_cond_destroy(&s->idle);
    mem_free(s);
}

static void fill(struct spool_file *f)
{
    f->filled = true;
    thread_wake(&f->spool->work);
}

void spool_put(struct spool_file *f, struct str bytes)
{
    if (bytes.n == 0)
        return;
    thread_lock(&f->spool->lock);
    if (f->pending.n + bytes.n > SPOOL_PENDING_MAX) {
        f->dropped += bytes.n;
    } else {
        buf_put_str(&f->pending, bytes);
        fill(f);
    }
    thread_unlock(&f->spool->lock);
}

uint64_t spool_dropped(struct spool_file *f)
{
    thread_lock(&f->spool->lock);
    uint64_t n = f->dropped;
    thread_unlock(&f->spool->lock);
    return n;
}

int spool_error(struct spool_file *f)
{
    thread_lock(&f->spool->lock);
    int err = f->error;
    thread_unlock(&f->spool->lock);
    return err;
}

void spool_replace(struct spool *s, const char *path, struct str bytes, bool durable)
{
    struct spool_file *f = NULL;
    thread_lock(&s->lock);
    for (f = s->files; f; f = f->next)
        if (f->path && strcmp(f->path, path) == 0)
            break;
    thread_unlock(&s->lock);
    if (!f) {
        f = add(s);
        thread_lock(&s->lock);
        f->path = mem_text(path, strlen(path));
        buf_init(&f->pending, REPLACE_MAX);
        thread_unlock(&s->lock);
    }
    thread_lock(&s->lock);
    f->durable = f->filled ? f->durable || durable : durable;
    buf_clear(&f->pending);
    buf_put_str(&f->pending, bytes);
    fill(f);
    thread_unlock(&s->lock);
}

void spool_flush(struct spool *s)
{
    thread_lock(&s->lock);
    while (next_filled(s) || s->busy)
        thread_wait(&s->idle, &s->lock);
    thread_unlock(&s->lock);
}
