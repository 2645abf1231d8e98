-- SPDX-License-Identifier: Apache-2.0
-- A service user is a machine: it has no password, now or later.
ALTER TABLE users ADD COLUMN service INTEGER NOT NULL DEFAULT 0 CHECK (service IN (0, 1) AND (service = 0 OR password_hash = ''));

-- API keys, hashed: 256 random bits. What a signed one proves itself by stands in sealed, as api_keys/ID/secret. A key whose time is over
-- stays for a day, so that its owner sees why it is refused.
CREATE TABLE api_keys (
    id          BLOB PRIMARY KEY CHECK (length(id) = 16),
    user_id     BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    public_id   TEXT NOT NULL UNIQUE CHECK (length(public_id) = 8),
    name        TEXT NOT NULL,
    hash        BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    scopes      TEXT NOT NULL, -- permissions with a blank between; '' is all that the owner may
    networks    TEXT NOT NULL, -- the same of CIDRs; '' is anywhere
    signed      INTEGER NOT NULL CHECK (signed IN (0, 1)),
    created_s   INTEGER NOT NULL,
    expires_s   INTEGER NOT NULL, -- 0: never
    last_used_s INTEGER NOT NULL  -- 0: not yet
) STRICT, WITHOUT ROWID;
CREATE INDEX api_keys_of_user ON api_keys (user_id, created_s);
