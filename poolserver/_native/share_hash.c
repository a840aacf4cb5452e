#include "share_hash.h"

#include "sha256_states.h"

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
    sha256_hash_again(states, lanes);
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
        sha256_end_pairs(states, lanes);
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
    sha256_hash_again(states, lanes);
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
        sha256_store_digests(hashes_le[0], states, lanes);
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
