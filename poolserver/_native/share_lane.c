/* See share_lane.h. */
#include "share_lane.h"

#include <stdlib.h>
#include <string.h>

#include "journal_records.h"

static const char REPLY_HEAD[] = "{\"id\":", REPLY_TAIL[] = ",\"result\":true,\"error\":null}\n";

enum {
    REPLY_HEAD_SIZE = sizeof REPLY_HEAD - 1,
    REPLY_TAIL_SIZE = sizeof REPLY_TAIL - 1,
    REPLY_SIZE_MAX = REPLY_HEAD_SIZE + SUBMIT_ID_MAX + REPLY_TAIL_SIZE,
    OUTCOME_ACCEPTED = 0, /* mining.share.ShareOutcome */
    FIRST_ROOM = 64,
};

/* A share that was collected. */
struct pending {
    const struct lane_worker *worker;
    const struct lane_terms *terms;
    const struct lane_job *job;
    size_t line_begin; /* in its run's data */
    struct text_view id;
    uint8_t extranonce[LANE_EXTRANONCE1_MAX + SUBMIT_EXTRANONCE2_MAX];
};

struct lane {
    size_t extranonce2_size;
    struct lane_jobs jobs;
    /* A turn: shares as they came, and what is made of those that are accepted. */
    struct lane_run *runs;
    struct pending *pending;
    struct share *shares;
    const struct share_job **share_jobs;
    uint8_t (*hashes_le)[SHA256_DIGEST_SIZE];
    struct lane_credit *credits;
    uint8_t *records, *replies;
    size_t run_count, run_capacity, share_count, share_capacity;
    size_t credit_count, record_count, replies_size, judged_capacity;
};

struct lane *lane_new(size_t extranonce2_size)
{
    struct lane *lane = calloc(1, sizeof *lane);

    if (lane != NULL)
        lane->extranonce2_size = extranonce2_size;
    return lane;
}

void lane_free(struct lane *lane)
{
    if (lane == NULL)
        return;
    lane_jobs_free(&lane->jobs);
    free(lane->runs);
    free(lane->pending);
    free(lane->shares);
    free(lane->share_jobs);
    free(lane->hashes_le);
    free(lane->credits);
    free(lane->records);
    free(lane->replies);
    free(lane);
}

struct lane_jobs *lane_jobs_of(struct lane *lane)
{
    return &lane->jobs;
}

void lane_begin(struct lane *lane)
{
    lane->run_count = lane->share_count = 0;
    lane->credit_count = lane->record_count = lane->replies_size = 0;
}

size_t lane_pending(const struct lane *lane)
{
    return lane->share_count;
}

struct lane_results lane_results(const struct lane *lane)
{
    return (struct lane_results){
        .runs = lane->runs,
        .credits = lane->credits,
        .records = lane->records,
        .replies = lane->replies,
        .run_count = lane->run_count,
        .credit_count = lane->credit_count,
        .record_count = lane->record_count,
        .replies_size = lane->replies_size,
    };
}

/* Makes an array, whose pointer is at `array`, so large; false, and it stays, without memory. */
static bool grow(void *array, size_t item_size, size_t count)
{
    void *items;

    memcpy(&items, array, sizeof items);
    items = realloc(items, count * item_size);
    if (items != NULL)
        memcpy(array, &items, sizeof items);
    return items != NULL;
}

#define GROW(array, count) grow(&(array), sizeof *(array), count)

/* ---- Collecting ------------------------------------------------------------------------------ */

/* Room for one more run and one more share. */
static bool make_room(struct lane *lane)
{
    size_t capacity = lane->run_capacity == 0 ? FIRST_ROOM : 2 * lane->run_capacity;

    if (lane->run_count == lane->run_capacity) {
        if (!GROW(lane->runs, capacity))
            return false;
        lane->run_capacity = capacity;
    }
    if (lane->share_count == lane->share_capacity) {
        capacity = lane->share_capacity == 0 ? FIRST_ROOM : 2 * lane->share_capacity;
        if (!GROW(lane->pending, capacity) || !GROW(lane->shares, capacity) ||
            !GROW(lane->share_jobs, capacity) || !GROW(lane->hashes_le, capacity))
            return false;
        lane->share_capacity = capacity;
    }
    return true;
}

