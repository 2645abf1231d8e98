-- SPDX-License-Identifier: Apache-2.0
-- Data keys, wrapped by the key-encryption key, and what they seal. A retired key keeps its row, so that no id is used again, but
-- not its material. uses is an upper bound of the nonces drawn.
CREATE TABLE data_keys (
    id        INTEGER PRIMARY KEY CHECK (id BETWEEN 1 AND 4294967295),
    wrapped   BLOB NOT NULL CHECK (length(wrapped) = iif(retired_s = 0, 60, 0)),
    created_s INTEGER NOT NULL,
    retired_s INTEGER NOT NULL,
    uses      INTEGER NOT NULL CHECK (uses >= 0)
) STRICT;

CREATE TABLE sealed (
    name      TEXT PRIMARY KEY CHECK (name <> ''),
    key_id    INTEGER NOT NULL REFERENCES data_keys (id),
    envelope  BLOB NOT NULL,
    expires_s INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sealed_by_key ON sealed (key_id, name);
CREATE INDEX sealed_by_expiry ON sealed (expires_s) WHERE expires_s <> 0;
