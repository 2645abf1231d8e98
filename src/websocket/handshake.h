/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The two values of a WebSocket handshake that say something: the client's key, and the server's answer to it (RFC 6455 sections 4.1 and
 * 4.2.2). It proves nothing but that who answers has understood the handshake.
 */
#include <gw/error.h>
#include <gw/str.h>

#define GW_WEBSOCKET_ACCEPT_LEN 28

/* 16 bytes in base64. */
bool gw_websocket_key_is_good(struct gw_str key);
/* What Sec-WebSocket-Accept must be for that key; no NUL. */
GW_MUST_CHECK enum gw_code gw_websocket_accept(struct gw_str key, char out[GW_WEBSOCKET_ACCEPT_LEN]);
