/* SPDX-License-Identifier: Apache-2.0 */
/* `websocket` of a route: what may be said over the socket that its answer opens. */
#include "policy/load.h"

#include "config/option.h"
#include "policy/websocket.h"

#define TOKEN_NAME_MAX 64

static const struct gw_str star = GW_STR("*");

static const struct gw_socket_event *find(const struct gw_websocket *w, struct gw_str name)
{
    for (size_t i = 0; i < w->event_count; i++)
        if (gw_str_eq(w->events[i].name, name))
            return &w->events[i];
    return NULL;
}

const struct gw_socket_event *gw_websocket_event(const struct gw_websocket *w, struct gw_str name)
{
    const struct gw_socket_event *event = find(w, name);
    return event != NULL ? event : w->other;
}

bool gw_websocket_has_namespace(const struct gw_websocket *w, struct gw_str name)
{
    for (size_t i = 0; i < w->namespace_count; i++)
        if (gw_str_eq(w->namespaces[i], name))
            return true;
    return false;
}

/* ---- events ---- */

/* Without a right of its own the socket's holds. */
static void load_event(struct gw_policy_loader *l, const struct gw_yaml *node, const struct gw_route *socket,
                       struct gw_socket_event *e)
{
    static const struct gw_str keys[] = {GW_STR("permission"), GW_STR("access"), GW_STR("role"),
                                         GW_STR("risk"),       GW_STR("audit"),  GW_STR("action")};
    static const char *const audits[] = {[GW_AUDIT_NONE] = "none", [GW_AUDIT_RECORD] = "record", NULL};
    e->route = *socket;
    e->route.line = node->line;
    e->route.method = GW_METHOD_OTHER; /* no read by its method: what risk it is depends on the right */
    e->route.audit = GW_AUDIT_NONE;
    e->route.action = GW_STR("socket_event");
    if (!gw_load_map(l, node, "event", keys, sizeof(keys) / sizeof(keys[0])))
        return;
    bool has_right = false;
    for (size_t i = 0; i < 3; i++)
        has_right = gw_yaml_get(node, keys[i]) != NULL || has_right;
    if (has_right)
        gw_load_access(l, node, &e->route);
    gw_load_risk(l, node, &e->route);
    const struct gw_yaml *audit = gw_yaml_get(node, keys[4]), *action = gw_yaml_get(node, keys[5]);
    int choice;
    if (audit != NULL && gw_load_choice(l, audit, "audit", audits, &choice))
        e->route.audit = (enum gw_audit)choice;
    if (action != NULL)
        gw_load_action(l, action, &e->route);
}

static void load_events(struct gw_policy_loader *l, const struct gw_yaml *node, const struct gw_route *socket,
                        struct gw_websocket *w)
{
    if (node->kind != GW_YAML_MAP || node->count == 0 || node->count > GW_WEBSOCKET_EVENTS_MAX) {
        GW_LOAD_FAULT(l, node->line, "events: expected a map of 1 to %d names of events, or \"*\" for all others",
                      GW_WEBSOCKET_EVENTS_MAX);
        return;
    }
    struct gw_socket_event *events = gw_arena_calloc(&l->policy->arena, node->count, sizeof(*events));
    w->other = NULL;
    for (const struct gw_yaml *child = node->first; child != NULL && events != NULL; child = child->next) {
        struct gw_socket_event *e = &events[w->event_count];
        if (child->key.len == 0 || child->key.len > GW_WEBSOCKET_NAME_MAX) {
            GW_LOAD_FAULT(l, child->key_line, "events: expected a name of 1 to %d bytes", GW_WEBSOCKET_NAME_MAX);
            continue;
        }
        load_event(l, child, socket, e);
        if (gw_arena_str(&l->policy->arena, child->key, &e->name) != GW_OK)
            events = NULL;
        else if (gw_str_eq(e->name, star))
            w->other = e;
        w->event_count++;
    }
    if (events == NULL)
        GW_LOAD_FAULT(l, node->line, "no memory for the events");
    w->events = events;
}

/* ---- the rest ---- */

static bool is_namespace(struct gw_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] <= ' ' || s.ptr[i] > '~' || s.ptr[i] == ',' || s.ptr[i] == '?')
            return false;
    return s.len > 0 && s.ptr[0] == '/';
}

static void load_namespaces(struct gw_policy_loader *l, const struct gw_yaml *node, struct gw_websocket *w)
{
    struct gw_str *names = node->kind == GW_YAML_LIST && node->count <= GW_WEBSOCKET_NAMESPACES_MAX
                               ? gw_arena_calloc(&l->policy->arena, node->count, sizeof(*names))
                               : NULL;
    if (names == NULL || node->count == 0) {
        GW_LOAD_FAULT(l, node->line, "namespaces: expected a list of 1 to %d, such as [\"/\", /admin]",
                      GW_WEBSOCKET_NAMESPACES_MAX);
        return;
    }
    w->namespaces = names;
    w->namespace_count = 0;
    for (const struct gw_yaml *child = node->first; child != NULL; child = child->next) {
        struct gw_str *name = &names[w->namespace_count++];
        if (gw_load_text(l, child, "namespaces", GW_WEBSOCKET_NAME_MAX, name) && !is_namespace(*name))
            GW_LOAD_FAULT(l, child->line,
                          "namespaces: expected / and what follows it, without commas and question marks");
    }
}

