-- Exact integers beyond 2^63 (work, its squares) are decimal TEXT, since an SQLite integer ends
-- there and its REAL would round; energy is a fraction of picojoules, "numerator/denominator"
-- or "numerator". Times are Unix milliseconds. A hash is 64 hex digits in display order, so
-- that the lowest text is the lowest hash.

-- How far each journal source is counted in: all other tables hold exactly these records.
CREATE TABLE source (
    source TEXT PRIMARY KEY,
    sequence INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What a worker_ref of a source stands for.
CREATE TABLE source_worker (
    source TEXT NOT NULL,
    worker_ref INTEGER NOT NULL,
    account TEXT NOT NULL,
    worker TEXT NOT NULL,
    PRIMARY KEY (source, worker_ref)
) STRICT, WITHOUT ROWID;

CREATE TABLE worker_totals (
    site TEXT NOT NULL,
    account TEXT NOT NULL,
    worker TEXT NOT NULL,
    accepted_work TEXT NOT NULL,
    proven_work TEXT NOT NULL,
    proven_work_sq TEXT NOT NULL,
    best_hash TEXT,
    first_ms INTEGER,
    last_ms INTEGER,
    -- one column an outcome of a share, by its reason
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
    PRIMARY KEY (site, account, worker)
) STRICT, WITHOUT ROWID;

CREATE TABLE site_energy (
    site TEXT PRIMARY KEY,
    energy_pj TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE block (
    hash TEXT PRIMARY KEY,
    height INTEGER NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    worker TEXT NOT NULL,
    found_at_ms INTEGER NOT NULL,
    updated_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX block_found_at ON block (found_at_ms);
