/*
 * What a backend is: SHA-256's compression by one kind of processor. For the backends, each in a file
 * of its own, and for those who hash with the one in use (sha256_states.h).
 */
#ifndef POOLSERVER_SHA256_BACKEND_H
#define POOLSERVER_SHA256_BACKEND_H

#include <stdatomic.h>

#include "sha256d.h"

/* Blocks that do not depend on each other may be hashed two at a time, each in its lane. */
enum { LANES_MAX = 2 };

enum { STATE_WORDS = SHA256_DIGEST_WORDS, BLOCK_WORDS = SHA256_BLOCK_SIZE / 4 };

/* A block comes as bytes, or as the words that SHA-256 makes of them. A digest that is hashed again
   stays words: bytes stored one word at a time and at once read 16 together cost as much as half a
   block (the store cannot be forwarded to the load). */
enum block_form { BYTES, WORDS };

struct sha256_backend {
    const char *name;
    bool (*usable)(void); /* by this CPU */
    /* By the number of lanes, less one. States have 8 words, blocks 64 bytes, lane after lane. */
    void (*compress[LANES_MAX])(uint32_t *states, const uint8_t *blocks);
    void (*compress_words[LANES_MAX])(uint32_t *states, const uint32_t *blocks);
};

/*
 * Those of vector instructions have one shape: four rounds per step, sixteen steps, for one lane or
 * two. A lone lane mostly waits for the latency of the round instruction; a second, independent one
 * fills the gaps. An attribute compiles their functions, and no others, for CPUs that have these
 * instructions: the extension module runs everywhere and asks the CPU at run time.
 */
#if defined(__x86_64__)
#define HAVE_SHA_NI 1
extern const struct sha256_backend sha256_sha_ni;
#elif defined(__AARCH64EL__) && defined(__linux__) && \
    (!defined(__clang__) || defined(__ARM_FEATURE_SHA2)) /* clang: with -march=armv8-a+crypto */
#define HAVE_ARMV8 1
extern const struct sha256_backend sha256_armv8;
#endif
extern const struct sha256_backend sha256_portable;

/* The one in use. Atomic: a scan reads it without Python's lock. */
extern _Atomic(const struct sha256_backend *) sha256_active;

/* FIPS 180-4, 4.2.2. Aligned for the vector units. */
static const _Alignas(16) uint32_t SHA256_K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

#endif
