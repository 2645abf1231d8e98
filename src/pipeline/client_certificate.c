/* SPDX-License-Identifier: Apache-2.0 */
#include "base/encode.h"
#include "crypto/chain.h"
#include <assert.h>
#include <gw/gate.h>

static_assert(GW_CLIENT_FINGERPRINT_BYTES == GW_FINGERPRINT_BYTES, "both are a SHA-256");

enum gw_code gw_client_certificate_read(struct gw_str pem, struct gw_client_certificate *out, struct gw_error *err)
{
    gw_auto(gw_chain) struct gw_chain *chain = NULL;
    struct gw_client_certificate read;
    GW_TRY(gw_chain_parse(pem, &chain, err));
    GW_TRY(gw_chain_fingerprint(chain, read.fingerprint, &read.not_after_s, err));
    *out = read;
    return GW_OK;
}

void gw_client_certificate_text(const struct gw_client_certificate *c, char dst[GW_CLIENT_CERTIFICATE_TEXT + 1])
{
    gw_hex_encode(c->fingerprint, sizeof(c->fingerprint), dst);
    dst[GW_CLIENT_CERTIFICATE_TEXT] = '\0';
}
