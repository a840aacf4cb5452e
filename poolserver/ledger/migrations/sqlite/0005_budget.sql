-- Every word that was taken on what a power node may draw, as it was said, and by whom. Rows are
-- added and never changed: the newest of a source, a node and a kind of load holds, until
-- valid_until_ms or as long as the configuration lets a word of the source count. limit_w NULL
-- takes the one before back. issued_by is the credential or the way that it came by. at_ms is by the
-- clock of who said it, taken_at_ms by the pool's.
CREATE TABLE budget_word (
    id INTEGER PRIMARY KEY,
    taken_at_ms INTEGER NOT NULL,
    source TEXT NOT NULL,
    node TEXT NOT NULL,
    of_mining INTEGER NOT NULL,
    limit_w INTEGER,
    at_ms INTEGER NOT NULL,
    valid_until_ms INTEGER,
    reason TEXT NOT NULL,
    issued_by TEXT NOT NULL
) STRICT;

CREATE INDEX budget_word_newest ON budget_word (source, node, of_mining, id);
