/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A ticket in a target's query, `?ticket=…`: the one credential that may stand in a URL, on routes of WebSockets alone, for browsers can send no
 * header with a handshake. It is taken out before anybody else sees the target.
 */
#include <gw/arena.h>
#include <gw/error.h>

/* *io_target, a canonical target, loses it; *out_ticket is its value, ptr NULL: there was none. GW_EPARSE: it stands twice, or the query does not decode. */
GW_MUST_CHECK enum gw_code gw_ticket_take(struct gw_str *io_target, struct gw_arena *a, struct gw_str *out_ticket);
