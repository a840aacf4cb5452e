-- Power and energy. Work is decimal TEXT, as in 0001.

-- The work at each power node by interval and rating, of intervals that are not closed yet and
-- of those that are: energy is this work times j_per_th, which is "numerator/denominator" or
-- "numerator". source is a RatingSource. node is a path; see poolserver/power/tree.py.
CREATE TABLE node_work (
    begin_s INTEGER NOT NULL,
    node TEXT NOT NULL,
    model TEXT NOT NULL,
    source INTEGER NOT NULL,
    j_per_th TEXT NOT NULL,
    proven_work TEXT NOT NULL,
    proven_work_sq TEXT NOT NULL,
    accepted_work TEXT NOT NULL,
    PRIMARY KEY (begin_s, node, model, source, j_per_th)
) STRICT, WITHOUT ROWID;

-- What is known of each rig, so that its work is booked at the same place after a restart. watts
-- and j_per_th are its password's hints, th_s its measured hashrate; both as j_per_th above.
CREATE TABLE rig (
    worker TEXT PRIMARY KEY,
    account TEXT NOT NULL,
    address TEXT NOT NULL,
    user_agent TEXT NOT NULL,
    hardware TEXT NOT NULL,
    watts INTEGER,
    j_per_th TEXT,
    th_s TEXT,
    seen_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
