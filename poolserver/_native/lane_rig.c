/* See lane_rig.h. */
#include "lane_rig.h"

#include <stdlib.h>
#include <string.h>

/* So many names are compared one by one before a table pays. */
enum { WORKERS_WITHOUT_TABLE = 4 };

/* FNV-1a. Who would make names that fall together has to have each of them authorized. */
static size_t hash_of_name(const char *name, size_t size)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (uint8_t)name[i]) * UINT64_C(0x100000001b3);
    return (size_t)(hash ^ hash >> 32);
}

static bool is_named(const struct lane_worker *worker, const struct text_view *name)
{
    return worker->name_size == name->size && memcmp(worker->name, name->data, name->size) == 0;
}

const struct lane_worker *lane_rig_worker(const struct lane_rig *rig, const struct text_view *name)
{
    const size_t mask = rig->worker_slot_count - 1; /* a power of two */

    if (rig->worker_slots == NULL) {
        for (size_t i = 0; i < rig->worker_count; i++)
            if (is_named(&rig->workers[i], name))
                return &rig->workers[i];
        return NULL;
    }
    size_t place = hash_of_name(name->data, name->size) & mask;
    for (; rig->worker_slots[place] != 0; place = (place + 1) & mask) {
        const struct lane_worker *worker = &rig->workers[rig->worker_slots[place] - 1];
        if (is_named(worker, name))
            return worker;
    }
    return NULL;
}

bool lane_rig_index(struct lane_rig *rig)
{
    size_t slot_count = 2 * WORKERS_WITHOUT_TABLE;

    if (rig->worker_count <= WORKERS_WITHOUT_TABLE)
        return true;
    while (slot_count < 2 * rig->worker_count)
        slot_count *= 2;
    rig->worker_slots = calloc(slot_count, sizeof *rig->worker_slots);
    if (rig->worker_slots == NULL)
        return false;
    rig->worker_slot_count = slot_count;
    for (size_t i = 0; i < rig->worker_count; i++) {
        const struct lane_worker *worker = &rig->workers[i];
        size_t place = hash_of_name(worker->name, worker->name_size) & (slot_count - 1);
        while (rig->worker_slots[place] != 0)
            place = (place + 1) & (slot_count - 1);
        rig->worker_slots[place] = (uint32_t)(i + 1);
    }
    return true;
}

void lane_rig_free(struct lane_rig *rig)
{
    for (size_t i = 0; i < rig->worker_count; i++)
        free(rig->workers[i].name);
    free(rig->workers);
    free(rig->worker_slots);
    free(rig->terms);
    *rig = (struct lane_rig){.owner = rig->owner};
}

const struct lane_terms *lane_rig_terms(const struct lane_rig *rig, uint64_t job_number)
{
    for (size_t i = rig->terms_count; i-- > 0;)
        if (rig->terms[i].first_job <= job_number)
            return &rig->terms[i];
    return NULL;
}
