-- The ledger as step 6 of SQLite has it; what the tables and columns mean stands there.
-- Facts are written again and again while they are open: half of each page is left for that.

CREATE TABLE site_earning (
    begin_s BIGINT NOT NULL,
    site TEXT COLLATE "C" NOT NULL,
    nbits BIGINT NOT NULL,
    accepted_work NUMERIC NOT NULL,
    value_work NUMERIC NOT NULL,
    PRIMARY KEY (begin_s, site, nbits)
) WITH (fillfactor = 50);

CREATE TABLE node_fact (
    begin_s BIGINT NOT NULL,
    node TEXT COLLATE "C" NOT NULL,
    observed_ms BIGINT NOT NULL,
    limited_ms BIGINT NOT NULL,
    allocated_mj BIGINT NOT NULL,
    excess_mj BIGINT NOT NULL,
    curtailed_mj BIGINT NOT NULL,
    PRIMARY KEY (begin_s, node)
) WITH (fillfactor = 50);

CREATE TABLE ai_fact (
    begin_s BIGINT NOT NULL,
    site TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    energy_mj BIGINT NOT NULL,
    known_ms BIGINT NOT NULL,
    PRIMARY KEY (begin_s, site, name)
) WITH (fillfactor = 50);

CREATE TABLE meter_fact (
    begin_s BIGINT NOT NULL,
    meter TEXT COLLATE "C" NOT NULL,
    energy_j BIGINT NOT NULL,
    covered_ms BIGINT NOT NULL,
    spread_ms BIGINT NOT NULL,
    late_j BIGINT NOT NULL,
    PRIMARY KEY (begin_s, meter)
) WITH (fillfactor = 50);

CREATE TABLE meter_point (
    meter TEXT COLLATE "C" PRIMARY KEY,
    at_ms BIGINT NOT NULL,
    power_mw BIGINT,
    rest BIGINT NOT NULL,
    counter_j BIGINT,
    counter_ms BIGINT NOT NULL,
    booked_j BIGINT NOT NULL,
    gaps TEXT COLLATE "C" NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE power_state (
    part TEXT COLLATE "C" PRIMARY KEY,
    state TEXT COLLATE "C" NOT NULL
);

CREATE TABLE energy_row (
    number BIGINT PRIMARY KEY,
    begin_s BIGINT NOT NULL,
    end_s BIGINT NOT NULL,
    node TEXT COLLATE "C" NOT NULL,
    method TEXT COLLATE "C" NOT NULL,
    meter TEXT COLLATE "C",
    metered_j BIGINT,
    covered_ms BIGINT NOT NULL,
    spread_ms BIGINT NOT NULL,
    late_j BIGINT NOT NULL,
    proven_work NUMERIC NOT NULL,
    accepted_work NUMERIC NOT NULL,
    pue TEXT COLLATE "C" NOT NULL,
    work_scale BIGINT NOT NULL,
    estimated_pj TEXT COLLATE "C" NOT NULL,
    sigma_j BIGINT NOT NULL,
    ai_j BIGINT NOT NULL,
    ai_known_ms BIGINT NOT NULL,
    auxiliary_j BIGINT NOT NULL,
    mining_j BIGINT NOT NULL,
    residual_j BIGINT,
    allocated_j BIGINT,
    excess_j BIGINT NOT NULL,
    curtailed_j BIGINT NOT NULL,
    expected_msat NUMERIC,
    observed_ms BIGINT NOT NULL,
    head BYTEA NOT NULL,
    UNIQUE (begin_s, node)
);
