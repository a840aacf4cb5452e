/* SHA-256's compression by the ARMv8 cryptography extension. */
#include "sha256_backend.h"

#ifdef HAVE_ARMV8
#include <arm_neon.h>
#include <asm/hwcap.h>
#include <sys/auxv.h>

#ifdef __clang__
#define TARGET_ARMV8 /* all is compiled for such a CPU, or this file would be empty */
#else
#define TARGET_ARMV8 __attribute__((target("+crypto")))
#endif

struct armv8_lane {
    uint32x4_t abcd, efgh;
    uint32x4_t w[4]; /* the schedule's last 16 words */
};

TARGET_ARMV8 static inline void armv8_start(struct armv8_lane *lane, const uint32_t state[8])
{
    lane->abcd = vld1q_u32(state);
    lane->efgh = vld1q_u32(state + 4);
}

/* Rounds 4 * i to 4 * i + 3. */
TARGET_ARMV8 static inline void armv8_step(struct armv8_lane *lane, int i, const uint8_t *block,
                                             enum block_form form)
{
    uint32x4_t *w = lane->w, words;

    if (i < 4 && form == BYTES)
        words = vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(block + 16 * i)));
    else if (i < 4)
        words = vreinterpretq_u32_u8(vld1q_u8(block + 16 * i)); /* little-endian, as all is here */
    else
        words = vsha256su1q_u32(vsha256su0q_u32(w[i & 3], w[(i + 1) & 3]), w[(i + 2) & 3],
                                w[(i + 3) & 3]);
    w[i & 3] = words;

    uint32x4_t kw = vaddq_u32(words, vld1q_u32(SHA256_K + 4 * i)), abcd = lane->abcd;
    lane->abcd = vsha256hq_u32(abcd, lane->efgh, kw);
    lane->efgh = vsha256h2q_u32(lane->efgh, abcd, kw);
}

TARGET_ARMV8 static inline void armv8_finish(const struct armv8_lane *lane, uint32_t state[8])
{
    vst1q_u32(state, vaddq_u32(lane->abcd, vld1q_u32(state)));
    vst1q_u32(state + 4, vaddq_u32(lane->efgh, vld1q_u32(state + 4)));
}

TARGET_ARMV8 static inline void armv8_one(uint32_t *state, const void *block, enum block_form form)
{
    struct armv8_lane lane;

    armv8_start(&lane, state);
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++)
        armv8_step(&lane, i, block, form);
    armv8_finish(&lane, state);
}

TARGET_ARMV8 static inline void armv8_two(uint32_t *states, const void *blocks,
                                          enum block_form form)
{
    const uint8_t *first = blocks, *second = first + SHA256_BLOCK_SIZE;
    struct armv8_lane a, b;

    armv8_start(&a, states);
    armv8_start(&b, states + STATE_WORDS);
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) {
        armv8_step(&a, i, first, form);
        armv8_step(&b, i, second, form);
    }
    armv8_finish(&a, states);
    armv8_finish(&b, states + STATE_WORDS);
}

TARGET_ARMV8 static void armv8_compress1(uint32_t *state, const uint8_t *block)
{
    armv8_one(state, block, BYTES);
}

TARGET_ARMV8 static void armv8_compress2(uint32_t *states, const uint8_t *blocks)
{
    armv8_two(states, blocks, BYTES);
}

TARGET_ARMV8 static void armv8_compress_words1(uint32_t *state, const uint32_t *block)
{
    armv8_one(state, block, WORDS);
}

TARGET_ARMV8 static void armv8_compress_words2(uint32_t *states, const uint32_t *blocks)
{
    armv8_two(states, blocks, WORDS);
}

static bool armv8_usable(void)
{
    return (getauxval(AT_HWCAP) & HWCAP_SHA2) != 0;
}

const struct sha256_backend sha256_armv8 = {
    "armv8", armv8_usable, {armv8_compress1, armv8_compress2},
    {armv8_compress_words1, armv8_compress_words2},
};

#endif
