-- The ledger as step 7 of SQLite has it; what the table and its columns mean stands there.

CREATE TABLE mapping_word (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    taken_at_ms BIGINT NOT NULL,
    worker TEXT COLLATE "C" NOT NULL,
    node TEXT COLLATE "C",
    is_grown BIGINT NOT NULL,
    issued_by TEXT COLLATE "C" NOT NULL
);

CREATE INDEX mapping_word_newest ON mapping_word (worker, id);
