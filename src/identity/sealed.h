/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Secrets that the gateway itself must read again (one-time-code seeds, passwords of other services), by name, in the database, where
 * only envelopes of the key ring stand. What need only be recognised is stored hashed instead, and does not come here. Any
 * thread; a put may stand in a transaction of the caller's thread.
 */
#include "base/buf.h"
#include "base/clock.h"
#include "crypto/random.h"
#include "store/store.h"

struct gw_sealed;

struct gw_sealed_options {
    struct gw_store *store; /* all borrowed, must outlive */
    const struct gw_secret *kek;
    const struct gw_clock *clock;
    const struct gw_random *random;
};

#define GW_SEALED_MAX_BYTES 4000

/* Unwraps the data keys, or makes the first. GW_EDENIED: kek is not the one that wrapped them. Keys of another that seal no secret are
 * retired instead: nothing is lost with them. */
GW_MUST_CHECK enum gw_code gw_sealed_open(const struct gw_sealed_options *o, struct gw_sealed **out,
                                          struct gw_error *err);
void gw_sealed_free(struct gw_sealed *s);
GW_DEFINE_AUTO_FREE(gw_sealed);

/* "table/row/field" into dst, which it gives as a text. */
struct gw_str gw_sealed_name(const char *table, const struct gw_uuid *row, const char *field,
                             char dst[GW_SEALED_NAME_MAX + 1]);
/* name: "table/row/field", 1..GW_SEALED_NAME_MAX bytes without NUL. secret may be empty; GW_ELIMIT beyond the maximum. expires_s 0: never.
 * Over what has the name. */
GW_MUST_CHECK enum gw_code gw_sealed_put(struct gw_sealed *s, struct gw_str name, struct gw_str secret,
                                         int64_t expires_s, struct gw_error *err);
/* Appends to out. GW_ENOTFOUND: none, or expired. GW_ECRYPTO: what stands there was changed or belongs elsewhere. */
GW_MUST_CHECK enum gw_code gw_sealed_get(struct gw_sealed *s, struct gw_str name, struct gw_buf *out,
                                         struct gw_error *err);
/* Deleting none is no fault. */
GW_MUST_CHECK enum gw_code gw_sealed_delete(struct gw_sealed *s, struct gw_str name, struct gw_error *err);
/* Deletes what has expired. */
GW_MUST_CHECK enum gw_code gw_sealed_purge(struct gw_sealed *s, struct gw_error *err);

/* ---- data keys ---- */

/* A new data key seals from now on; gw_sealed_tend moves what older ones sealed. GW_ELIMIT: too many keys still wait for that. */
GW_MUST_CHECK enum gw_code gw_sealed_rotate(struct gw_sealed *s, uint32_t *out_id, struct gw_error *err);

/* What one turn did. */
struct gw_sealed_turn {
    uint32_t made;    /* a key, because the one before was near its limit of nonces; 0: none */
    uint32_t retired; /* a key that nothing needs any more; 0: none */
    size_t moved;     /* secrets sealed anew */
};
#define GW_SEALED_BATCH 32
/* A turn of the work in the background: sees to the nonces, and moves secrets of older keys to the newest, at most batches times
 * GW_SEALED_BATCH of them, a transaction each. It asks the database what is left to do, so a kill at any moment costs nothing. GW_ECRYPTO: some
 * cannot be opened; they stay, and their key is left alone until the next start or rotation. */
GW_MUST_CHECK enum gw_code gw_sealed_tend(struct gw_sealed *s, size_t batches, struct gw_sealed_turn *out,
                                          struct gw_error *err);

enum gw_data_key_state { GW_DATA_KEY_SEALING, GW_DATA_KEY_OPENING, GW_DATA_KEY_RETIRED };
struct gw_data_key {
    uint32_t id;
    enum gw_data_key_state state;
    int64_t created_s, retired_s;
    int64_t rows; /* secrets that it opens */
};
/* Every key that there ever was, by id; *out is the caller's to free. */
GW_MUST_CHECK enum gw_code gw_sealed_keys(struct gw_sealed *s, struct gw_data_key **out, size_t *out_count,
                                          struct gw_error *err);
