-- SPDX-License-Identifier: Apache-2.0
-- Networks that are blocked or suspicious, and those that were: the time of a block grows with how many there have been of its network.
CREATE TABLE blocks (
    id        BLOB PRIMARY KEY CHECK (length(id) = 16), -- a UUIDv7: in the order in which they were added
    net       BLOB NOT NULL CHECK (length(net) = 16),   -- IPv4 as ::ffff:a.b.c.d
    bits      INTEGER NOT NULL CHECK (bits BETWEEN 1 AND 128),
    suspect   INTEGER NOT NULL CHECK (suspect IN (0, 1)),
    since_s   INTEGER NOT NULL,
    expires_s INTEGER NOT NULL,
    ended_s   INTEGER NOT NULL, -- 0: not yet; before expires_s: it was lifted
    cause     TEXT NOT NULL,
    author    TEXT NOT NULL,
    reason    TEXT NOT NULL
) STRICT, WITHOUT ROWID;
-- One at a time of a network, whatever the program does.
CREATE UNIQUE INDEX blocks_live ON blocks (net, bits) WHERE ended_s = 0;
CREATE INDEX blocks_due ON blocks (expires_s) WHERE ended_s = 0;
CREATE INDEX blocks_of_network ON blocks (net, bits, since_s);
CREATE INDEX blocks_ended ON blocks (ended_s) WHERE ended_s <> 0;
