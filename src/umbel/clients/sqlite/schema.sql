-- Version 1. One file holds the messages and the results. Every table has the prefix, so that the file may be an application's own.

CREATE TABLE umbel_schema (
    version INTEGER NOT NULL
);

INSERT INTO umbel_schema VALUES (1);

CREATE TABLE umbel_queues (
    name   TEXT PRIMARY KEY,
    -- The holder with which an exclusive or auto-delete queue goes.
    holder INTEGER
) WITHOUT ROWID;

CREATE TABLE umbel_bindings (
    exchange    TEXT NOT NULL,
    routing_key TEXT NOT NULL,  -- for an exchange of headers, what they must be, as JSON
    queue       TEXT NOT NULL,
    type        TEXT NOT NULL,  -- direct, topic, fanout, headers
    PRIMARY KEY (exchange, routing_key, queue)
) WITHOUT ROWID;

-- Who holds unsettled messages, each under one lease. Ids are never used twice: an id is the fence against a holder that was given up.
CREATE TABLE umbel_holders (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,
    name  TEXT NOT NULL,
    lease REAL NOT NULL,  -- seconds
    until REAL NOT NULL   -- by the machine's monotonic clock
);

CREATE TABLE umbel_messages (
    id          INTEGER PRIMARY KEY,           -- the order within a queue and a priority
    queue       TEXT    NOT NULL,
    priority    INTEGER NOT NULL DEFAULT 0,    -- the higher runs first
    holder      INTEGER NOT NULL DEFAULT 0,    -- 0: ready; -1: delayed until `due`; else umbel_holders.id
    due         REAL,                          -- seconds since the epoch
    redelivered INTEGER NOT NULL DEFAULT 0,
    attempts    INTEGER NOT NULL DEFAULT 0,    -- how often a worker died while it ran this
    begun       INTEGER NOT NULL DEFAULT 0,    -- the holder is about to run it: its death counts
    extra       TEXT,                          -- JSON: headers added to a dead letter
    envelope    TEXT    NOT NULL,              -- JSON: all of the message but its body
    body        BLOB    NOT NULL
);

CREATE INDEX umbel_messages_by_holder ON umbel_messages (holder, queue, priority DESC, id);
CREATE INDEX umbel_messages_due ON umbel_messages (due) WHERE holder = -1;

CREATE TABLE umbel_results (
    task_id          TEXT PRIMARY KEY,
    status           TEXT NOT NULL,
    final            INTEGER NOT NULL,  -- SUCCESS, FAILURE, REVOKED: never overwritten
    content_type     TEXT NOT NULL,
    content_encoding TEXT NOT NULL,
    compression      TEXT,
    record           BLOB NOT NULL,     -- the whole record, in the content type
    expires          REAL               -- seconds since the epoch
);

CREATE INDEX umbel_results_expires ON umbel_results (expires) WHERE expires IS NOT NULL;
