/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/csrf.h"

#include "base/encode.h"
#include "crypto/mac.h"

enum gw_code gw_csrf_make(struct gw_str access_token, char out[GW_CSRF_LEN + 1])
{
    uint8_t key[GW_MAC_BYTES], tag[GW_MAC_BYTES];
    GW_TRY(gw_sha256(access_token, key, NULL));
    enum gw_code code = gw_mac_once(key, GW_STR("aaiti csrf 1"), tag);
    gw_wipe(key, sizeof(key));
    GW_TRY(code);
    gw_base64url_encode(tag, sizeof(tag), out);
    out[GW_CSRF_LEN] = '\0';
    return GW_OK;
}

bool gw_csrf_is_of(struct gw_str access_token, struct gw_str given)
{
    char own[GW_CSRF_LEN + 1];
    return access_token.len > 0 && gw_csrf_make(access_token, own) == GW_OK &&
           gw_bytes_eq(own, GW_CSRF_LEN, given.ptr, given.len);
}
