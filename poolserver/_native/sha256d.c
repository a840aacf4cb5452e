#include "sha256d.h"

#include <stdatomic.h>
#include <string.h>

/* FIPS 180-4, 4.2.2. Aligned for the vector units. */
static const _Alignas(16) uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

/* FIPS 180-4, 5.3.3. */
static const uint32_t INITIAL_STATE[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

/* Blocks that do not depend on each other may be hashed two at a time, each in its lane. */
enum { LANES_MAX = 2 };

/* ---- Words and bytes ------------------------------------------------------------------------- */

static uint32_t load_be32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static uint32_t load_le32(const uint8_t *bytes)
{
    return (uint32_t)bytes[3] << 24 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[1] << 8 | bytes[0];
}

static void store_be32(uint8_t *bytes, uint32_t word)
{
    bytes[0] = (uint8_t)(word >> 24);
    bytes[1] = (uint8_t)(word >> 16);
    bytes[2] = (uint8_t)(word >> 8);
    bytes[3] = (uint8_t)word;
}

static void store_le32(uint8_t *bytes, uint32_t word)
{
    bytes[0] = (uint8_t)word;
    bytes[1] = (uint8_t)(word >> 8);
    bytes[2] = (uint8_t)(word >> 16);
    bytes[3] = (uint8_t)(word >> 24);
}

static void store_digest(uint8_t digest[SHA256_DIGEST_SIZE], const uint32_t state[8])
{
    for (int i = 0; i < 8; i++)
        store_be32(digest + 4 * i, state[i]);
}

/* ---- Backend: portable C --------------------------------------------------------------------- */

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

static void portable_compress1(uint32_t *state, const uint8_t *block)
{
    uint32_t w[16]; /* the schedule's last 16 words, a ring */
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];

#pragma GCC unroll 64
    for (int round = 0; round < 64; round++) {
        w[round & 15] = round < 16 ? load_be32(block + 4 * round) : next_word(w, round);
        uint32_t s1 = rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25);
        uint32_t s0 = rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22);
        uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + K[round] + w[round & 15];
        uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
        h = g, g = f, f = e, e = d + t1;
        d = c, c = b, b = a, a = t1 + t2;
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d;
    state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

static void portable_compress2(uint32_t *states, const uint8_t *blocks)
{
    portable_compress1(states, blocks);
    portable_compress1(states + 8, blocks + SHA256_BLOCK_SIZE);
}

static bool portable_usable(void)
{
    return true;
}

/* ---- Backends: vector instructions ----------------------------------------------------------- */

/*
 * Both have one shape: four rounds per step, sixteen steps, for one lane or two. A lone lane mostly
 * waits for the latency of the round instruction; a second, independent one fills the gaps.
 */
#if defined(__x86_64__)
#include "sha256_x86.h"
#elif defined(__AARCH64EL__) && defined(__linux__) && \
    (!defined(__clang__) || defined(__ARM_FEATURE_SHA2)) /* clang: with -march=armv8-a+crypto */
#include "sha256_armv8.h"
#endif

/* ---- Choice of backend ----------------------------------------------------------------------- */

struct backend {
    const char *name;
    bool (*usable)(void);
    /* By the number of lanes, less one. States have 8 words, blocks 64 bytes, lane after lane. */
    void (*compress[LANES_MAX])(uint32_t *states, const uint8_t *blocks);
};

static const struct backend BACKENDS[] = {
#ifdef HAVE_SHA_NI
    {"sha-ni", sha_ni_usable, {sha_ni_compress1, sha_ni_compress2}},
#endif
#ifdef HAVE_ARMV8
    {"armv8", armv8_usable, {armv8_compress1, armv8_compress2}},
#endif
    {"portable", portable_usable, {portable_compress1, portable_compress2}},
};

enum { BACKEND_COUNT = sizeof BACKENDS / sizeof BACKENDS[0] };

/* Atomic: a scan reads it without Python's lock. */
static _Atomic(const struct backend *) active = &BACKENDS[BACKEND_COUNT - 1];

static const struct backend *active_backend(void)
{
    return atomic_load_explicit(&active, memory_order_relaxed);
}

const char *sha256_backend_name(size_t index)
{
    for (size_t i = 0; i < BACKEND_COUNT; i++) {
        if (BACKENDS[i].usable() && index-- == 0)
            return BACKENDS[i].name;
    }
    return NULL;
}

const char *sha256_backend(void)
{
    return active_backend()->name;
}

bool sha256_set_backend(const char *name)
{
    for (size_t i = 0; i < BACKEND_COUNT; i++) {
        if (strcmp(BACKENDS[i].name, name) == 0 && BACKENDS[i].usable()) {
            atomic_store_explicit(&active, &BACKENDS[i], memory_order_relaxed);
            return true;
        }
    }
    return false;
}

