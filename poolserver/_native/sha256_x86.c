/* SHA-256's compression by the x86 SHA extensions. */
#include "sha256_backend.h"

#ifdef HAVE_SHA_NI
#include <cpuid.h>
#include <immintrin.h>

#define TARGET_SHA_NI __attribute__((target("sha,sse4.1")))

/* The instructions want the state as (a, b, e, f) and (c, d, g, h), high word first. */
TARGET_SHA_NI static inline void sha_ni_load(__m128i *abef, __m128i *cdgh, const uint32_t state[8])
{
    __m128i cdab = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)state), 0xB1);
    __m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(state + 4)), 0x1B);
    *abef = _mm_alignr_epi8(cdab, efgh, 8);
    *cdgh = _mm_blend_epi16(efgh, cdab, 0xF0);
}

TARGET_SHA_NI static inline void sha_ni_store(uint32_t state[8], __m128i abef, __m128i cdgh)
{
    __m128i feba = _mm_shuffle_epi32(abef, 0x1B);
    __m128i dchg = _mm_shuffle_epi32(cdgh, 0xB1);
    _mm_storeu_si128((__m128i *)state, _mm_blend_epi16(feba, dchg, 0xF0));
    _mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

/* W[t..t+3] of the schedule out of the sixteen words before them. */
TARGET_SHA_NI static inline __m128i sha_ni_schedule(__m128i w0, __m128i w1, __m128i w2, __m128i w3)
{
    __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8(w3, w2, 4));
    return _mm_sha256msg2_epu32(sum, w3);
}

struct sha_ni_lane {
    __m128i abef, cdgh;
    __m128i w[4]; /* the schedule's last 16 words */
};

/* Rounds 4 * i to 4 * i + 3. */
TARGET_SHA_NI static inline void sha_ni_step(struct sha_ni_lane *lane, int i, const uint8_t *block,
                                               enum block_form form)
{
    const __m128i big_endian = _mm_set_epi64x(0x0C0D0E0F08090A0B, 0x0405060700010203);
    __m128i *w = lane->w, words;

    if (i < 4)
        words = _mm_loadu_si128((const __m128i *)(block + 16 * i));
    else
        words = sha_ni_schedule(w[i & 3], w[(i + 1) & 3], w[(i + 2) & 3], w[(i + 3) & 3]);
    if (i < 4 && form == BYTES)
        words = _mm_shuffle_epi8(words, big_endian);
    w[i & 3] = words;

    __m128i kw = _mm_add_epi32(words, _mm_load_si128((const __m128i *)(SHA256_K + 4 * i)));
    lane->cdgh = _mm_sha256rnds2_epu32(lane->cdgh, lane->abef, kw);
    lane->abef = _mm_sha256rnds2_epu32(lane->abef, lane->cdgh, _mm_shuffle_epi32(kw, 0x0E));
}

TARGET_SHA_NI static inline void sha_ni_finish(const struct sha_ni_lane *lane, uint32_t state[8])
{
    __m128i abef, cdgh;

    sha_ni_load(&abef, &cdgh, state);
    sha_ni_store(state, _mm_add_epi32(lane->abef, abef), _mm_add_epi32(lane->cdgh, cdgh));
}

TARGET_SHA_NI static inline void sha_ni_one(uint32_t *state, const void *block,
                                            enum block_form form)
{
    struct sha_ni_lane lane;

    sha_ni_load(&lane.abef, &lane.cdgh, state);
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++)
        sha_ni_step(&lane, i, block, form);
    sha_ni_finish(&lane, state);
}

TARGET_SHA_NI static inline void sha_ni_two(uint32_t *states, const void *blocks,
                                            enum block_form form)
{
    const uint8_t *first = blocks, *second = first + SHA256_BLOCK_SIZE;
    struct sha_ni_lane a, b;

    sha_ni_load(&a.abef, &a.cdgh, states);
    sha_ni_load(&b.abef, &b.cdgh, states + STATE_WORDS);
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) {
        sha_ni_step(&a, i, first, form);
        sha_ni_step(&b, i, second, form);
    }
    sha_ni_finish(&a, states);
    sha_ni_finish(&b, states + STATE_WORDS);
}

TARGET_SHA_NI static void sha_ni_compress1(uint32_t *state, const uint8_t *block)
{
    sha_ni_one(state, block, BYTES);
}

TARGET_SHA_NI static void sha_ni_compress2(uint32_t *states, const uint8_t *blocks)
{
    sha_ni_two(states, blocks, BYTES);
}

TARGET_SHA_NI static void sha_ni_compress_words1(uint32_t *state, const uint32_t *block)
{
    sha_ni_one(state, block, WORDS);
}

TARGET_SHA_NI static void sha_ni_compress_words2(uint32_t *states, const uint32_t *blocks)
{
    sha_ni_two(states, blocks, WORDS);
}

static bool sha_ni_usable(void)
{
    unsigned eax, ebx, ecx, edx;
    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & bit_SSSE3) || !(ecx & bit_SSE4_1))
        return false;
    return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (ebx & bit_SHA);
}

const struct sha256_backend sha256_sha_ni = {
    "sha-ni", sha_ni_usable, {sha_ni_compress1, sha_ni_compress2},
    {sha_ni_compress_words1, sha_ni_compress_words2},
};

#endif
