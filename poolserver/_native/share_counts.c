/* See share_counts.h. */
#include "share_counts.h"

#include <string.h>

bool is_lower_hash(const uint8_t *hash_le, const uint8_t *other_le)
{
    for (int i = SHARE_HASH_SIZE - 1; i >= 0; i--)
        if (hash_le[i] != other_le[i])
            return hash_le[i] < other_le[i];
    return false;
}

bool share_counts_add(struct share_counts *counts, const struct share_counts *other)
{
    struct share_counts sum = *counts;

    for (int i = 0; i < SHARE_OUTCOMES; i++)
        if (__builtin_add_overflow(counts->shares[i], other->shares[i], &sum.shares[i]))
            return false;
    if (other->has_best &&
        (!sum.has_best || is_lower_hash(other->best_hash_le, sum.best_hash_le))) {
        sum.has_best = true;
        memcpy(sum.best_hash_le, other->best_hash_le, SHARE_HASH_SIZE);
    }
    if (other->has_first && (!sum.has_first || other->first_ms < sum.first_ms)) {
        sum.has_first = true;
        sum.first_ms = other->first_ms;
    }
    if (other->has_last && (!sum.has_last || other->last_ms > sum.last_ms)) {
        sum.has_last = true;
        sum.last_ms = other->last_ms;
    }
    *counts = sum;
    return true;
}

bool share_counts_equal(const struct share_counts *one, const struct share_counts *other)
{
    return memcmp(one->shares, other->shares, sizeof one->shares) == 0 &&
           memcmp(one->best_hash_le, other->best_hash_le, SHARE_HASH_SIZE) == 0 &&
           one->first_ms == other->first_ms && one->last_ms == other->last_ms &&
           one->has_best == other->has_best && one->has_first == other->has_first &&
           one->has_last == other->has_last;
}

int64_t share_counts_judged(const struct share_counts *counts)
{
    int64_t judged = 0;

    for (int i = 0; i < SHARE_OUTCOMES; i++)
        judged = (int64_t)((uint64_t)judged + (uint64_t)counts->shares[i]);
    return judged;
}

/* The nearest double. The first eight bytes from the highest one on have 57 bits at least, where a
   double has 53: of all below only matters whether it is 0, since its bit tips a tie. */
static double hash_as_double(const uint8_t *hash_le)
{
    int first = SHARE_HASH_SIZE - 1, below;
    uint64_t top = 0;
    double value;

    while (first > 7 && hash_le[first] == 0)
        first--;
    below = first - 8;
    for (int i = first; i > below; i--)
        top = top << 8 | hash_le[i];
    for (int i = below; i >= 0; i--)
        top |= hash_le[i] != 0;
    value = (double)top;
    for (int i = below; i >= 0; i--)
        value *= 256.0; /* exact */
    return value;
}

/* The target of difficulty 1 is 0xffff * 2^208, which a double holds. */
#define DIFFICULTY_1_TARGET (65535.0 * 0x1p208)

double share_counts_best_difficulty(const struct share_counts *counts)
{
    double best;

    if (!counts->has_best)
        return 0.0;
    best = hash_as_double(counts->best_hash_le);
    return DIFFICULTY_1_TARGET / (best < 1.0 ? 1.0 : best);
}