/* The header's version, as judge.Judge.submit_share makes it; false if bits are outside the mask. */
static bool roll_version(const struct submit_line *submit, uint32_t mask, uint32_t *version)
{
    if (submit->has_version_bits)
        *version = (*version & ~mask) | submit->version_bits;
    return (submit->version_bits & ~mask) == 0;
}

static bool collect_line(struct lane *lane, const struct lane_rig *rig, const char *line,
                         size_t size, double now)
{
    struct pending *pending = &lane->pending[lane->share_count];
    struct share *share = &lane->shares[lane->share_count];
    struct submit_line submit;
    const struct lane_job *job;
    const struct lane_terms *terms;

    if (!read_submit_line(line, size, lane->extranonce2_size, &submit) ||
        (job = lane_jobs_find(&lane->jobs, &submit.job_id)) == NULL || job->expires_at <= now ||
        submit.ntime < job->ntime_min || submit.ntime > job->ntime_max ||
        (terms = lane_rig_terms(rig, job->number)) == NULL ||
        terms->coinbase_class >= job->variant_count)
        return false;
    *share = (struct share){
        .extranonce_size = terms->extranonce1_size + lane->extranonce2_size,
        .version = job->version,
        .ntime = submit.ntime,
        .nonce = submit.nonce,
    };
    pending->worker = lane_rig_worker(rig, &submit.worker_name);
    if (pending->worker == NULL ||
        !roll_version(&submit, terms->version_mask | rig->version_mask, &share->version))
        return false;
    pending->terms = terms;
    pending->job = job;
    pending->id = submit.id;
    memcpy(pending->extranonce, terms->extranonce1, terms->extranonce1_size);
    memcpy(pending->extranonce + terms->extranonce1_size, submit.extranonce2,
           lane->extranonce2_size);
    lane->share_jobs[lane->share_count] = job->variants[terms->coinbase_class];
    return true;
}

size_t lane_collect(struct lane *lane, struct lane_rig *rig, const uint8_t *data, size_t size,
                    double now, size_t room)
{
    const size_t first_share = lane->share_count;
    size_t at = 0;

    while (rig->is_open && lane->share_count < room && make_room(lane)) {
        const size_t rest = size - at < LANE_LINE_MAX + 1 ? size - at : LANE_LINE_MAX + 1;
        const char *line = (const char *)data + at, *end = memchr(line, '\n', rest);
        if (end == NULL)
            break;
        size_t length = (size_t)(end - line);
        if (length > 0 && line[length - 1] == '\r')
            length--;
        if (length > 0) {
            if (!collect_line(lane, rig, line, length, now))
                break;
            lane->pending[lane->share_count++].line_begin = at;
        }
        at += (size_t)(end - line) + 1;
    }
    if (lane->share_count == first_share)
        return 0;
    lane->runs[lane->run_count++] = (struct lane_run){
        .rig = rig,
        .data = data,
        .size = at,
        .first_share = first_share,
        .share_count = lane->share_count - first_share,
    };
    return at;
}

/* ---- Judging --------------------------------------------------------------------------------- */

/* All the memory that the judgement of this turn can need. */
static bool make_room_to_judge(struct lane *lane)
{
    for (size_t i = 0; i < lane->share_count; i++)
        if (!share_set_reserve(lane->pending[i].job->seen, lane->share_count))
            return false;
    if (lane->share_count <= lane->judged_capacity)
        return true;
    if (!GROW(lane->credits, lane->share_capacity) ||
        !GROW(lane->records, lane->share_capacity * SHARE_RECORD_SIZE) ||
        !GROW(lane->replies, lane->share_capacity * REPLY_SIZE_MAX))
        return false;
    lane->judged_capacity = lane->share_capacity;
    return true;
}

