-- SPDX-License-Identifier: Apache-2.0
-- The audit trail: one row an action with its outcome, never updated. Times are Unix milliseconds. (writer, sequence) names the event for ever.
-- Rows are shown newest first, a page after a row id; each index ends in that id, so that a page of a filter is read without sorting (but for a
-- period, whose rows are sorted: times may go back). NULL is "none",
-- so that what has no user (or session) costs no entry.
CREATE TABLE audit (
    id            INTEGER PRIMARY KEY,
    writer        BLOB NOT NULL CHECK (length(writer) = 16),
    sequence      INTEGER NOT NULL,
    time_ms       INTEGER NOT NULL,
    ended_ms      INTEGER NOT NULL,
    action        TEXT NOT NULL CHECK (action <> ''),
    resource_type TEXT,
    resource_id   TEXT,
    user_id       BLOB,
    session_id    BLOB,
    request_id    BLOB,
    address       TEXT,
    user_agent    TEXT NOT NULL,
    route         TEXT NOT NULL,
    path          TEXT NOT NULL,
    outcome       INTEGER NOT NULL,
    status        INTEGER NOT NULL,
    reason        TEXT NOT NULL,
    severity      INTEGER NOT NULL,
    count         INTEGER NOT NULL,
    generation    INTEGER NOT NULL,
    details       TEXT NOT NULL,
    UNIQUE (writer, sequence)
) STRICT;
CREATE INDEX audit_by_time ON audit (time_ms);                                      -- a period long ago, without walking there
CREATE INDEX audit_by_action ON audit (action);                                     -- rare ones among many: user_deleted
CREATE INDEX audit_by_severity ON audit (severity);                                 -- the few HIGH among many LOW
CREATE INDEX audit_by_user ON audit (user_id) WHERE user_id IS NOT NULL;            -- what one user did
CREATE INDEX audit_by_session ON audit (session_id) WHERE session_id IS NOT NULL;   -- what a stolen session did
CREATE INDEX audit_by_request ON audit (request_id) WHERE request_id IS NOT NULL;   -- the id that a client was shown
CREATE INDEX audit_by_address ON audit (address) WHERE address IS NOT NULL;         -- what came from one place
CREATE INDEX audit_by_resource ON audit (resource_type, resource_id) WHERE resource_type IS NOT NULL; -- what happened to one bot
-- No index by outcome: of its six values, each is soon met on the way.

-- Intents whose outcome has not been read yet; the outcome, or the end of their writer, moves them to audit.
CREATE TABLE audit_open (
    writer        BLOB NOT NULL CHECK (length(writer) = 16),
    sequence      INTEGER NOT NULL,
    time_ms       INTEGER NOT NULL,
    ended_ms      INTEGER NOT NULL,
    action        TEXT NOT NULL CHECK (action <> ''),
    resource_type TEXT,
    resource_id   TEXT,
    user_id       BLOB,
    session_id    BLOB,
    request_id    BLOB,
    address       TEXT,
    user_agent    TEXT NOT NULL,
    route         TEXT NOT NULL,
    path          TEXT NOT NULL,
    outcome       INTEGER NOT NULL,
    status        INTEGER NOT NULL,
    reason        TEXT NOT NULL,
    severity      INTEGER NOT NULL,
    count         INTEGER NOT NULL,
    generation    INTEGER NOT NULL,
    details       TEXT NOT NULL,
    PRIMARY KEY (writer, sequence)
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_open_by_request ON audit_open (writer, request_id);

-- How far each journal file has been taken, and how many lost events of each writer with files have been told of.
CREATE TABLE journal_files (
    name         TEXT PRIMARY KEY CHECK (name <> ''),
    writer       BLOB NOT NULL CHECK (length(writer) = 16),
    offset_bytes INTEGER NOT NULL CHECK (offset_bytes >= 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE journal_writers (
    writer BLOB PRIMARY KEY CHECK (length(writer) = 16),
    lost   INTEGER NOT NULL CHECK (lost >= 0)
) STRICT, WITHOUT ROWID;
