#include "base/parallel.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct parallel_worker {
    struct parallel *parallel;
    pthread_t thread;
    unsigned number;
};

struct parallel {
    pthread_mutex_t lock;
    pthread_cond_t has_work, is_idle;
    struct parallel_worker *workers; /* the caller is none of them */
    unsigned worker_count;
    bool ends;
    /* the last call; it stands as it is until no worker is busy */
    bool is_open; /* a worker may join it */
    void (*body)(const void *context, int64_t block, unsigned worker);
    const void *context;
    int64_t count;
    _Atomic int64_t next;
    uint64_t calls; /* so far: a worker joins each once */
    unsigned busy;  /* workers that have joined */
};

static void parallel_work(struct parallel *parallel, unsigned worker) {
    for (int64_t block; (block = atomic_fetch_add(&parallel->next, 1)) < parallel->count;) parallel->body(parallel->context, block, worker);
}

static void *parallel_main(void *argument) {
    const struct parallel_worker *worker = argument;
    struct parallel *parallel = worker->parallel;
    uint64_t joined = 0;
    pthread_mutex_lock(&parallel->lock);
    while (!parallel->ends) {
        if (!parallel->is_open || parallel->calls == joined) {
            pthread_cond_wait(&parallel->has_work, &parallel->lock);
            continue;
        }
        joined = parallel->calls;
        parallel->busy++;
        pthread_mutex_unlock(&parallel->lock);
        parallel_work(parallel, worker->number);
        pthread_mutex_lock(&parallel->lock);
        if (--parallel->busy == 0) pthread_cond_signal(&parallel->is_idle);
    }
    pthread_mutex_unlock(&parallel->lock);
    return NULL;
}

static void parallel_end(void *argument) {
    struct parallel *parallel = argument;
    pthread_mutex_lock(&parallel->lock);
    parallel->ends = true;
    pthread_cond_broadcast(&parallel->has_work);
    pthread_mutex_unlock(&parallel->lock);
    for (unsigned i = 0; i < parallel->worker_count; i++) pthread_join(parallel->workers[i].thread, NULL);
    pthread_cond_destroy(&parallel->is_idle);
    pthread_cond_destroy(&parallel->has_work);
    pthread_mutex_destroy(&parallel->lock);
}

struct parallel *parallel_new(struct arena *arena, unsigned threads) {
    struct parallel *parallel = ARENA_NEW(arena, struct parallel);
    parallel->workers = ARENA_ARRAY(arena, struct parallel_worker, threads);
    pthread_mutex_init(&parallel->lock, NULL);
    pthread_cond_init(&parallel->has_work, NULL);
    pthread_cond_init(&parallel->is_idle, NULL);
    arena_defer(arena, parallel_end, parallel);
    for (unsigned i = 0; i + 1 < threads; i++) {
        struct parallel_worker *worker = &parallel->workers[i];
        *worker = (struct parallel_worker){.parallel = parallel, .number = i + 1};
        if (pthread_create(&worker->thread, NULL, parallel_main, worker) != 0) break;
        parallel->worker_count++;
    }
    return parallel;
}

unsigned parallel_threads(const struct parallel *parallel) { return parallel ? parallel->worker_count + 1 : 1; }

void parallel_run(struct parallel *parallel, int64_t count, void (*body)(const void *context, int64_t block, unsigned worker),
                  const void *context) {
    if (!parallel || !parallel->worker_count || count <= 1) {
        for (int64_t block = 0; block < count; block++) body(context, block, 0);
        return;
    }
    pthread_mutex_lock(&parallel->lock);
    parallel->is_open = true;
    parallel->body = body;
    parallel->context = context;
    parallel->count = count;
    atomic_store(&parallel->next, 0);
    parallel->calls++;
    pthread_cond_broadcast(&parallel->has_work);
    pthread_mutex_unlock(&parallel->lock);
    parallel_work(parallel, 0);
    pthread_mutex_lock(&parallel->lock);
    parallel->is_open = false;
    while (parallel->busy) pthread_cond_wait(&parallel->is_idle, &parallel->lock);
    pthread_mutex_unlock(&parallel->lock);
}
