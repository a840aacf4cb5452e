-- The energy ledger. Of each quarter of an hour (begin_s) what is told while it is open, and of
-- each closed interval rows that never change. What the columns mean stands in
-- poolserver/ledger/energy.py and energy_facts.py; energies in joules (_j) or millijoules (_mj).

-- What accepted work of a site was worth, as account_interval has it; but what comes late is
-- booked in the first interval that is open.
CREATE TABLE site_earning (
    begin_s INTEGER NOT NULL,
    site TEXT NOT NULL,
    nbits INTEGER NOT NULL,
    accepted_work TEXT NOT NULL,
    value_work TEXT NOT NULL,
    PRIMARY KEY (begin_s, site, nbits)
) STRICT, WITHOUT ROWID;

CREATE TABLE node_fact (
    begin_s INTEGER NOT NULL,
    node TEXT NOT NULL,
    observed_ms INTEGER NOT NULL,
    limited_ms INTEGER NOT NULL,
    allocated_mj INTEGER NOT NULL,
    excess_mj INTEGER NOT NULL,
    curtailed_mj INTEGER NOT NULL,
    PRIMARY KEY (begin_s, node)
) STRICT, WITHOUT ROWID;

CREATE TABLE ai_fact (
    begin_s INTEGER NOT NULL,
    site TEXT NOT NULL,
    name TEXT NOT NULL,
    energy_mj INTEGER NOT NULL,
    known_ms INTEGER NOT NULL,
    PRIMARY KEY (begin_s, site, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE meter_fact (
    begin_s INTEGER NOT NULL,
    meter TEXT NOT NULL,
    energy_j INTEGER NOT NULL,
    covered_ms INTEGER NOT NULL,
    spread_ms INTEGER NOT NULL,
    late_j INTEGER NOT NULL,
    PRIMARY KEY (begin_s, meter)
) STRICT, WITHOUT ROWID;

-- Where each meter's account stands: poolserver/power/energy_meter.py. gaps is "from-until"
-- in milliseconds, with spaces between.
CREATE TABLE meter_point (
    meter TEXT PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    power_mw INTEGER,
    rest INTEGER NOT NULL,
    counter_j INTEGER,
    counter_ms INTEGER NOT NULL,
    booked_j INTEGER NOT NULL,
    gaps TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What other parts on power go on from, each in a text of its own.
CREATE TABLE power_state (
    part TEXT PRIMARY KEY,
    state TEXT NOT NULL
) STRICT;

-- The chain. Work and estimated_pj are text, the latter a fraction as "17/2"; so is expected_msat:
-- on a test network, where a block takes two hashes, work is worth more than 63 bits hold.
CREATE TABLE energy_row (
    number INTEGER PRIMARY KEY,
    begin_s INTEGER NOT NULL,
    end_s INTEGER NOT NULL,
    node TEXT NOT NULL,
    method TEXT NOT NULL,
    meter TEXT,
    metered_j INTEGER,
    covered_ms INTEGER NOT NULL,
    spread_ms INTEGER NOT NULL,
    late_j INTEGER NOT NULL,
    proven_work TEXT NOT NULL,
    accepted_work TEXT NOT NULL,
    pue TEXT NOT NULL,
    work_scale INTEGER NOT NULL,
    estimated_pj TEXT NOT NULL,
    sigma_j INTEGER NOT NULL,
    ai_j INTEGER NOT NULL,
    ai_known_ms INTEGER NOT NULL,
    auxiliary_j INTEGER NOT NULL,
    mining_j INTEGER NOT NULL,
    residual_j INTEGER,
    allocated_j INTEGER,
    excess_j INTEGER NOT NULL,
    curtailed_j INTEGER NOT NULL,
    expected_msat TEXT,
    observed_ms INTEGER NOT NULL,
    head BLOB NOT NULL,
    UNIQUE (begin_s, node)
) STRICT;
