-- One row a task. Texts are previews, as events carry them.
CREATE TABLE IF NOT EXISTS runs (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    name TEXT,
    state TEXT NOT NULL,
    worker TEXT,
    queue TEXT,
    args TEXT,
    kwargs TEXT,
    result TEXT,
    exception TEXT,
    traceback TEXT,
    client TEXT,
    root_id TEXT,
    parent_id TEXT,
    eta TEXT,
    expires TEXT,
    retries INTEGER,
    runtime REAL,
    -- Times are seconds since the epoch. first: of the first event; changed: of the last one.
    sent REAL,
    received REAL,
    started REAL,
    ended REAL,
    first REAL NOT NULL,
    changed REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS runs_first ON runs (first);
CREATE INDEX IF NOT EXISTS runs_state ON runs (state, first);
CREATE INDEX IF NOT EXISTS runs_name ON runs (name, first);
CREATE INDEX IF NOT EXISTS runs_name_state ON runs (name, state, first);
CREATE INDEX IF NOT EXISTS runs_worker ON runs (worker, first);
CREATE INDEX IF NOT EXISTS runs_queue ON runs (queue, first) WHERE queue IS NOT NULL;
CREATE INDEX IF NOT EXISTS runs_parent ON runs (parent_id) WHERE parent_id IS NOT NULL;

-- How many runs there are in each state. Counting a million rows takes longer than a page may.
CREATE TABLE IF NOT EXISTS tally (
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (name, state)
) WITHOUT ROWID;

CREATE TRIGGER IF NOT EXISTS tally_insert AFTER INSERT ON runs BEGIN
    INSERT INTO tally VALUES (coalesce(new.name, ''), new.state, 1) ON CONFLICT DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER IF NOT EXISTS tally_update AFTER UPDATE OF state, name ON runs
WHEN old.state IS NOT new.state OR old.name IS NOT new.name BEGIN
    UPDATE tally SET count = count - 1 WHERE name = coalesce(old.name, '') AND state = old.state;
    INSERT INTO tally VALUES (coalesce(new.name, ''), new.state, 1) ON CONFLICT DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER IF NOT EXISTS tally_delete AFTER DELETE ON runs BEGIN
    UPDATE tally SET count = count - 1 WHERE name = coalesce(old.name, '') AND state = old.state;
END;

-- Words of arguments, results and exceptions; the row id is the number of the run.
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5 (text, tokenize = "unicode61 tokenchars '_'");

-- What happened between the beginning and the end: retries, rejections, and starts after them.
CREATE TABLE IF NOT EXISTS attempts (
    id TEXT NOT NULL,
    at REAL NOT NULL,
    kind TEXT NOT NULL,
    worker TEXT,
    exception TEXT,
    traceback TEXT
);
CREATE INDEX IF NOT EXISTS attempts_id ON attempts (id, at);

-- Figures: one row for each step (seconds), slot (its beginning) and task.
CREATE TABLE IF NOT EXISTS rollups (
    step INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    name TEXT NOT NULL,
    received INTEGER NOT NULL DEFAULT 0,
    succeeded INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    retried INTEGER NOT NULL DEFAULT 0,
    revoked INTEGER NOT NULL DEFAULT 0,
    runtime REAL NOT NULL DEFAULT 0,
    times TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (step, slot, name)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS gauges (
    step INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    samples INTEGER NOT NULL,
    active REAL NOT NULL,
    slots REAL NOT NULL,
    ready REAL NOT NULL,
    PRIMARY KEY (step, slot)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS audit (
    number INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    user TEXT NOT NULL,
    address TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL,
    outcome TEXT NOT NULL
);
