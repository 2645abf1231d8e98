-- SPDX-License-Identifier: Apache-2.0
-- Times are Unix seconds, identifiers 16-byte UUIDs. "" is NULL where a column is unique but optional.
PRAGMA application_id = 1633773940; -- "aait"

CREATE TABLE users (
    id            BLOB PRIMARY KEY CHECK (length(id) = 16),
    username      TEXT NOT NULL COLLATE NOCASE UNIQUE CHECK (username <> ''),
    email         TEXT COLLATE NOCASE UNIQUE CHECK (email <> ''),
    role          TEXT NOT NULL CHECK (role <> ''),
    upstream_id   TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    active        INTEGER NOT NULL CHECK (active IN (0, 1)),
    created_s     INTEGER NOT NULL,
    updated_s     INTEGER NOT NULL,
    last_login_s  INTEGER NOT NULL,
    version       INTEGER NOT NULL CHECK (version BETWEEN 0 AND 4294967295)
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    id          BLOB PRIMARY KEY CHECK (length(id) = 16),
    user_id     BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_s   INTEGER NOT NULL,
    last_seen_s INTEGER NOT NULL,
    expires_s   INTEGER NOT NULL,
    address     TEXT NOT NULL,
    user_agent  TEXT NOT NULL,
    country     TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_of_user ON sessions (user_id, last_seen_s);

CREATE TABLE revocations (
    jti       BLOB PRIMARY KEY CHECK (length(jti) = 16),
    expires_s INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX revocations_by_expiry ON revocations (expires_s);

CREATE TABLE reset_codes (
    user_id   BLOB PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    code_hash BLOB NOT NULL UNIQUE CHECK (length(code_hash) = 32),
    expires_s INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
