-- The ledger as step 5 of SQLite has it; what the table and its columns mean stands there.

CREATE TABLE budget_word (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    taken_at_ms BIGINT NOT NULL,
    source TEXT COLLATE "C" NOT NULL,
    node TEXT COLLATE "C" NOT NULL,
    of_mining BIGINT NOT NULL,
    limit_w BIGINT,
    at_ms BIGINT NOT NULL,
    valid_until_ms BIGINT,
    reason TEXT COLLATE "C" NOT NULL,
    issued_by TEXT COLLATE "C" NOT NULL
);

CREATE INDEX budget_word_newest ON budget_word (source, node, of_mining, id);
