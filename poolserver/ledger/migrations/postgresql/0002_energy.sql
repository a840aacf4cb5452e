-- The ledger as step 4 of SQLite has it; what the tables and columns mean stands there.

CREATE TABLE node_work (
    begin_s BIGINT NOT NULL,
    node TEXT COLLATE "C" NOT NULL,
    model TEXT COLLATE "C" NOT NULL,
    source BIGINT NOT NULL,
    j_per_th TEXT COLLATE "C" NOT NULL,
    proven_work NUMERIC NOT NULL,
    proven_work_sq NUMERIC NOT NULL,
    accepted_work NUMERIC NOT NULL,
    PRIMARY KEY (begin_s, node, model, source, j_per_th)
) WITH (fillfactor = 50);

CREATE TABLE rig (
    worker TEXT COLLATE "C" PRIMARY KEY,
    account TEXT COLLATE "C" NOT NULL,
    address TEXT COLLATE "C" NOT NULL,
    user_agent TEXT COLLATE "C" NOT NULL,
    hardware TEXT COLLATE "C" NOT NULL,
    watts BIGINT,
    j_per_th TEXT COLLATE "C",
    th_s TEXT COLLATE "C",
    seen_at_ms BIGINT NOT NULL
);
