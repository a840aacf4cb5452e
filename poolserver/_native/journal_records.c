/* See journal_records.h. */
#include "journal_records.h"

#include "share_counts.h"

#include <stdlib.h>
#include <string.h>

/* ---- Bytes ----------------------------------------------------------------------------------- */

static uint64_t load_le(const uint8_t *from, size_t size)
{
    uint64_t value = 0;

    for (size_t i = size; i-- > 0;)
        value = value << 8 | from[i];
    return value;
}

/* Of fixed sizes, which compilers know for one load or store. */
static uint32_t load_le32(const uint8_t *from)
{
    return (uint32_t)load_le(from, 4);
}

static uint64_t load_le64(const uint8_t *from)
{
    return load_le(from, 8);
}

static void store_le(uint8_t *to, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        to[i] = (uint8_t)(value >> 8 * i);
}

/* ---- The checksum ---------------------------------------------------------------------------- */

#define CRC32_POLYNOMIAL UINT32_C(0xedb88320)

/* crc_tables[n][byte]: what a byte does to the checksum when n more bytes follow. With eight of them
   eight bytes are taken in one step (Kounavis and Berry, 2005); a share's 81 take 30 ns. */
enum { CRC_STEP = 8 };
static uint32_t crc_tables[CRC_STEP][256];

void journal_init(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? CRC32_POLYNOMIAL : 0);
        crc_tables[0][byte] = crc;
    }
    for (size_t n = 1; n < CRC_STEP; n++)
        for (size_t byte = 0; byte < 256; byte++) {
            uint32_t before = crc_tables[n - 1][byte];
            crc_tables[n][byte] = before >> 8 ^ crc_tables[0][before & 0xff];
        }
}

uint32_t journal_crc32(const uint8_t *data, size_t size)
{
    uint32_t crc = UINT32_MAX;

    for (; size >= CRC_STEP; data += CRC_STEP, size -= CRC_STEP) {
        uint32_t low = crc ^ load_le32(data), high = load_le32(data + 4);
        crc = crc_tables[7][low & 0xff] ^ crc_tables[6][low >> 8 & 0xff] ^
              crc_tables[5][low >> 16 & 0xff] ^ crc_tables[4][low >> 24] ^
              crc_tables[3][high & 0xff] ^ crc_tables[2][high >> 8 & 0xff] ^
              crc_tables[1][high >> 16 & 0xff] ^ crc_tables[0][high >> 24];
    }
    for (; size > 0; data++, size--)
        crc = crc >> 8 ^ crc_tables[0][(crc ^ *data) & 0xff];
    return ~crc;
}

/* ---- A record -------------------------------------------------------------------------------- */

enum {
    KIND_SHARE = 2,
    KIND_LAST = 6,
    /* The frame. */
    AT_LENGTH = 4,
    AT_KIND = 6,
    AT_SEQUENCE = 7,
    FRAME_SIZE = 15,
    /* A share's payload. */
    AT_WORKER_REF = 15,
    AT_OUTCOME = 19,
    AT_PROVEN = 20,
    AT_JOB_NUMBER = 21,
    AT_UNIX_MS = 29,
    AT_WORK_LOW = 37,
    AT_WORK_HIGH = 45,
    AT_HASH = 53,
};

void pack_share_record(uint8_t *to, const struct share_record *share)
{
    store_le(to + AT_LENGTH, SHARE_RECORD_SIZE - FRAME_SIZE, 2);
    to[AT_KIND] = KIND_SHARE;
    store_le(to + AT_SEQUENCE, share->sequence, 8);
    store_le(to + AT_WORKER_REF, share->worker_ref, 4);
    to[AT_OUTCOME] = share->outcome;
    to[AT_PROVEN] = share->proven;
    store_le(to + AT_JOB_NUMBER, share->job_number, 8);
    store_le(to + AT_UNIX_MS, share->unix_ms, 8);
    store_le(to + AT_WORK_LOW, share->work_low, 8);
    store_le(to + AT_WORK_HIGH, share->work_high, 8);
    memcpy(to + AT_HASH, share->hash_le, SHARE_HASH_SIZE);
    store_le(to, journal_crc32(to + AT_LENGTH, SHARE_RECORD_SIZE - AT_LENGTH), 4);
}

/* The size of the whole record that the walk has come to, 0 if there is none. */
static size_t whole_record(const struct record_walk *walk)
{
    const uint8_t *record = walk->records + walk->offset;
    size_t left = walk->size - walk->offset, size;

    if (left < FRAME_SIZE)
        return 0;
    size = FRAME_SIZE + (size_t)load_le(record + AT_LENGTH, 2);
    if (size > left || record[AT_KIND] == 0 || record[AT_KIND] > KIND_LAST ||
        load_le64(record + AT_SEQUENCE) != walk->sequence ||
        journal_crc32(record + AT_LENGTH, size - AT_LENGTH) != load_le32(record))
        return 0;
    return size;
}

void skip_whole_records(struct record_walk *walk, size_t enough)
{
    const size_t begin = walk->offset;
    size_t size;

    while (walk->offset - begin < enough && (size = whole_record(walk)) != 0) {
        walk->offset += size;
        walk->sequence++;
    }
}

/* ---- Sums of shares -------------------------------------------------------------------------- */

/* What a sum is of. */
struct sum_key {
    uint64_t interval_ms, work_low, work_high;
    uint32_t worker_ref;
    bool proven;
};

