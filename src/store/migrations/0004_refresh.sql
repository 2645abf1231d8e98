-- SPDX-License-Identifier: Apache-2.0
-- Refresh tokens, hashed: one family a session, numbered in the order in which each took the place of the one before. Those that are
-- spent stay as long as the session does, so that one that comes again is known for what it is.
CREATE TABLE refresh_tokens (
    hash       BLOB PRIMARY KEY CHECK (length(hash) = 32),
    session_id BLOB NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    number     INTEGER NOT NULL CHECK (number >= 1),
    spent_s    INTEGER NOT NULL, -- 0: not yet
    UNIQUE (session_id, number)
) STRICT, WITHOUT ROWID;
-- A family has one token that is good, whatever the program does.
CREATE UNIQUE INDEX refresh_tokens_unspent ON refresh_tokens (session_id) WHERE spent_s = 0;