/* ---- Hashing --------------------------------------------------------------------------------- */

static void compress(uint32_t *states, const uint8_t *blocks, int lanes)
{
    active_backend()->compress[lanes - 1](states, blocks);
}

static void init_states(uint32_t *states, int lanes)
{
    for (int lane = 0; lane < lanes; lane++)
        memcpy(states + 8 * lane, INITIAL_STATE, sizeof INITIAL_STATE);
}

/* Fills a message's last block, `used` bytes of which are taken, up to the length at its end. */
static void pad_block(uint8_t block[SHA256_BLOCK_SIZE], size_t used, uint64_t message_size)
{
    memset(block + used, 0, SHA256_BLOCK_SIZE - used);
    store_be32(block + 56, (uint32_t)(message_size >> 29));
    store_be32(block + 60, (uint32_t)(message_size << 3));
}

/* The second SHA-256: over the digest of the first, which each lane's state holds. */
static void hash_again(const uint32_t *states, int lanes, uint8_t *digests)
{
    uint32_t again[8 * LANES_MAX];
    uint8_t blocks[SHA256_BLOCK_SIZE * LANES_MAX];

    for (int lane = 0; lane < lanes; lane++) {
        uint8_t *block = blocks + SHA256_BLOCK_SIZE * lane;
        store_digest(block, states + 8 * lane);
        block[SHA256_DIGEST_SIZE] = 0x80;
        pad_block(block, SHA256_DIGEST_SIZE + 1, SHA256_DIGEST_SIZE);
    }
    init_states(again, lanes);
    compress(again, blocks, lanes);
    for (int lane = 0; lane < lanes; lane++)
        store_digest(digests + SHA256_DIGEST_SIZE * lane, again + 8 * lane);
}

void sha256_stream_init(struct sha256_stream *stream)
{
    init_states(stream->state, 1);
    stream->size = 0;
}

void sha256_stream_update(struct sha256_stream *stream, const uint8_t *data, size_t size)
{
    size_t used = (size_t)(stream->size % SHA256_BLOCK_SIZE);

    if (size == 0)
        return; /* `data` may be NULL then, which memcpy does not take */
    stream->size += size;
    if (used > 0) {
        size_t room = SHA256_BLOCK_SIZE - used;
        size_t taken = size < room ? size : room;
        memcpy(stream->tail + used, data, taken);
        if (taken < room)
            return;
        compress(stream->state, stream->tail, 1);
        data += taken;
        size -= taken;
    }
    for (; size >= SHA256_BLOCK_SIZE; size -= SHA256_BLOCK_SIZE, data += SHA256_BLOCK_SIZE)
        compress(stream->state, data, 1);
    memcpy(stream->tail, data, size);
}

void sha256d_stream_final(struct sha256_stream *stream, uint8_t digest[SHA256_DIGEST_SIZE])
{
    size_t used = (size_t)(stream->size % SHA256_BLOCK_SIZE);

    stream->tail[used++] = 0x80;
    if (used > SHA256_BLOCK_SIZE - 8) { /* no room for the length: one more block */
        memset(stream->tail + used, 0, SHA256_BLOCK_SIZE - used);
        compress(stream->state, stream->tail, 1);
        used = 0;
    }
    pad_block(stream->tail, used, stream->size);
    compress(stream->state, stream->tail, 1);
    hash_again(stream->state, 1, digest);
}

void sha256d(const uint8_t *data, size_t size, uint8_t digest[SHA256_DIGEST_SIZE])
{
    struct sha256_stream stream;

    sha256_stream_init(&stream);
    sha256_stream_update(&stream, data, size);
    sha256d_stream_final(&stream, digest);
}

/* The second block of each 64-byte message, once per lane. */
static const uint8_t PAIR_PADDING[SHA256_BLOCK_SIZE * LANES_MAX] = {
    [0] = 0x80, [62] = 0x02, [64] = 0x80, [126] = 0x02, /* 64 bytes are 0x0200 bits */
};

static void sha256d_pair(const uint8_t *pairs, int lanes, uint8_t *digests)
{
    uint32_t states[8 * LANES_MAX];

    init_states(states, lanes);
    compress(states, pairs, lanes);
    compress(states, PAIR_PADDING, lanes);
    hash_again(states, lanes, digests);
}

void sha256d_pairs(const uint8_t *pairs, size_t count, uint8_t *digests)
{
    while (count > 0) {
        int lanes = count >= 2 ? 2 : 1;
        sha256d_pair(pairs, lanes, digests);
        pairs += SHA256_BLOCK_SIZE * lanes;
        digests += SHA256_DIGEST_SIZE * lanes;
        count -= (size_t)lanes;
    }
}

