/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/test_load.h"
#include "policy/websocket.h"

#include <stdlib.h>

/* The route is in line 4. */
#define UPSTREAM(credential) "upstream: {url: 'http://127.0.0.1:5000', credential: " credential "}\n"
#define ROUTES "roles: {admin: {permissions: ['*']}, viewer: {permissions: ['bots:read']}}\nroutes:\n"
#define HEAD UPSTREAM("{mint: hs256, key_file: k, claims: {id: user_id}}") ROUTES
#define SOCKET(of) HEAD "  - {match: GET /socket.io/, permission: 'bots:read', websocket: " of "}\n"

static const struct gw_websocket *load_socket(struct fixture *x, const char *text)
{
    load(x, text);
    return gw_policy_route(x->p, 0)->websocket;
}

static void a_route_without_it_opens_no_socket(void **state)
{
    assert_null(load_socket(*state, HEAD "  - {match: GET /bots, permission: 'bots:read'}\n"));
}

static void what_is_left_out_has_a_default(void **state)
{
    const struct gw_websocket *w = load_socket(*state, SOCKET("{}"));
    assert_int_equal(w->protocol, GW_WEBSOCKET_MESSAGES);
    assert_int_equal(w->message_max_bytes, GW_WEBSOCKET_MESSAGE_DEFAULT);
    assert_int_equal(w->rate.limit, GW_WEBSOCKET_RATE_DEFAULT);
    assert_int_equal(w->connect_token.len, 0);
    assert_true(gw_websocket_has_namespace(w, GW_STR("/")));
    assert_false(gw_websocket_has_namespace(w, GW_STR("/admin")));
    assert_ptr_equal(gw_websocket_event(w, GW_STR("anything")), w->other);
    assert_int_equal(w->other->route.access, GW_ACCESS_PERMISSION);
}

static void all_of_it_is_compiled(void **state)
{
    struct fixture *x = *state;
    const struct gw_websocket *w = load_socket(
        x, SOCKET("{protocol: socket.io, connect_token: token, namespaces: [/, /live], message_max: 2KiB, "
                  "messages: 5/1s, events: {place: {permission: 'trades:write', audit: record, action: order_placed}, "
                  "stop: {permission: 'trades:write', risk: reduces}, watch: {}, read: {permission: 'trades:read'}, "
                  "ban: {role: admin}}}"));
    assert_int_equal(w->protocol, GW_WEBSOCKET_SOCKET_IO);
    assert_int_equal(w->message_max_bytes, 2048);
    assert_int_equal(w->rate.limit, 5);
    assert_true(gw_str_eq(w->connect_token, GW_STR("token")));
    assert_true(gw_websocket_has_namespace(w, GW_STR("/live")));
    assert_false(gw_websocket_has_namespace(w, GW_STR("/liv")));
    assert_null(gw_websocket_event(w, GW_STR("delete")));
    assert_null(gw_websocket_event(w, GW_STR("")));

    const struct gw_route *place = &gw_websocket_event(w, GW_STR("place"))->route;
    assert_int_equal(place->risk, GW_RISK_OPENS);
    assert_int_equal(place->audit, GW_AUDIT_RECORD);
    assert_true(gw_str_eq(place->action, GW_STR("order_placed")));
    int viewer = gw_policy_role(x->p, GW_STR("viewer")), admin = gw_policy_role(x->p, GW_STR("admin"));
    assert_int_equal(gw_policy_access(x->p, place, viewer), GW_ACCESS_NO);
    assert_int_equal(gw_policy_access(x->p, place, admin), GW_ACCESS_YES);
    assert_int_equal(gw_policy_access(x->p, &gw_websocket_event(w, GW_STR("watch"))->route, viewer), GW_ACCESS_YES);
    assert_int_equal(gw_policy_access(x->p, &gw_websocket_event(w, GW_STR("ban"))->route, viewer), GW_ACCESS_NO);
    assert_int_equal(gw_websocket_event(w, GW_STR("watch"))->route.risk, GW_RISK_NEUTRAL);
    assert_int_equal(gw_websocket_event(w, GW_STR("watch"))->route.audit, GW_AUDIT_NONE);
    assert_int_equal(gw_websocket_event(w, GW_STR("read"))->route.risk, GW_RISK_NEUTRAL);
    assert_int_equal(gw_websocket_event(w, GW_STR("stop"))->route.risk, GW_RISK_REDUCES);
}

