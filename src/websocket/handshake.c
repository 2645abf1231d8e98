/* SPDX-License-Identifier: Apache-2.0 */
#include "websocket/handshake.h"

#include "crypto/mac.h"

#define KEY_LEN 24
#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

static bool is_base64(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

/* Of the last letter but the padding two bits alone are a byte's: the other four are zero in A, Q, g and w. */
bool gw_websocket_key_is_good(struct gw_str key)
{
    if (key.len != KEY_LEN || key.ptr[KEY_LEN - 1] != '=' || key.ptr[KEY_LEN - 2] != '=')
        return false;
    for (size_t i = 0; i < KEY_LEN - 2; i++)
        if (!is_base64(key.ptr[i]))
            return false;
    char last = key.ptr[KEY_LEN - 3];
    return last == 'A' || last == 'Q' || last == 'g' || last == 'w';
}

static void encode(const uint8_t sha[GW_SHA1_BYTES], char out[GW_WEBSOCKET_ACCEPT_LEN])
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0, at = 0; at < GW_WEBSOCKET_ACCEPT_LEN; i += 3, at += 4) {
        uint32_t group = (uint32_t)sha[i] << 16 | (uint32_t)sha[i + 1] << 8;
        if (i + 2 < GW_SHA1_BYTES)
            group |= sha[i + 2];
        for (unsigned k = 0; k < 4; k++)
            out[at + k] = alphabet[group >> (18 - 6 * k) & 63];
    }
    out[GW_WEBSOCKET_ACCEPT_LEN - 1] = '=';
}

enum gw_code gw_websocket_accept(struct gw_str key, char out[GW_WEBSOCKET_ACCEPT_LEN])
{
    uint8_t sha[GW_SHA1_BYTES];
    const struct gw_str pieces[] = {key, GW_STR(GUID)};
    GW_TRY(gw_sha1_pieces(pieces, sizeof(pieces) / sizeof(pieces[0]), sha));
    encode(sha, out);
    return GW_OK;
}