/* ---- Shares ---------------------------------------------------------------------------------- */

/* The merkle root over the coinbase's txid, by the hashes beside its path. */
static void fold_branch(const struct share_job *job, const uint8_t txid_le[SHA256_DIGEST_SIZE],
                        uint8_t root_le[SHA256_DIGEST_SIZE])
{
    uint8_t pair[2 * SHA256_DIGEST_SIZE];

    memcpy(pair, txid_le, SHA256_DIGEST_SIZE);
    for (size_t i = 0; i < job->branch_count; i++) {
        memcpy(pair + SHA256_DIGEST_SIZE, job->branch[i], SHA256_DIGEST_SIZE);
        sha256d_pair(pair, 1, pair);
    }
    memcpy(root_le, pair, SHA256_DIGEST_SIZE);
}

void share_hash(const struct share_job *job, const struct share *share,
                uint8_t hash_le[SHA256_DIGEST_SIZE])
{
    struct sha256_stream coinbase = job->after_coinb1;
    uint8_t txid_le[SHA256_DIGEST_SIZE], header[HEADER_SIZE];

    sha256_stream_update(&coinbase, share->extranonce, share->extranonce_size);
    sha256_stream_update(&coinbase, job->coinb2, job->coinb2_size);
    sha256d_stream_final(&coinbase, txid_le);

    store_le32(header, share->version);
    memcpy(header + 4, job->prevhash_le, SHA256_DIGEST_SIZE);
    fold_branch(job, txid_le, header + 36);
    store_le32(header + 68, share->ntime);
    store_le32(header + 72, job->nbits);
    store_le32(header + 76, share->nonce);
    sha256d(header, HEADER_SIZE, hash_le);
}

bool hash_meets_target(const uint8_t hash_le[SHA256_DIGEST_SIZE],
                       const uint8_t target_le[SHA256_DIGEST_SIZE])
{
    for (int i = SHA256_DIGEST_SIZE - 4; i >= 0; i -= 4) { /* the last bytes weigh most */
        uint32_t hash_word = load_le32(hash_le + i), target_word = load_le32(target_le + i);
        if (hash_word != target_word)
            return hash_word < target_word;
    }
    return true;
}

/* ---- Search for nonces ----------------------------------------------------------------------- */

void nonce_scan_init(struct nonce_scan *scan, const uint8_t header[HEADER_SIZE],
                     uint32_t nonce_start, const uint8_t target_le[SHA256_DIGEST_SIZE])
{
    init_states(scan->midstate, 1);
    compress(scan->midstate, header, 1);
    memcpy(scan->tail, header + SHA256_BLOCK_SIZE, sizeof scan->tail);
    memcpy(scan->target_le, target_le, SHA256_DIGEST_SIZE);
    scan->nonce = nonce_start;
}

/* The header's second block, complete but for the nonce, once per lane. */
static void nonce_scan_blocks(const struct nonce_scan *scan, uint8_t *blocks)
{
    for (int lane = 0; lane < LANES_MAX; lane++) {
        uint8_t *block = blocks + SHA256_BLOCK_SIZE * lane;
        memcpy(block, scan->tail, sizeof scan->tail);
        block[HEADER_SIZE - SHA256_BLOCK_SIZE] = 0x80;
        pad_block(block, HEADER_SIZE - SHA256_BLOCK_SIZE + 1, HEADER_SIZE);
    }
}

uint64_t nonce_scan_step(struct nonce_scan *scan, uint64_t count, uint32_t *found, size_t capacity,
                         size_t *found_count)
{
    uint32_t states[8 * LANES_MAX];
    uint8_t blocks[SHA256_BLOCK_SIZE * LANES_MAX], hashes_le[SHA256_DIGEST_SIZE * LANES_MAX];
    uint64_t tried = 0;

    *found_count = 0;
    nonce_scan_blocks(scan, blocks);
    while (tried < count && *found_count + LANES_MAX <= capacity) {
        int lanes = count - tried >= 2 ? 2 : 1;
        for (int lane = 0; lane < lanes; lane++) {
            memcpy(states + 8 * lane, scan->midstate, sizeof scan->midstate);
            store_le32(blocks + SHA256_BLOCK_SIZE * lane + sizeof scan->tail,
                       scan->nonce + (uint32_t)lane);
        }
        compress(states, blocks, lanes);
        hash_again(states, lanes, hashes_le);
        for (int lane = 0; lane < lanes; lane++, scan->nonce++) {
            if (hash_meets_target(hashes_le + SHA256_DIGEST_SIZE * lane, scan->target_le))
                found[(*found_count)++] = scan->nonce;
        }
        tried += (uint64_t)lanes;
    }
    return tried;
}
