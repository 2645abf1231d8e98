/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * How many connections each address has open, from the moment they are accepted: those that never finish a handshake or a head count, too.
 * Of one worker. Counts by the unit of all limits (gw_ip_limit_key). All its memory is taken at once, for as many addresses as there can be
 * connections, so that nobody is ever pushed out. Event loop only.
 */
#include "base/ip.h"
#include "crypto/random.h"
#include <gw/cleanup.h>

struct gw_connections;

/* most: connections that can be open at once. */
GW_MUST_CHECK enum gw_code gw_connections_new(size_t most, const struct gw_random *random, struct gw_connections **out,
                                              struct gw_error *err);
void gw_connections_free(struct gw_connections *c);
GW_DEFINE_AUTO_FREE(gw_connections);

/* How many the address has, without the one at hand. */
unsigned gw_connections_of(struct gw_connections *c, const struct gw_ip *address);
/* GW_ELIMIT: more are open than there can be; nothing is counted. */
GW_MUST_CHECK enum gw_code gw_connections_add(struct gw_connections *c, const struct gw_ip *address);
/* One that was added has ended. */
void gw_connections_drop(struct gw_connections *c, const struct gw_ip *address);
