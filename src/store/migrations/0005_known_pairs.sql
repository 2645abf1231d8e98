-- SPDX-License-Identifier: Apache-2.0
-- From where each user has signed in with success, and when last. The address is the unit that limits count by: IPv4 in its 16-byte form,
-- or the /64 of an IPv6 one. The program keeps few of each user's, and purges what is old.
CREATE TABLE known_pairs (
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    address BLOB NOT NULL CHECK (length(address) = 16),
    last_s  INTEGER NOT NULL,
    PRIMARY KEY (user_id, address)
) STRICT, WITHOUT ROWID;
CREATE INDEX known_pairs_by_time ON known_pairs (last_s);
