/* SPDX-License-Identifier: Apache-2.0 */
/* Tickets for WebSockets: what a browser cannot send with a handshake, in a form that may stand in a URL, for it is good once and for half a minute. */
#include "control/exchange.h"
#include "policy/path.h"
#include "policy/websocket.h"
#include "token/jwt.h"

static const struct gw_route *find_socket(struct gw_exchange *x, struct gw_str target, struct gw_target_uri *out)
{
    const struct gw_policy *p = x->view->policy;
    if (gw_path_canonical(target, x->arena, out, NULL) != GW_OK)
        return NULL;
    const struct gw_route *route = gw_policy_match(p, GW_METHOD_GET, out->path, out->query);
    return route != NULL && route->websocket != NULL ? route : NULL;
}

/* The worker that is shown it judges again. */
static bool may_open(const struct gw_exchange *x, const struct gw_route *route)
{
    const struct gw_policy *p = x->view->policy;
    int role = gw_policy_role(p, gw_str(x->caller->user.role));
    return gw_policy_access(p, route, role) == GW_ACCESS_YES;
}

enum gw_code gw_handle_ws_ticket(struct gw_exchange *x, struct gw_error *err)
{
    struct gw_target_uri uri;
    if (x->caller == NULL)
        return gw_fail(err, GW_EINVAL, "a ticket is for a session, and the operator has none");
    const struct gw_route *route = find_socket(x, gw_exchange_str(x, "path"), &uri);
    if (route == NULL)
        return gw_reply_refuse(x, 400, NULL, "path: expected one that opens a WebSocket, such as /socket.io/");
    if (!may_open(x, route))
        return gw_fail(err, GW_EDENIED, "a socket that the caller may not open");
    gw_auto(gw_buf) struct gw_buf ticket = {0};
    GW_TRY(gw_sign_ticket(x->view->identity, x->caller, uri.path, &ticket, err));
    return gw_reply_json(x, 201, json_pack("{s:s, s:i}", "ticket", ticket.ptr, "expiresIn", GW_TICKET_S), err);
}
