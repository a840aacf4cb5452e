/* See lane_jobs.h. */
#include "lane_jobs.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 64 };

/* The end of an id is its job's number. */
static size_t place_of(const char *id, size_t size)
{
    uint64_t tail = 0;
    const size_t taken = size < sizeof tail ? size : sizeof tail;

    memcpy(&tail, id + size - taken, taken);
    return (size_t)(tail * UINT64_C(0x9e3779b97f4a7c15) >> 32);
}

const struct lane_job *lane_jobs_find(const struct lane_jobs *jobs, const struct text_view *id)
{
    const size_t mask = jobs->slot_count - 1; /* a power of two */

    if (jobs->count == 0)
        return NULL;
    size_t place = place_of(id->data, id->size) & mask;
    for (; jobs->slots[place] != NULL; place = (place + 1) & mask) {
        const struct lane_job *job = jobs->slots[place];
        if (job->id_size == id->size && memcmp(job->id, id->data, id->size) == 0)
            return job;
    }
    return NULL;
}

static void index_job(struct lane_jobs *jobs, struct lane_job *job)
{
    const size_t mask = jobs->slot_count - 1;
    size_t place = place_of(job->id, job->id_size) & mask;

    while (jobs->slots[place] != NULL)
        place = (place + 1) & mask;
    jobs->slots[place] = job;
}

static void index_all(struct lane_jobs *jobs)
{
    for (size_t i = 0; i < jobs->slot_count; i++)
        jobs->slots[i] = NULL;
    for (size_t i = 0; i < jobs->count; i++)
        index_job(jobs, jobs->items[i]);
}

/* The slots stay half empty. */
static bool grow(struct lane_jobs *jobs)
{
    const size_t capacity = jobs->capacity == 0 ? FIRST_CAPACITY : 2 * jobs->capacity;
    struct lane_job **items = realloc(jobs->items, capacity * sizeof *items), **slots;

    if (items == NULL)
        return false;
    jobs->items = items;
    slots = realloc(jobs->slots, 2 * capacity * sizeof *slots);
    if (slots == NULL)
        return false;
    jobs->slots = slots;
    jobs->slot_count = 2 * capacity;
    jobs->capacity = capacity;
    index_all(jobs);
    return true;
}

bool lane_jobs_add(struct lane_jobs *jobs, const struct lane_job *job)
{
    struct lane_job *own;

    if ((jobs->count == jobs->capacity && !grow(jobs)) || (own = malloc(sizeof *own)) == NULL)
        return false;
    *own = *job;
    jobs->items[jobs->count++] = own;
    index_job(jobs, own);
    return true;
}

void lane_jobs_withdraw(struct lane_jobs *jobs, double expired_before,
                        void (*let_go)(struct lane_job *job))
{
    struct lane_job *gone = NULL;
    size_t kept = 0;

    for (size_t i = 0; i < jobs->count; i++) {
        struct lane_job *job = jobs->items[i];
        if (job->expires_at > expired_before) {
            jobs->items[kept++] = job;
        } else {
            job->next = gone;
            gone = job;
        }
    }
    jobs->count = kept;
    index_all(jobs);
    while (gone != NULL) {
        struct lane_job *job = gone;
        gone = job->next;
        let_go(job);
        free(job->variants);
        free(job);
    }
}

void lane_jobs_free(struct lane_jobs *jobs)
{
    free(jobs->items);
    free(jobs->slots);
    *jobs = (struct lane_jobs){0};
}