static void load_message_max(struct gw_policy_loader *l, const struct gw_yaml *node, struct gw_websocket *w)
{
    static const struct gw_option row = {
        .key = "message_max", .type = GW_OPT_BYTES, .min = 1, .max = GW_WEBSOCKET_MESSAGE_MAX};
    int64_t bytes;
    if (gw_option_parse(&row, node, l->file, &l->policy->arena, &bytes, l->faults))
        w->message_max_bytes = (size_t)bytes;
}

static void load_connect_token(struct gw_policy_loader *l, const struct gw_yaml *node, struct gw_websocket *w)
{
    if (!gw_load_text(l, node, "connect_token", TOKEN_NAME_MAX, &w->connect_token))
        return;
    if (!gw_load_is_name(w->connect_token, TOKEN_NAME_MAX))
        GW_LOAD_FAULT(l, node->line, "connect_token: expected the name of a member, such as token");
    if (l->policy->upstream.credential != GW_CREDENTIAL_MINT_HS256)
        GW_LOAD_FAULT(l, node->line, "connect_token: goes with an upstream whose credential is a token: `mint: hs256`");
}

/* Of Socket.IO alone. */
static void load_socket_io(struct gw_policy_loader *l, const struct gw_yaml *map, const struct gw_route *socket,
                           struct gw_websocket *w)
{
    static const struct gw_str keys[] = {GW_STR("connect_token"), GW_STR("namespaces"), GW_STR("events")};
    const struct gw_yaml *nodes[sizeof(keys) / sizeof(keys[0])];
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        nodes[i] = gw_yaml_get(map, keys[i]);
        if (nodes[i] != NULL && w->protocol != GW_WEBSOCKET_SOCKET_IO)
            GW_LOAD_FAULT(l, nodes[i]->line, "%.*s: goes with `protocol: socket.io`", GW_STR_ARG(keys[i]));
    }
    if (nodes[0] != NULL)
        load_connect_token(l, nodes[0], w);
    if (nodes[1] != NULL)
        load_namespaces(l, nodes[1], w);
    if (nodes[2] != NULL)
        load_events(l, nodes[2], socket, w);
}

/* All that is said under the socket's own right. */
static struct gw_socket_event *make_other(struct gw_policy_loader *l, const struct gw_route *socket)
{
    struct gw_socket_event *e = gw_arena_calloc(&l->policy->arena, 1, sizeof(*e));
    if (e != NULL)
        *e = (struct gw_socket_event){.name = star, .route = *socket};
    return e;
}

const struct gw_websocket *gw_load_websocket(struct gw_policy_loader *l, const struct gw_yaml *node,
                                             const struct gw_route *socket)
{
    static const struct gw_str keys[] = {GW_STR("protocol"), GW_STR("connect_token"), GW_STR("namespaces"),
                                         GW_STR("events"),   GW_STR("message_max"),   GW_STR("messages")};
    static const char *const protocols[] = {
        [GW_WEBSOCKET_MESSAGES] = "messages", [GW_WEBSOCKET_SOCKET_IO] = "socket.io", NULL};
    static const struct gw_str root_namespace = GW_STR("/");
    if (!gw_load_map(l, node, "websocket", keys, sizeof(keys) / sizeof(keys[0])))
        return NULL;
    if (socket->method != GW_METHOD_GET)
        GW_LOAD_FAULT(l, node->line, "websocket: a socket begins with GET");
    if (socket->access == GW_ACCESS_PUBLIC || socket->access == GW_ACCESS_DENY)
        GW_LOAD_FAULT(l, node->line,
                      "websocket: a socket is somebody's: expected `permission`, `role` or `access: signed-in`");
    struct gw_websocket *w = gw_arena_calloc(&l->policy->arena, 1, sizeof(*w));
    struct gw_socket_event *other = make_other(l, socket);
    if (w == NULL || other == NULL) {
        GW_LOAD_FAULT(l, node->line, "no memory for the socket");
        return NULL;
    }
    *w = (struct gw_websocket){.namespaces = &root_namespace,
                               .namespace_count = 1,
                               .other = other,
                               .message_max_bytes = GW_WEBSOCKET_MESSAGE_DEFAULT};
    (void)gw_rate_make(GW_WEBSOCKET_RATE_DEFAULT, GW_RATE_WINDOW_MIN_MS, &w->rate);
    const struct gw_yaml *protocol = gw_yaml_get(node, keys[0]), *max = gw_yaml_get(node, keys[4]),
                         *messages = gw_yaml_get(node, keys[5]);
    int choice;
    if (protocol != NULL && gw_load_choice(l, protocol, "protocol", protocols, &choice))
        w->protocol = (enum gw_websocket_protocol)choice;
    load_socket_io(l, node, socket, w);
    if (max != NULL)
        load_message_max(l, max, w);
    int64_t window_ms;
    if (messages != NULL)
        (void)gw_load_rate(l, messages, "messages", &w->rate, &window_ms);
    return w;
}