static bool is_sum_of(const struct share_sum *sum, const struct sum_key *key)
{
    return sum->worker_ref == key->worker_ref && sum->interval_ms == key->interval_ms &&
           sum->work_low == key->work_low && sum->work_high == key->work_high &&
           sum->proven == key->proven;
}

/* Nobody outside chooses these numbers freely, so a plain mix will do. */
static size_t hash_of(const struct sum_key *key)
{
    uint64_t mix = key->worker_ref + ((uint64_t)key->proven << 32);

    mix = (mix ^ key->interval_ms) * UINT64_C(0x9e3779b97f4a7c15);
    mix = (mix ^ mix >> 29 ^ key->work_low) * UINT64_C(0xbf58476d1ce4e5b9);
    mix = (mix ^ mix >> 32 ^ key->work_high) * UINT64_C(0x94d049bb133111eb);
    return (size_t)(mix ^ mix >> 31);
}

static struct sum_key key_of(const struct share_sum *sum)
{
    return (struct sum_key){sum->interval_ms, sum->work_low, sum->work_high, sum->worker_ref,
                            sum->proven};
}

/* The slot of the sum, or the empty one where it would be. */
static uint32_t *find_slot(const struct share_sums *sums, const struct sum_key *key)
{
    const size_t mask = sums->slot_count - 1; /* a power of two */
    size_t place = hash_of(key) & mask;

    while (sums->slots[place] != 0 && !is_sum_of(&sums->items[sums->slots[place] - 1], key))
        place = (place + 1) & mask;
    return &sums->slots[place];
}

enum { FIRST_CAPACITY = 64 };

/* Makes room for twice as many sums; the slots stay half empty. */
static bool grow(struct share_sums *sums)
{
    const size_t capacity = sums->capacity == 0 ? FIRST_CAPACITY : 2 * sums->capacity;
    struct share_sum *items = realloc(sums->items, capacity * sizeof *items);

    if (items == NULL)
        return false;
    sums->items = items;
    uint32_t *slots = calloc(2 * capacity, sizeof *slots);
    if (slots == NULL)
        return false;
    free(sums->slots);
    sums->slots = slots;
    sums->slot_count = 2 * capacity;
    sums->capacity = capacity;
    for (size_t i = 0; i < sums->count; i++) {
        const struct sum_key key = key_of(&items[i]);
        *find_slot(sums, &key) = (uint32_t)(i + 1);
    }
    return true;
}

/* The sum that the key is of, new if need be; NULL if there is not enough memory. */
static struct share_sum *sum_of(struct share_sums *sums, const struct sum_key *key,
                                uint64_t unix_ms)
{
    if (sums->count == sums->capacity && !grow(sums))
        return NULL;
    uint32_t *slot = find_slot(sums, key);
    if (*slot == 0) {
        sums->items[sums->count] = (struct share_sum){
            .interval_ms = key->interval_ms,
            .work_low = key->work_low,
            .work_high = key->work_high,
            .worker_ref = key->worker_ref,
            .proven = key->proven,
            .first_ms = unix_ms,
            .last_ms = unix_ms,
        };
        *slot = (uint32_t)++sums->count;
    }
    return &sums->items[*slot - 1];
}

static void add_share(struct share_sum *sum, const uint8_t *record, uint64_t unix_ms)
{
    const uint8_t outcome = record[AT_OUTCOME], *hash_le = record + AT_HASH;

    sum->outcomes[outcome]++;
    if (unix_ms < sum->first_ms)
        sum->first_ms = unix_ms;
    if (unix_ms > sum->last_ms)
        sum->last_ms = unix_ms;
    if (sum->proven && outcome == OUTCOME_ACCEPTED &&
        (!sum->has_best || is_lower_hash(hash_le, sum->best_hash_le))) {
        sum->has_best = true;
        memcpy(sum->best_hash_le, hash_le, SHARE_HASH_SIZE);
    }
}

static bool is_good_share(const struct record_walk *walk, const uint8_t *record)
{
    return walk->size - walk->offset >= SHARE_RECORD_SIZE && record[AT_KIND] == KIND_SHARE &&
           load_le(record + AT_LENGTH, 2) == SHARE_RECORD_SIZE - FRAME_SIZE &&
           record[AT_OUTCOME] < SHARE_OUTCOMES &&
           load_le64(record + AT_UNIX_MS) <= INT64_MAX && whole_record(walk) != 0;
}

bool add_up_shares(struct record_walk *walk, struct share_booking booking, struct share_sums *sums)
{
    uint64_t begin_ms = 0, since_ms; /* of the last share's interval: a division saved */
    const uint8_t *record;

    for (; is_good_share(walk, record = walk->records + walk->offset);
         walk->offset += SHARE_RECORD_SIZE, walk->sequence++) {
        const uint64_t unix_ms = load_le64(record + AT_UNIX_MS);
        since_ms = unix_ms - begin_ms;
        if (unix_ms < begin_ms || since_ms >= booking.interval_ms)
            begin_ms = unix_ms - unix_ms % booking.interval_ms;
        const struct sum_key key = {
            begin_ms > booking.open_from_ms ? begin_ms : booking.open_from_ms,
            load_le64(record + AT_WORK_LOW),
            load_le64(record + AT_WORK_HIGH),
            load_le32(record + AT_WORKER_REF),
            record[AT_PROVEN] != 0,
        };
        struct share_sum *sum = sum_of(sums, &key, unix_ms);
        if (sum == NULL)
            return false;
        add_share(sum, record, unix_ms);
    }
    return true;
}

void free_share_sums(struct share_sums *sums)
{
    free(sums->items);
    free(sums->slots);
    *sums = (struct share_sums){0};
}
