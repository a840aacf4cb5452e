-- Sums by interval, what they are worth, the rounds between blocks, and the seals of days.
-- A best hash is 32 bytes in display order from here on: half as long, and the lowest is the
-- lowest still.

CREATE TABLE worker (
    id INTEGER PRIMARY KEY,
    site TEXT NOT NULL,
    account TEXT NOT NULL,
    worker TEXT NOT NULL,
    UNIQUE (site, account, worker)
) STRICT;

INSERT INTO worker (site, account, worker)
    SELECT site, account, worker FROM worker_totals ORDER BY site, account, worker;

ALTER TABLE worker_totals RENAME TO worker_totals_v2;

CREATE TABLE worker_totals (
    worker_id INTEGER PRIMARY KEY REFERENCES worker (id),
    accepted_work TEXT NOT NULL,
    proven_work TEXT NOT NULL,
    proven_work_sq TEXT NOT NULL,
    accepted INTEGER NOT NULL,
    stale INTEGER NOT NULL,
    job_not_found INTEGER NOT NULL,
    duplicate INTEGER NOT NULL,
    low_difficulty INTEGER NOT NULL,
    unauthorized INTEGER NOT NULL,
    not_subscribed INTEGER NOT NULL,
    ntime_out_of_range INTEGER NOT NULL,
    version_outside_mask INTEGER NOT NULL,
    malformed INTEGER NOT NULL,
    best_hash BLOB,
    first_ms INTEGER,
    last_ms INTEGER
) STRICT;

INSERT INTO worker_totals
    SELECT id, accepted_work, proven_work, proven_work_sq, accepted, stale, job_not_found,
        duplicate, low_difficulty, unauthorized, not_subscribed, ntime_out_of_range,
        version_outside_mask, malformed, unhexed(best_hash), first_ms, last_ms
    FROM worker_totals_v2 JOIN worker USING (site, account, worker);

DROP TABLE worker_totals_v2;

-- The rows that a day's root stands over. begin_s: Unix seconds. What was booked before there
-- were intervals is in one that begins at 0.
CREATE TABLE worker_interval (
    begin_s INTEGER NOT NULL,
    worker_id INTEGER NOT NULL REFERENCES worker (id),
    accepted_work TEXT NOT NULL,
    proven_work TEXT NOT NULL,
    proven_work_sq TEXT NOT NULL,
    accepted INTEGER NOT NULL,
    stale INTEGER NOT NULL,
    job_not_found INTEGER NOT NULL,
    duplicate INTEGER NOT NULL,
    low_difficulty INTEGER NOT NULL,
    unauthorized INTEGER NOT NULL,
    not_subscribed INTEGER NOT NULL,
    ntime_out_of_range INTEGER NOT NULL,
    version_outside_mask INTEGER NOT NULL,
    malformed INTEGER NOT NULL,
    best_hash BLOB,
    first_ms INTEGER,
    last_ms INTEGER,
    PRIMARY KEY (begin_s, worker_id)
) STRICT, WITHOUT ROWID;

INSERT INTO worker_interval SELECT 0, * FROM worker_totals;

-- Accepted work by the network's difficulty (nbits as in a header; 0: of a journal that does
-- not tell), and the sum of work x the satoshi that a block paid when it was made.
CREATE TABLE account_interval (
    begin_s INTEGER NOT NULL,
    site TEXT NOT NULL,
    account TEXT NOT NULL,
    nbits INTEGER NOT NULL,
    accepted_work TEXT NOT NULL,
    value_work TEXT NOT NULL,
    PRIMARY KEY (begin_s, site, account, nbits)
) STRICT, WITHOUT ROWID;

-- The same over all intervals.
CREATE TABLE account_totals (
    site TEXT NOT NULL,
    account TEXT NOT NULL,
    nbits INTEGER NOT NULL,
    accepted_work TEXT NOT NULL,
    value_work TEXT NOT NULL,
    PRIMARY KEY (site, account, nbits)
) STRICT, WITHOUT ROWID;

-- 1 where a source's life is over and all of its records are counted in.
ALTER TABLE source ADD COLUMN ended INTEGER NOT NULL DEFAULT 0;

-- The last record of which the journal's file was deleted, for its age or for room.
ALTER TABLE source ADD COLUMN pruned INTEGER NOT NULL DEFAULT 0;

-- The last template that a source told of.
CREATE TABLE source_template (
    source TEXT PRIMARY KEY,
    height INTEGER NOT NULL,
    nbits INTEGER NOT NULL,
    value_sat INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Of the template that a block was found on; 0 where the journal does not tell.
ALTER TABLE block ADD COLUMN nbits INTEGER NOT NULL DEFAULT 0;

-- Accepted work between the found block before this one and this one; hash '' is the open round.
CREATE TABLE block_round (
    hash TEXT NOT NULL,
    nbits INTEGER NOT NULL,
    accepted_work TEXT NOT NULL,
    PRIMARY KEY (hash, nbits)
) STRICT, WITHOUT ROWID;

-- From then on nothing is booked in days (since 1970, UTC) up to through_day.
CREATE TABLE seal (
    through_day INTEGER PRIMARY KEY,
    sealed_at_ms INTEGER NOT NULL
) STRICT;

-- The last record of each source that was still booked in such a day; only those that moved
-- since the seal before.
CREATE TABLE seal_cutoff (
    through_day INTEGER NOT NULL,
    source TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    PRIMARY KEY (through_day, source)
) STRICT, WITHOUT ROWID;

-- A day's root over its rows of worker_interval, chained to the one before it, and signed.
CREATE TABLE audit_day (
    day INTEGER PRIMARY KEY,
    row_count INTEGER NOT NULL,
    root BLOB NOT NULL,
    head BLOB NOT NULL,
    public_key BLOB NOT NULL,
    signature BLOB NOT NULL,
    signed_at_ms INTEGER NOT NULL
) STRICT;

-- The hashes of the rows of an interval, 32 bytes each, in the order of the rows: a row that
-- was changed is found by them.
CREATE TABLE audit_leaves (
    day INTEGER NOT NULL,
    begin_s INTEGER NOT NULL,
    hashes BLOB NOT NULL,
    PRIMARY KEY (day, begin_s)
) STRICT, WITHOUT ROWID;

-- Statistics that go on over a restart: of the pool, a site, an account or a worker (level), and
-- of which one. What the state is stands in poolserver/stats/saved.py. No WITHOUT ROWID: the
-- states are long for that.
CREATE TABLE meter (
    level TEXT NOT NULL,
    account TEXT NOT NULL,
    name TEXT NOT NULL,
    saved_at_ms INTEGER NOT NULL,
    state BLOB NOT NULL,
    PRIMARY KEY (level, account, name)
) STRICT;

-- The last record of a source that is in the saved meters; it may be before or after sequence.
ALTER TABLE source ADD COLUMN metered INTEGER NOT NULL DEFAULT 0;

UPDATE source SET metered = sequence;

-- Which save was taken last: one whose answer was lost is looked up by it.
CREATE TABLE last_save (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    token TEXT NOT NULL
) STRICT;
