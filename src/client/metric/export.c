#include "client/metric/export.h"

#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local bool mine __attribute__((tls_model("initial-exec")));

bool export_lock(void)
{
    if (mine) {
        return false;
    }
    pthread_mutex_lock(&lock);
    mine = true;
    return true;
}

void export_unlock(void)
{
    mine = false;
    pthread_mutex_unlock(&lock);
}

bool export_is_mine(void)
{
    return mine;
}

void export_fork_child(void)
{
    mine = false;
    pthread_mutex_init(&lock, NULL);
}
