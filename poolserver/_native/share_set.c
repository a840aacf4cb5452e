/* See share_set.h. */
#include "share_set.h"

#include <stdlib.h>
#include <string.h>

enum {
    FIRST_CAPACITY = 32,
    /* Of a job that lives ten minutes it is 1.7 million shares a second. */
    LAST_CAPACITY = 1 << 30,
};

/* A hash is spread already, but for its last bytes, which are zeros. Who would have many of his in
   one place has to find them: each costs a share's work as many times over as there are places. */
static size_t place_of(const uint8_t *hash_le)
{
    uint64_t head;

    memcpy(&head, hash_le, sizeof head);
    return (size_t)head;
}

/* The slot of the hash, or the empty one where it would be. */
static uint32_t *find_slot(const struct share_set *set, const uint8_t *hash_le)
{
    const size_t mask = set->slot_count - 1; /* a power of two */
    size_t place = place_of(hash_le) & mask;

    while (set->slots[place] != 0 &&
           memcmp(set->hashes[set->slots[place] - 1], hash_le, SHARE_SET_HASH_SIZE) != 0)
        place = (place + 1) & mask;
    return &set->slots[place];
}

/* The slots stay half empty. */
static bool grow_to(struct share_set *set, size_t capacity)
{
    uint8_t (*hashes)[SHARE_SET_HASH_SIZE] = realloc(set->hashes, capacity * sizeof *hashes);

    if (hashes == NULL)
        return false;
    set->hashes = hashes;
    uint32_t *slots = calloc(2 * capacity, sizeof *slots);
    if (slots == NULL)
        return false;
    free(set->slots);
    set->slots = slots;
    set->slot_count = 2 * capacity;
    set->capacity = capacity;
    for (size_t i = 0; i < set->count; i++)
        *find_slot(set, hashes[i]) = (uint32_t)(i + 1);
    return true;
}

bool share_set_reserve(struct share_set *set, size_t more)
{
    size_t capacity = set->capacity == 0 ? FIRST_CAPACITY : set->capacity;

    if (more <= set->capacity - set->count)
        return true;
    if (more > LAST_CAPACITY - set->count)
        return false;
    while (capacity - set->count < more)
        capacity *= 2;
    return grow_to(set, capacity);
}

enum share_set_result share_set_add(struct share_set *set, const uint8_t *hash_le)
{
    uint32_t *slot;

    if (!share_set_reserve(set, 1))
        return SHARE_SET_NO_MEMORY;
    slot = find_slot(set, hash_le);
    if (*slot != 0)
        return SHARE_SET_WAS_THERE;
    memcpy(set->hashes[set->count], hash_le, SHARE_SET_HASH_SIZE);
    *slot = (uint32_t)++set->count;
    return SHARE_SET_ADDED;
}

/* No other's slot was looked for behind it, so it may be empty again. */
void share_set_drop_last(struct share_set *set)
{
    *find_slot(set, set->hashes[set->count - 1]) = 0;
    set->count--;
}

bool share_set_has(const struct share_set *set, const uint8_t *hash_le)
{
    return set->count > 0 && *find_slot(set, hash_le) != 0;
}

void share_set_free(struct share_set *set)
{
    free(set->hashes);
    free(set->slots);
    *set = (struct share_set){0};
}
