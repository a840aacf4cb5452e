/* SHA-256's compression in plain C. */
#include "sha256_backend.h"
#include "word_bytes.h"

static uint32_t rotate_right(uint32_t word, int bits)
{
    return word >> bits | word << (32 - bits);
}

static uint32_t next_word(const uint32_t w[16], int round)
{
    uint32_t w2 = w[(round - 2) & 15], w15 = w[(round - 15) & 15];
    uint32_t s0 = rotate_right(w15, 7) ^ rotate_right(w15, 18) ^ w15 >> 3;
    uint32_t s1 = rotate_right(w2, 17) ^ rotate_right(w2, 19) ^ w2 >> 10;
    return w[round & 15] + s0 + w[(round - 7) & 15] + s1;
}

static inline void portable_rounds(uint32_t *state, const void *block, enum block_form form)
{
    const uint8_t *bytes = block;
    const uint32_t *words = block;
    uint32_t w[16]; /* the schedule's last 16 words, a ring */
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];

#pragma GCC unroll 64
    for (int round = 0; round < 64; round++) {
        if (round >= 16)
            w[round & 15] = next_word(w, round);
        else
            w[round] = form == WORDS ? words[round] : load_be32(bytes + 4 * round);
        uint32_t s1 = rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25);
        uint32_t s0 = rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22);
        uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + SHA256_K[round] + w[round & 15];
        uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
        h = g, g = f, f = e, e = d + t1;
        d = c, c = b, b = a, a = t1 + t2;
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d;
    state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

static void portable_compress1(uint32_t *state, const uint8_t *block)
{
    portable_rounds(state, block, BYTES);
}

static void portable_compress2(uint32_t *states, const uint8_t *blocks)
{
    portable_compress1(states, blocks);
    portable_compress1(states + STATE_WORDS, blocks + SHA256_BLOCK_SIZE);
}

static void portable_compress_words1(uint32_t *state, const uint32_t *block)
{
    portable_rounds(state, block, WORDS);
}

static void portable_compress_words2(uint32_t *states, const uint32_t *blocks)
{
    portable_compress_words1(states, blocks);
    portable_compress_words1(states + STATE_WORDS, blocks + BLOCK_WORDS);
}

static bool portable_usable(void)
{
    return true;
}

const struct sha256_backend sha256_portable = {
    "portable", portable_usable, {portable_compress1, portable_compress2},
    {portable_compress_words1, portable_compress_words2},
};
