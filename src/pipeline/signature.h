/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The signature of a request by an API key, whose secret is never sent. What is signed by HMAC-SHA256, LF between: method, target as sent, timestamp,
 * nonce, SHA-256 of the body in hex, each as its header has it. Whether the nonce is new is shared/nonces.h's to say. Any thread.
 */
#include "crypto/mac.h"
#include "pipeline/api_key.h"
#include "shared/nonces.h"
#include <gw/arena.h>

#define GW_SIGNATURE_NONCE_MIN 16u

/* Values of the headers; ptr NULL: it was not there. */
struct gw_signature_fields {
    struct gw_str timestamp, nonce, content, signature;
};

static inline bool gw_signature_is_there(const struct gw_signature_fields *f)
{
    return f->timestamp.ptr != NULL || f->nonce.ptr != NULL || f->content.ptr != NULL || f->signature.ptr != NULL;
}

struct gw_signature {
    struct gw_str nonce; /* borrows */
    int64_t stamp_s;
    uint8_t content[GW_MAC_BYTES], mac[GW_MAC_BYTES];
};

/* GW_KEY_OK: all there and well formed, nothing proved. */
enum gw_key_fault gw_signature_read(const struct gw_signature_fields *f, struct gw_signature *out);

struct gw_signed_request {
    struct gw_str method, target; /* as received */
    const struct gw_signature_fields *fields;
};
/* The fields were read into sig. GW_EDENIED: it is another's signature, or of something else; constant time. GW_ENOMEM, GW_ECRYPTO. */
GW_MUST_CHECK enum gw_code gw_signature_verify(const struct gw_signed_request *r, const struct gw_signature *sig,
                                               const uint8_t mac_key[GW_MAC_BYTES], struct gw_arena *a);