static void add_credit(struct lane *lane, struct lane_rig *rig, const struct pending *pending)
{
    struct lane_credit *last = lane->credits + lane->credit_count;

    if (lane->credit_count > 0 && last[-1].rig == rig && last[-1].worker == pending->worker &&
        last[-1].terms == pending->terms && last[-1].job == pending->job) {
        last[-1].count++;
        return;
    }
    *last = (struct lane_credit){rig, pending->worker, pending->terms, pending->job, 1};
    lane->credit_count++;
}

static void add_reply(struct lane *lane, const struct text_view *id)
{
    uint8_t *reply = lane->replies + lane->replies_size;

    memcpy(reply, REPLY_HEAD, REPLY_HEAD_SIZE);
    memcpy(reply + REPLY_HEAD_SIZE, id->data, id->size);
    memcpy(reply + REPLY_HEAD_SIZE + id->size, REPLY_TAIL, REPLY_TAIL_SIZE);
    lane->replies_size += REPLY_HEAD_SIZE + id->size + REPLY_TAIL_SIZE;
}

/* False, and nothing is done: the share is not ordinary. */
static bool settle_share(struct lane *lane, struct lane_rig *rig, size_t index, uint64_t sequence,
                         uint64_t unix_ms)
{
    const struct pending *pending = &lane->pending[index];
    const uint8_t *hash_le = lane->hashes_le[index];

    if (!hash_meets_target(hash_le, pending->terms->target_le) ||
        hash_meets_target(hash_le, lane->share_jobs[index]->network_target_le) ||
        share_set_add(pending->job->seen, hash_le) != SHARE_SET_ADDED)
        return false;
    const struct share_record record = {
        .sequence = sequence + lane->record_count,
        .job_number = pending->job->number,
        .unix_ms = unix_ms,
        .work_low = pending->terms->work_low,
        .work_high = pending->terms->work_high,
        .worker_ref = pending->worker->ref,
        .outcome = OUTCOME_ACCEPTED,
        .proven = 1,
        .hash_le = hash_le,
    };
    pack_share_record(lane->records + lane->record_count++ * SHARE_RECORD_SIZE, &record);
    add_reply(lane, &pending->id);
    add_credit(lane, rig, pending);
    return true;
}

static void settle_run(struct lane *lane, struct lane_run *run, uint64_t sequence, uint64_t unix_ms)
{
    const size_t end = run->first_share + run->share_count;

    run->replies = lane->replies_size;
    run->taken = run->size;
    for (size_t i = run->first_share; i < end; i++)
        if (!settle_share(lane, run->rig, i, sequence, unix_ms)) {
            run->taken = lane->pending[i].line_begin;
            break;
        }
    run->replies_size = lane->replies_size - run->replies;
}

bool lane_judge(struct lane *lane, uint64_t sequence, uint64_t unix_ms)
{
    if (!make_room_to_judge(lane))
        return false;
    for (size_t i = 0; i < lane->share_count; i++)
        lane->shares[i].extranonce = lane->pending[i].extranonce;
    share_hashes(lane->share_jobs, lane->shares, lane->share_count, lane->hashes_le);
    for (size_t i = 0; i < lane->run_count; i++)
        settle_run(lane, &lane->runs[i], sequence, unix_ms);
    return true;
}

void lane_take_back(struct lane *lane)
{
    for (size_t r = lane->run_count; r-- > 0;) {
        const struct lane_run *run = &lane->runs[r];
        for (size_t i = run->first_share + run->share_count; i-- > run->first_share;)
            if (lane->pending[i].line_begin < run->taken)
                share_set_drop_last(lane->pending[i].job->seen);
    }
    lane_begin(lane);
}
