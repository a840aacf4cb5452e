-- Every word on where a rig is, as it was said, and by whom. Rows are added and never changed: the
-- newest of a worker holds, over what the configuration makes of its name and address. node NULL
-- takes it back. is_grown is 1 of a node that no configuration has, but names of rigs. issued_by is
-- the credential that it came by.
CREATE TABLE mapping_word (
    id INTEGER PRIMARY KEY,
    taken_at_ms INTEGER NOT NULL,
    worker TEXT NOT NULL,
    node TEXT,
    is_grown INTEGER NOT NULL,
    issued_by TEXT NOT NULL
) STRICT;

CREATE INDEX mapping_word_newest ON mapping_word (worker, id);
