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

enum { STATE_WORDS = SHA256_DIGEST_WORDS, BLOCK_WORDS = SHA256_BLOCK_SIZE / 4 };

/* A block comes as bytes, or as the words that SHA-256 makes of them. A digest that is hashed again
   stays words: bytes stored one word at a time and at once read 16 together cost as much as half a
   block (the store cannot be forwarded to the load). */
enum block_form { BYTES, WORDS };

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

static void store_be64(uint8_t *bytes, uint64_t word)
{
    store_be32(bytes, (uint32_t)(word >> 32));
    store_be32(bytes + 4, (uint32_t)word);
}

static void store_le32(uint8_t *bytes, uint32_t word)
{
    bytes[0] = (uint8_t)word;
    bytes[1] = (uint8_t)(word >> 8);
    bytes[2] = (uint8_t)(word >> 16);
    bytes[3] = (uint8_t)(word >> 24);
}

static uint32_t swap_bytes(uint32_t word)
{
    return word << 24 | (word & 0xff00) << 8 | (word >> 8 & 0xff00) | word >> 24;
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
        uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + K[round] + w[round & 15];
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
    void (*compress_words[LANES_MAX])(uint32_t *states, const uint32_t *blocks);
};

static const struct backend BACKENDS[] = {
#ifdef HAVE_SHA_NI
    {"sha-ni", sha_ni_usable, {sha_ni_compress1, sha_ni_compress2},
     {sha_ni_compress_words1, sha_ni_compress_words2}},
#endif
#ifdef HAVE_ARMV8
    {"armv8", armv8_usable, {armv8_compress1, armv8_compress2},
     {armv8_compress_words1, armv8_compress_words2}},
#endif
    {"portable", portable_usable, {portable_compress1, portable_compress2},
     {portable_compress_words1, portable_compress_words2}},
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

static void compress_words(uint32_t *states, const uint32_t *blocks, int lanes)
{
    active_backend()->compress_words[lanes - 1](states, blocks);
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
    store_be64(block + 56, message_size << 3);
}

/* The second SHA-256, over the digest of the first, which is in each lane's state: in place. */
static void hash_again(uint32_t *states, int lanes)
{
    static const uint32_t padding[BLOCK_WORDS - STATE_WORDS] = {0x80000000, [7] = 256}; /* bits */
    uint32_t blocks[BLOCK_WORDS * LANES_MAX];

    for (int lane = 0; lane < lanes; lane++) {
        uint32_t *block = blocks + BLOCK_WORDS * lane;
        memcpy(block, states + STATE_WORDS * lane, SHA256_DIGEST_SIZE);
        memcpy(block + STATE_WORDS, padding, sizeof padding);
    }
    init_states(states, lanes);
    compress_words(states, blocks, lanes);
}

static void store_digests(uint8_t *digests, const uint32_t *states, int lanes)
{
    for (int lane = 0; lane < lanes; lane++)
        for (int i = 0; i < STATE_WORDS; i++)
            store_be32(digests + SHA256_DIGEST_SIZE * lane + 4 * i, states[STATE_WORDS * lane + i]);
}

void sha256_digest_words(uint32_t words[SHA256_DIGEST_WORDS],
                         const uint8_t digest[SHA256_DIGEST_SIZE])
{
    for (int i = 0; i < SHA256_DIGEST_WORDS; i++)
        words[i] = load_be32(digest + 4 * i);
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
    hash_again(stream->state, 1);
    store_digests(digest, stream->state, 1);
}

void sha256d(const uint8_t *data, size_t size, uint8_t digest[SHA256_DIGEST_SIZE])
{
    struct sha256_stream stream;

    sha256_stream_init(&stream);
    sha256_stream_update(&stream, data, size);
    sha256d_stream_final(&stream, digest);
}

/* What follows the 64 bytes of a pair: the block that ends each such message, once per lane. */
static void end_pairs(uint32_t *states, int lanes)
{
    static const _Alignas(16) uint32_t blocks[BLOCK_WORDS * LANES_MAX] = {
        [0] = 0x80000000, [15] = 512, [16] = 0x80000000, [16 + 15] = 512, /* bits */
    };

    compress_words(states, blocks, lanes);
    hash_again(states, lanes);
}

void sha256d_pairs(const uint8_t *pairs, size_t count, uint8_t *digests)
{
    uint32_t states[STATE_WORDS * LANES_MAX];

    while (count > 0) {
        int lanes = count >= 2 ? 2 : 1;
        init_states(states, lanes);
        compress(states, pairs, lanes);
        end_pairs(states, lanes);
        store_digests(digests, states, lanes);
        pairs += SHA256_BLOCK_SIZE * lanes;
        digests += SHA256_DIGEST_SIZE * lanes;
        count -= (size_t)lanes;
    }
}

/* ---- Shares ---------------------------------------------------------------------------------- */

struct piece {
    const uint8_t *data;
    size_t size;
};

/* What of a coinbase is hashed for each share anew: from coinb1's last whole block on. */
struct coinbase_rest {
    struct piece pieces[4]; /* the end of coinb1, the extranonce, coinb2, the padding */
    uint64_t message_size;
    size_t block_count; /* still to be read */
};

/* A bit, and zeros: the padding of a message, up to its length. */
static const uint8_t PADDING[SHA256_BLOCK_SIZE + 8] = {0x80};

static void begin_rest(struct coinbase_rest *rest, const struct share_job *job,
                       const struct share *share)
{
    const struct sha256_stream *stream = &job->after_coinb1;
    const size_t tail_size = (size_t)(stream->size % SHA256_BLOCK_SIZE);
    const size_t rest_size = tail_size + share->extranonce_size + job->coinb2_size;

    /* One byte of padding at least, and eight of length. */
    rest->block_count = (rest_size + 9 + SHA256_BLOCK_SIZE - 1) / SHA256_BLOCK_SIZE;
    rest->message_size = stream->size + share->extranonce_size + job->coinb2_size;
    rest->pieces[0] = (struct piece){stream->tail, tail_size};
    rest->pieces[1] = (struct piece){share->extranonce, share->extranonce_size};
    rest->pieces[2] = (struct piece){job->coinb2, job->coinb2_size};
    rest->pieces[3] = (struct piece){PADDING, rest->block_count * SHA256_BLOCK_SIZE - rest_size};
}

static void next_block(struct coinbase_rest *rest, uint8_t block[SHA256_BLOCK_SIZE])
{
    size_t used = 0;

    for (struct piece *piece = rest->pieces; used < SHA256_BLOCK_SIZE; piece++) {
        const size_t room = SHA256_BLOCK_SIZE - used;
        const size_t size = piece->size < room ? piece->size : room;
        if (size == 0)
            continue;
        memcpy(block + used, piece->data, size);
        piece->data += size;
        piece->size -= size;
        used += size;
    }
    if (--rest->block_count == 0)
        store_be64(block + 56, rest->message_size << 3);
}

/* Leaves the coinbases' txids in `states`, as do the steps that follow with what they make. */
static void hash_coinbases(const struct share_job *const *jobs, const struct share *shares,
                           int lanes, uint32_t *states)
{
    uint8_t blocks[SHA256_BLOCK_SIZE * LANES_MAX];
    struct coinbase_rest rests[LANES_MAX];

    for (int lane = 0; lane < lanes; lane++) {
        memcpy(states + STATE_WORDS * lane, jobs[lane]->after_coinb1.state, SHA256_DIGEST_SIZE);
        begin_rest(&rests[lane], jobs[lane], &shares[lane]);
    }
    while (lanes == 2 && rests[0].block_count > 0 && rests[1].block_count > 0) {
        next_block(&rests[0], blocks);
        next_block(&rests[1], blocks + SHA256_BLOCK_SIZE);
        compress(states, blocks, 2);
    }
    for (int lane = 0; lane < lanes; lane++) /* the longer one, or the only one */
        while (rests[lane].block_count > 0) {
            next_block(&rests[lane], blocks);
            compress(states + STATE_WORDS * lane, blocks, 1);
        }
    hash_again(states, lanes);
}

/* Goes up the tree from `level` to `end`, `lanes` paths at a time. */
static void climb(const struct share_job *const *jobs, int lanes, size_t level, size_t end,
                  uint32_t *states)
{
    uint32_t pairs[BLOCK_WORDS * LANES_MAX];

    for (; level < end; level++) {
        for (int lane = 0; lane < lanes; lane++) {
            uint32_t *pair = pairs + BLOCK_WORDS * lane;
            memcpy(pair, states + STATE_WORDS * lane, SHA256_DIGEST_SIZE);
            memcpy(pair + STATE_WORDS, jobs[lane]->branch[level], SHA256_DIGEST_SIZE);
        }
        init_states(states, lanes);
        compress_words(states, pairs, lanes);
        end_pairs(states, lanes);
    }
}

/* Makes merkle roots of the coinbases' txids, by the hashes beside their paths. */
static void fold_branches(const struct share_job *const *jobs, int lanes, uint32_t *states)
{
    size_t both = jobs[0]->branch_count;

    if (lanes == 2 && jobs[1]->branch_count < both)
        both = jobs[1]->branch_count;
    climb(jobs, lanes, 0, both, states);
    for (int lane = 0; lane < lanes; lane++) /* the longer one */
        climb(jobs + lane, 1, both, jobs[lane]->branch_count, states + STATE_WORDS * lane);
}

/* All fields of a header are whole words of it, those that are numbers little-endian. */
static void hash_headers(const struct share_job *const *jobs, const struct share *shares, int lanes,
                         uint32_t *states)
{
    uint32_t firsts[BLOCK_WORDS * LANES_MAX], seconds[BLOCK_WORDS * LANES_MAX];

    for (int lane = 0; lane < lanes; lane++) {
        const uint32_t *root = states + STATE_WORDS * lane;
        uint32_t *first = firsts + BLOCK_WORDS * lane, *second = seconds + BLOCK_WORDS * lane;
        first[0] = swap_bytes(shares[lane].version);
        memcpy(first + 1, jobs[lane]->prevhash, SHA256_DIGEST_SIZE);
        memcpy(first + 9, root, 7 * sizeof *root);
        second[0] = root[7];
        second[1] = swap_bytes(shares[lane].ntime);
        second[2] = swap_bytes(jobs[lane]->nbits);
        second[3] = swap_bytes(shares[lane].nonce);
        second[4] = 0x80000000;
        memset(second + 5, 0, 10 * sizeof *second);
        second[15] = 8 * HEADER_SIZE;
    }
    init_states(states, lanes);
    compress_words(states, firsts, lanes);
    compress_words(states, seconds, lanes);
    hash_again(states, lanes);
}

void share_hashes(const struct share_job *const *jobs, const struct share *shares, size_t count,
                  uint8_t (*hashes_le)[SHA256_DIGEST_SIZE])
{
    uint32_t states[STATE_WORDS * LANES_MAX];

    while (count > 0) {
        const int lanes = count >= 2 ? 2 : 1;
        hash_coinbases(jobs, shares, lanes, states);
        fold_branches(jobs, lanes, states);
        hash_headers(jobs, shares, lanes, states);
        store_digests(hashes_le[0], states, lanes);
        jobs += lanes, shares += lanes, hashes_le += lanes;
        count -= (size_t)lanes;
    }
}

void share_hash(const struct share_job *job, const struct share *share,
                uint8_t hash_le[SHA256_DIGEST_SIZE])
{
    share_hashes(&job, share, 1, (uint8_t (*)[SHA256_DIGEST_SIZE])hash_le);
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
        hash_again(states, lanes);
        store_digests(hashes_le, states, lanes);
        for (int lane = 0; lane < lanes; lane++, scan->nonce++) {
            if (hash_meets_target(hashes_le + SHA256_DIGEST_SIZE * lane, scan->target_le))
                found[(*found_count)++] = scan->nonce;
        }
        tried += (uint64_t)lanes;
    }
    return tried;
}
