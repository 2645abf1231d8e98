/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Control's two HTTP listeners (libmicrohttpd, a thread a connection) on unix sockets of the run directory: web.sock, where the data
 * plane brings clients' calls, and admin.sock, where root and control's own user make operator calls. Both end in
 * gw_dispatch.
 */
#include "control/app.h"

struct gw_server;

/* Replaces stale sockets; the lock of the home directory says that no other control uses them. */
GW_MUST_CHECK enum gw_code gw_server_start(struct gw_app *a, struct gw_server **out, struct gw_error *err);
/* Answers what is being answered, then closes both. */
void gw_server_stop(struct gw_server *s);