static void a_star_takes_what_has_no_row(void **state)
{
    const struct gw_websocket *w =
        load_socket(*state, SOCKET("{protocol: socket.io, events: {place: {role: admin}, '*': {}}}"));
    assert_int_equal(gw_websocket_event(w, GW_STR("place"))->route.access, GW_ACCESS_ROLE);
    assert_int_equal(gw_websocket_event(w, GW_STR("other"))->route.access, GW_ACCESS_PERMISSION);
}

static void wrong_sockets_are_faults_with_lines(void **state)
{
#define IO(of) SOCKET("{protocol: socket.io, " of "}")
    static const struct fault_case cases[] = {
        {SOCKET("yes"), 4, "websocket: expected a map"},
        {SOCKET("{protocols: messages}"), 4, "did you mean `protocol`?"},
        {SOCKET("{protocol: wamp}"), 4, "protocol"},
        {SOCKET("{events: {a: {}}}"), 4, "goes with `protocol: socket.io`"},
        {SOCKET("{connect_token: token}"), 4, "goes with `protocol: socket.io`"},
        {SOCKET("{protocol: messages, namespaces: [/]}"), 4, "goes with `protocol: socket.io`"},
        {SOCKET("{message_max: 0}"), 4, "message_max"},
        {SOCKET("{message_max: 2MiB}"), 4, "message_max"},
        {SOCKET("{messages: 5}"), 4, "messages: expected a number and whole seconds"},
        {IO("connect_token: 'a b'"), 4, "expected the name of a member"},
        {IO("namespaces: []"), 4, "expected a list of 1 to 16"},
        {IO("namespaces: /"), 4, "expected a list of 1 to 16"},
        {IO("namespaces: [admin]"), 4, "expected / and what follows"},
        {IO("namespaces: ['/a,b']"), 4, "expected / and what follows"},
        {IO("namespaces: ['/a?b']"), 4, "expected / and what follows"},
        {IO("events: []"), 4, "events: expected a map"},
        {IO("events: {}"), 4, "events: expected a map"},
        {IO("events: {a: []}"), 4, "event: expected a map"},
        {IO("events: {a: {permision: 'a:b'}}"), 4, "did you mean `permission`?"},
        {IO("events: {a: {permission: 'bots:read', role: admin}}"), 4, "exactly one of"},
        {IO("events: {a: {role: nobody}}"), 4, "nobody"},
        {IO("events: {a: {audit: durable}}"), 4, "audit"},
        {IO("events: {a: {action: 'A b'}}"), 4, "action: expected lower-case"},
        {UPSTREAM("none") ROUTES "  - {match: GET /s, permission: 'bots:read', websocket: {protocol: socket.io, "
                                 "connect_token: token}}\n",
         4, "`mint: hs256`"},
        {HEAD "  - {match: POST /s, permission: 'bots:read', websocket: {}}\n", 4, "a socket begins with GET"},
        {HEAD "  - {match: GET /s, access: public, websocket: {}}\n", 4, "a socket is somebody's"},
        {HEAD "  - {match: GET /s, access: deny, websocket: {}}\n", 4, "a socket is somebody's"},
    };
    check_fault_cases(cases, sizeof(cases) / sizeof(cases[0]), read_wrong, *state);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_route_without_it_opens_no_socket),
        CASE(what_is_left_out_has_a_default),
        CASE(all_of_it_is_compiled),
        CASE(a_star_takes_what_has_no_row),
        CASE(wrong_sockets_are_faults_with_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
