-- What becomes of a block after its acceptance, and what it pays. Amounts are in satoshi.

-- 1 where the state will not change any more.
ALTER TABLE block ADD COLUMN final INTEGER NOT NULL DEFAULT 0;
UPDATE block SET final = 1 WHERE state = 'rejected';

-- Each state that a block came into, in that order; block.state is the last one.
CREATE TABLE block_event (
    number INTEGER PRIMARY KEY,
    hash TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    at_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX block_event_hash ON block_event (hash);

INSERT INTO block_event (hash, state, reason, at_ms)
    SELECT hash, 'found', '', found_at_ms FROM block ORDER BY found_at_ms, hash;
INSERT INTO block_event (hash, state, reason, at_ms)
    SELECT hash, state, reason, updated_at_ms FROM block WHERE state <> 'found'
    ORDER BY updated_at_ms, hash;

-- What the journal tells of a block's coinbase; blocks of version 1 have none. outputs and dues
-- say how many rows there should be: with fewer some records of the journal were lost.
CREATE TABLE block_payout (
    hash TEXT PRIMARY KEY,
    value_sat INTEGER NOT NULL,
    fee_sat INTEGER NOT NULL,
    outputs INTEGER NOT NULL,
    dues INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The coinbase's outputs in order, without the witness commitment; scripts in hex.
CREATE TABLE block_output (
    hash TEXT NOT NULL,
    position INTEGER NOT NULL,
    script TEXT NOT NULL,
    value_sat INTEGER NOT NULL,
    PRIMARY KEY (hash, position)
) STRICT, WITHOUT ROWID;

-- What the block owes to each payee; unpaid_sat of it is held in the operator's output.
CREATE TABLE block_due (
    hash TEXT NOT NULL,
    position INTEGER NOT NULL,
    label TEXT NOT NULL,
    due_sat INTEGER NOT NULL,
    unpaid_sat INTEGER NOT NULL,
    PRIMARY KEY (hash, position)
) STRICT, WITHOUT ROWID;
