-- SPDX-License-Identifier: Apache-2.0
-- A client's certificate stands for a user as an API key does: its row is one, and hash is the SHA-256 of the certificate.
ALTER TABLE api_keys ADD COLUMN certificate INTEGER NOT NULL DEFAULT 0
    CHECK (certificate IN (0, 1) AND (certificate = 0 OR signed = 0));
