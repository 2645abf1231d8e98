/* SPDX-License-Identifier: Apache-2.0 */
/* The calls over a whole application in a home of its own: real store, real segment, real hashing. */
#include "control/dispatch.h"
#include "control/test_home.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define PASSWORD "Correct-Horse-7"
#define NEW_PASSWORD "Battery-Staple-8"

static struct gw_test_home home;
static struct gw_app *app;

/* The policy with more routes. */
static void put_routes(const char *more)
{
    char text[4096];
    (void)snprintf(text, sizeof(text), "%s%s", gw_test_policy, more);
    gw_test_home_put(&home, "policy.yaml", text);
}

static int set_up(void **state)
{
    (void)state;
    gw_test_home_make(&home);
    app = gw_test_home_open(&home);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    gw_app_close(app);
    gw_test_home_remove(&home);
    return 0;
}

/* ---- calls ---- */

struct who {
    enum gw_caller_kind kind;
    const char *token;
};
static const struct who operator= {GW_CALLER_OPERATOR, ""}, anonymous = {GW_CALLER_CLIENT, ""};

/* The body of the last answer: alive until the next call. */
static struct gw_reply last;

static unsigned call_bytes(struct who who, const char *method, const char *target, struct gw_str body)
{
    struct gw_str path = gw_str(target);
    size_t mark = gw_str_find(path, '?');
    struct gw_call call = {.kind = who.kind, .method = gw_str(method), .token = gw_str(who.token), .body = body};
    call.path = gw_str_sub(path, 0, mark);
    call.query = gw_str_sub(path, mark + 1, path.len);
    call.request_id = GW_STR("01900000-0000-7000-8000-000000000001");
    assert_int_equal(gw_ip_parse(GW_STR("192.0.2.7"), &call.address), GW_OK);
    gw_reply_done(&last);
    gw_dispatch(app, &call, &last);
    return last.status;
}

static unsigned call(struct who who, const char *method, const char *target, const char *body)
{
    return call_bytes(who, method, target, gw_str(body));
}

static const char *text_of(const char *member)
{
    const char *text = json_string_value(json_object_get(last.body, member));
    return text != NULL ? text : "";
}

#define assert_status(want, got)                                                                               \
    do {                                                                                                       \
        unsigned got_ = (got);                                                                                 \
        if (got_ != (want))                                                                                    \
            fail_msg("status %u, not %u: %s %s", got_, (unsigned)(want), text_of("error"), text_of("detail")); \
    } while (0)

static void add_user(const char *name, const char *role)
{
    char body[256];
    (void)snprintf(body, sizeof(body),
                   "{\"username\":\"%s\",\"email\":\"%s@example.org\",\"role\":\"%s\",\"password\":\"" PASSWORD "\"}",
                   name, name, role);
    assert_status(201, call(operator, "POST", "/aaiti/v1/users", body));
}

static struct who sign_in_with(const char *name, const char *password)
{
    static char tokens[8][2048];
    static size_t next;
    char body[256], *token = tokens[next++ % 8];
    (void)snprintf(body, sizeof(body), "{\"username\":\"%s\",\"password\":\"%s\"}", name, password);
    assert_status(200, call(anonymous, "POST", "/api/auth/login", body));
    (void)snprintf(token, sizeof(tokens[0]), "%s", text_of("token"));
    assert_true(token[0] != '\0');
    return (struct who){GW_CALLER_CLIENT, token};
}

static struct who sign_in(const char *name)
{
    return sign_in_with(name, PASSWORD);
}

/* ---- rights ---- */

/* A target of the row that names nobody. */
static const char *target_of(const struct gw_api_route *r)
{
    static char target[128];
    const char *id = strstr(r->path, "{id}");
    if (id == NULL)
        return r->path;
    (void)snprintf(target, sizeof(target), "%.*s%s%s", (int)(id - r->path), r->path, "nobody", id + strlen("{id}"));
    return target;
}

static void every_row_refuses_whom_it_must(void **state)
{
    size_t count;
    const struct gw_api_route *routes = gw_api_routes(&count);
    (void)state;
    add_user("tina", "trader");
    add_user("ada", "admin");
    struct who tina = sign_in("tina"), ada = sign_in("ada");
    for (size_t i = 0; i < count; i++) {
        const struct gw_api_route *r = &routes[i];
        bool is_public = r->access == GW_API_PUBLIC, registers = r->access == GW_API_REGISTRATION;
        unsigned none = call(anonymous, r->method, target_of(r), "{}");
        unsigned trader = call(tina, r->method, target_of(r), "{}");
        unsigned admin = call(ada, r->method, target_of(r), "{}");
        bool ok = registers ? none == 403 && trader == 403 && admin == 403 : (none == 401) == !is_public;
        if (r->target == GW_TARGET_REFRESH) /* whoever calls: what they bring is no token */
            ok = none == 401 && trader == 401 && admin == 401;
        if (r->access == GW_API_PERMISSION)
            ok = ok && trader == 403 && admin != 403 && admin != 401;
        if (r->access == GW_API_OPERATOR)
            ok = ok && trader == 403 && admin == 403;
        if (r->access == GW_API_SIGNED_IN)
            ok = ok && trader != 401 && trader != 403;
        if (!ok)
            fail_msg("%s %s: anonymous %u, trader %u, admin %u", r->method, r->path, none, trader, admin);
        if (r->target == GW_TARGET_LOGOUT) {
            tina = sign_in("tina");
            ada = sign_in("ada");
        }
    }
}

static void every_permission_that_is_not_held_gives_403(void **state)
{
    static const char *const held[] = {"users:read",  "users:write",  "users:delete",
                                       "system:read", "system:write", "audit:read"};
    size_t count;
    const struct gw_api_route *routes = gw_api_routes(&count);
    (void)state;
    add_user("ada", "admin");
    for (size_t h = 0; h < sizeof(held) / sizeof(held[0]); h++) {
        char name[32], role[32];
        (void)snprintf(name, sizeof(name), "user%zu", h);
        (void)snprintf(role, sizeof(role), "only-%s", held[h]);
        *strchr(role, ':') = '-';
        add_user(name, role);
        struct who who = sign_in(name);
        for (size_t i = 0; i < count; i++) {
            if (routes[i].access != GW_API_PERMISSION)
                continue;
            unsigned status = call(who, routes[i].method, target_of(&routes[i]), "{}");
            bool denied = strcmp(routes[i].permission, held[h]) != 0;
            if ((status == 403) != denied)
                fail_msg("%s %s with %s gave %u", routes[i].method, routes[i].path, held[h], status);
        }
    }
}

static void an_unknown_call_is_404_and_a_token_that_is_none_is_401(void **state)
{
    (void)state;
    assert_status(404, call(operator, "GET", "/aaiti/v1/nothing", ""));
    assert_status(404, call(operator, "PATCH", "/aaiti/v1/status", ""));
    assert_status(404, call(operator, "GET", "/aaiti/v1/users/", ""));
    assert_status(404, call(anonymous, "GET", "/api/bots", ""));
    assert_status(401, call((struct who){GW_CALLER_CLIENT, "x.y.z"}, "GET", "/aaiti/v1/sessions", ""));
    assert_status(401, call((struct who){GW_CALLER_CLIENT, "x.y.z"}, "GET", "/aaiti/v1/status", ""));
}

/* ---- bodies ---- */

static void a_body_that_is_not_as_it_must_be_is_refused(void **state)
{
    static const struct {
        const char *body, *detail; /* detail: begins so; NULL: anything */
    } rows[] = {
        {"", "/password: missing"},
        {"{", NULL},
        {"null", "the body"},
        {"7", "the body"},
        {"\"x\"", "the body"},
        {"[]", "the body"},
        {"[{\"username\":\"x\",\"password\":\"y\"}]", "the body"},
        {"{}", "/password: missing"},
        {"{\"username\":\"x\"}", "/password: missing"},
        {"{\"password\":\"y\"}", "/username"},
        {"{\"username\":\"x\",\"email\":\"x\",\"password\":\"y\"}", "/username"},
        {"{\"username\":\"x\",\"password\":{\"a\":1}}", "/password"},
        {"{\"username\":\"x\",\"password\":[\"y\"]}", "/password"},
        {"{\"username\":\"x\",\"password\":1}", "/password"},
        {"{\"username\":\"x\",\"password\":null}", "/password"},
        {"{\"username\":\"x\",\"password\":true}", "/password"},
        {"{\"username\":\"x\",\"password\":\"\"}", "/password"},
        {"{\"username\":{\"$ne\":1},\"password\":\"y\"}", "/username"},
        {"{\"username\":1e400,\"password\":\"y\"}", NULL},
        {"{\"username\":\"x\",\"password\":\"y\",\"role\":\"admin\"}", "/role"},
        {"{\"username\":\"x\",\"password\":\"y\",\"__proto__\":{}}", "/__proto__"},
        {"{\"username\":\"x\",\"password\":\"y\",\"password\":\"z\"}", NULL},
        {"{\"username\":\"x\",\"password\":\"y\"} trailing", NULL},
        {"{\"username\":\"x\\u0000\",\"password\":\"y\"}", NULL},
        {"{\"username\":\"\xff\xfe\",\"password\":\"y\"}", NULL},
        {"{\"username\":\"\\ud800\",\"password\":\"y\"}", NULL},
        {"username=x&password=y", NULL},
        {"<x/>", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        unsigned status = call(anonymous, "POST", "/api/auth/login", rows[i].body);
        if (status != 400 || !last.is_problem || text_of("error")[0] == '\0' ||
            strcmp(text_of("type"), "urn:aaiti:problem:bad-request") != 0)
            fail_msg("`%s` gave %u", rows[i].body, status);
        if (rows[i].detail != NULL && strncmp(text_of("detail"), rows[i].detail, strlen(rows[i].detail)) != 0)
            fail_msg("`%s` gave `%s`", rows[i].body, text_of("detail"));
    }
    assert_status(
        400, call_bytes(anonymous, "POST", "/api/auth/login", GW_STR("{\"username\":\"x\",\"password\":\"y\"}\0")));
    assert_status(
        400, call_bytes(anonymous, "POST", "/api/auth/login", GW_STR("{\"username\":\"x\0\",\"password\":\"y\"}")));
}

static void a_body_too_deep_or_too_large_is_refused(void **state)
{
    enum { DEPTH = 5000, LARGE = 10 * 1024 * 1024 };
    char *text = calloc(1, LARGE + 1);

    (void)state;
    assert_non_null(text);
    memset(text, '[', DEPTH);
    memset(text + DEPTH, ']', DEPTH);
    assert_status(400, call(anonymous, "POST", "/api/auth/login", text));
    for (int i = 0; i < DEPTH; i++)
        memcpy(text + (size_t)i * 5, "{\"a\":", 5);
    assert_status(400, call(anonymous, "POST", "/api/auth/login", text));
    memset(text, ' ', LARGE);
    assert_status(413, call(anonymous, "POST", "/api/auth/login", text));
    assert_status(413, call_bytes(anonymous, "POST", "/api/auth/login", (struct gw_str){text, 64 * 1024 + 1}));
    assert_status(400, call_bytes(anonymous, "POST", "/api/auth/login", (struct gw_str){text, 64 * 1024}));
    free(text);
}

/* ---- signing in ---- */

static void a_login_has_the_backends_shape_and_a_cookie(void **state)
{
    (void)state;
    add_user("tina", "trader");
    assert_status(200, call(anonymous, "POST", "/api/auth/login",
                            "{\"email\":\"Tina@example.org\",\"password\":\"" PASSWORD "\"}"));
    assert_string_equal(text_of("message"), "Login successful");
    assert_string_equal(text_of("token"), text_of("accessToken"));
    assert_true(json_integer_value(json_object_get(last.body, "expiresIn")) > 0);
    const json_t *user = json_object_get(last.body, "user");
    assert_int_equal(json_object_size(user), 4);
    assert_string_equal(json_string_value(json_object_get(user, "username")), "tina");
    assert_string_equal(json_string_value(json_object_get(user, "role")), "trader");
    const char *cookie = gw_buf_str(&last.session_cookie).ptr;
    assert_non_null(strstr(cookie, text_of("token")));
    assert_int_equal(strncmp(cookie, "__Host-aaiti_session=", 21), 0);
    assert_non_null(strstr(cookie, "; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age="));
}

static void every_failed_login_has_one_answer(void **state)
{
    static const char *const bodies[] = {
        "{\"username\":\"tina\",\"password\":\"wrong\"}",
        "{\"username\":\"nobody\",\"password\":\"" PASSWORD "\"}",
        "{\"username\":\"carl\",\"password\":\"" PASSWORD "\"}",
        "{\"username\":\"' OR 1=1 --\",\"password\":\"x\"}",
    };
    char *first = NULL;
    (void)state;
    add_user("tina", "trader");
    add_user("carl", "trader");
    assert_status(200, call(operator, "PATCH", "/aaiti/v1/users/carl", "{\"active\":false}"));
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        assert_status(401, call(anonymous, "POST", "/api/auth/login", bodies[i]));
        assert_string_equal(text_of("error"), "Invalid credentials");
        char *text = json_dumps(last.body, JSON_SORT_KEYS);
        if (first == NULL)
            first = strdup(text);
        assert_string_equal(text, first);
        assert_int_equal(last.session_cookie.len, 0);
        json_free_t release;
        json_get_alloc_funcs(NULL, &release);
        release(text);
    }
    free(first);
}

static void a_logout_kills_the_token_and_clears_the_cookie(void **state)
{
    (void)state;
    add_user("tina", "trader");
    struct who tina = sign_in("tina");
    assert_status(200, call(tina, "GET", "/api/auth/profile", ""));
    assert_status(200, call(tina, "POST", "/api/auth/logout", ""));
    assert_string_equal(text_of("message"), "Logout successful");
    assert_non_null(strstr(gw_buf_str(&last.session_cookie).ptr, "Max-Age=0"));
    assert_status(401, call(tina, "GET", "/api/auth/profile", ""));
    assert_status(401, call(tina, "POST", "/api/auth/logout", ""));
}

static void registration_is_off_until_it_is_switched_on_and_takes_no_role(void **state)
{
    static const char eve[] = "{\"username\":\"eve\",\"email\":\"eve@example.org\",\"password\":\"" PASSWORD "\"}";
    (void)state;
    assert_status(403, call(anonymous, "POST", "/api/auth/register", eve));
    gw_test_home_settings(&home, "register:\n  enabled: true\n");
    assert_status(200, call(operator, "POST", "/aaiti/v1/policy/reload", ""));
    assert_status(400, call(anonymous, "POST", "/api/auth/register",
                            "{\"username\":\"eve\",\"email\":\"e@x.org\",\"password\":\"" PASSWORD
                            "\",\"role\":\"admin\"}"));
    assert_status(400, call(anonymous, "POST", "/api/auth/register",
                            "{\"username\":\"eve\",\"email\":\"e@x.org\",\"password\":\"weak\"}"));
    assert_status(201, call(anonymous, "POST", "/api/auth/register", eve));
    assert_string_equal(json_string_value(json_object_get(json_object_get(last.body, "user"), "role")), "trader");
    assert_status(409, call(anonymous, "POST", "/api/auth/register", eve));
    assert_string_equal(text_of("error"), "Username or email already exists");
    (void)sign_in("eve");
}

/* ---- management ---- */

static void a_role_and_an_active_flag_bite_on_the_next_call(void **state)
{
    (void)state;
    add_user("ada", "admin");
    add_user("bob", "admin");
    struct who bob = sign_in("bob");
    assert_status(200, call(bob, "GET", "/aaiti/v1/users", ""));
    assert_status(200, call(operator, "PATCH", "/aaiti/v1/users/bob", "{\"role\":\"trader\"}"));
    assert_status(403, call(bob, "GET", "/aaiti/v1/users", ""));
    assert_status(200, call(operator, "PATCH", "/aaiti/v1/users/bob%40example.org", "{\"active\":false}"));
    assert_status(401, call(bob, "GET", "/aaiti/v1/sessions", ""));
}

static void the_last_admin_stays(void **state)
{
    (void)state;
    add_user("ada", "admin");
    add_user("tina", "trader");
    assert_status(409, call(operator, "PATCH", "/aaiti/v1/users/ada", "{\"role\":\"trader\"}"));
    assert_status(409, call(operator, "PATCH", "/aaiti/v1/users/ada", "{\"active\":false}"));
    assert_status(409, call(operator, "DELETE", "/aaiti/v1/users/ada", ""));
    assert_status(200, call(operator, "PATCH", "/aaiti/v1/users/tina", "{\"role\":\"admin\"}"));
    assert_status(204, call(operator, "DELETE", "/aaiti/v1/users/ada", ""));
    assert_status(404, call(operator, "GET", "/aaiti/v1/users/ada", ""));
}

static void a_user_is_added_imported_shown_and_named_once(void **state)
{
    (void)state;
    assert_status(400, call(operator, "POST", "/aaiti/v1/users", "{\"username\":\"x\",\"role\":\"emperor\"}"));
    assert_status(400, call(operator, "POST", "/aaiti/v1/users", "{\"username\":\"-x\",\"role\":\"trader\"}"));
    assert_status(201, call(operator, "POST", "/aaiti/v1/users", "{\"username\":\"x\",\"role\":\"trader\"}"));
    assert_non_null(strstr(text_of("notice"), "--upstream-id"));
    assert_status(409, call(operator, "POST", "/aaiti/v1/users", "{\"username\":\"X\",\"role\":\"trader\"}"));
    assert_status(
        201, call(operator, "POST", "/aaiti/v1/users/import",
                  "{\"username\":\"old\",\"role\":\"trader\",\"upstreamId\":\"u-7\",\"active\":true,\"passwordHash\":"
                  "\"$2b$12$oBfibYsN1nBKizMrxMzUf.yy0H3A9tKjwhIhorlf3FSiJ23KQ46jC\"}"));
    assert_null(json_object_get(last.body, "notice"));
    assert_null(json_object_get(last.body, "passwordHash"));
    assert_status(400, call(operator, "POST", "/aaiti/v1/users/import",
                            "{\"username\":\"bad\",\"role\":\"trader\",\"passwordHash\":\"plain text\"}"));
    (void)sign_in_with("old", "Str0ng!Pass");
    assert_status(200, call(operator, "GET", "/aaiti/v1/users", ""));
    assert_int_equal(json_array_size(json_object_get(last.body, "users")), 2);
}

static void sessions_are_ones_own_unless_a_right_is_held(void **state)
{
    char target[128];
    (void)state;
    add_user("ada", "admin");
    add_user("tina", "trader");
    struct who tina = sign_in("tina"), other = sign_in("tina"), ada = sign_in("ada");
    assert_status(403, call(tina, "GET", "/aaiti/v1/sessions?user=ada", ""));
    assert_status(403, call(tina, "GET", "/aaiti/v1/sessions?user=all", ""));
    assert_status(403, call(tina, "DELETE", "/aaiti/v1/sessions?user=ada", ""));
    assert_status(400, call(tina, "GET", "/aaiti/v1/sessions?user=tina&user=ada", ""));
    assert_status(200, call(ada, "GET", "/aaiti/v1/sessions?user=all", ""));
    assert_int_equal(json_array_size(json_object_get(last.body, "sessions")), 3);

    assert_status(200, call(ada, "GET", "/aaiti/v1/sessions", ""));
    const json_t *session = json_array_get(json_object_get(last.body, "sessions"), 0);
    assert_true(json_is_true(json_object_get(session, "current")));
    assert_string_equal(json_string_value(json_object_get(session, "username")), "ada");
    (void)snprintf(target, sizeof(target), "/aaiti/v1/sessions/%s", json_string_value(json_object_get(session, "id")));
    assert_status(404, call(tina, "DELETE", target, ""));
    assert_status(200, call(ada, "GET", "/aaiti/v1/status", ""));

    assert_status(200, call(tina, "DELETE", "/aaiti/v1/sessions", ""));
    assert_int_equal(json_integer_value(json_object_get(last.body, "ended")), 1);
    assert_status(401, call(other, "GET", "/api/auth/profile", ""));
    assert_status(200, call(tina, "GET", "/api/auth/profile", ""));
    assert_status(204, call(ada, "DELETE", target, ""));
    assert_status(401, call(ada, "GET", "/aaiti/v1/status", ""));
}

static void a_password_is_changed_reset_and_set(void **state)
{
    char body[256];
    (void)state;
    add_user("tina", "trader");
    struct who tina = sign_in("tina"), other = sign_in("tina");
    assert_status(403, call(tina, "PUT", "/aaiti/v1/password",
                            "{\"currentPassword\":\"wrong\",\"newPassword\":\"" NEW_PASSWORD "\"}"));
    assert_status(400, call(tina, "PUT", "/aaiti/v1/password",
                            "{\"currentPassword\":\"" PASSWORD "\",\"newPassword\":\"weak\"}"));
    assert_status(200, call(tina, "PUT", "/aaiti/v1/password",
                            "{\"currentPassword\":\"" PASSWORD "\",\"newPassword\":\"" NEW_PASSWORD "\"}"));
    assert_status(401, call(other, "GET", "/api/auth/profile", ""));
    assert_status(200, call(tina, "GET", "/api/auth/profile", ""));

    assert_status(201, call(operator, "POST", "/aaiti/v1/users/tina/reset", ""));
    (void)snprintf(body, sizeof(body), "{\"code\":\"%s\",\"newPassword\":\"" PASSWORD "\"}", text_of("code"));
    assert_status(200, call(anonymous, "POST", "/aaiti/v1/password/reset", body));
    assert_status(403, call(anonymous, "POST", "/aaiti/v1/password/reset", body));
    assert_status(401, call(tina, "GET", "/api/auth/profile", ""));
    (void)sign_in("tina");

    assert_status(200,
                  call(operator, "PUT", "/aaiti/v1/users/tina/password", "{\"newPassword\":\"" NEW_PASSWORD "\"}"));
    (void)sign_in_with("tina", NEW_PASSWORD);
}

#define KEYS "/aaiti/v1/api-keys"
#define PROVED "{\"password\":\"" PASSWORD "\"}"

/* Who has stolen a session makes nothing by it that outlives it. */
static void a_key_takes_the_password(void **state)
{
    char target[64];
    (void)state;
    add_user("tina", "trader");
    add_user("ada", "admin");
    struct who tina = sign_in("tina"), ada = sign_in("ada");
    assert_status(400, call(tina, "POST", KEYS, ""));
    assert_status(400, call(tina, "POST", KEYS, "{\"name\":\"bot\"}"));
    assert_status(403, call(tina, "POST", KEYS, "{\"password\":\"wrong\"}"));
    assert_status(201, call(tina, "POST", KEYS, PROVED));
    (void)snprintf(target, sizeof(target), KEYS "/%s/rotate", text_of("key"));
    assert_status(400, call(tina, "POST", target, "{}"));
    assert_status(403, call(tina, "POST", target, "{\"password\":\"wrong\"}"));
    assert_status(201, call(tina, "POST", target, PROVED));
    assert_status(201, call(operator, "POST", KEYS, "{\"user\":\"tina\"}"));
    assert_status(400, call(ada, "POST", KEYS, "{\"user\":\"tina\"}"));
    assert_status(201, call(ada, "POST", KEYS, "{\"user\":\"tina\",\"password\":\"" PASSWORD "\"}"));
    assert_status(200, call(operator, "PUT", "/aaiti/v1/users/ada/password", "{\"newPassword\":\"" NEW_PASSWORD "\"}"));
    ada = sign_in_with("ada", NEW_PASSWORD); /* hers, not the owner's */
    assert_status(403, call(ada, "POST", KEYS, "{\"user\":\"tina\",\"password\":\"" PASSWORD "\"}"));
    assert_status(404, call(tina, "POST", KEYS "/nobody/rotate", PROVED));
}

/* In the windows of the change of a password, so that a thief has no more tries by asking here and there. */
static void guesses_at_a_password_count_wherever_they_are_made(void **state)
{
    (void)state;
    add_user("tina", "trader");
    struct who tina = sign_in("tina");
    for (int n = 0; n < 10; n++) /* test_home.c */
        assert_status(403, n % 2 == 0 ? call(tina, "POST", KEYS, "{\"password\":\"wrong\"}")
                                      : call(tina, "PUT", "/aaiti/v1/password",
                                             "{\"currentPassword\":\"wrong\",\"newPassword\":\"" NEW_PASSWORD "\"}"));
    assert_status(429, call(tina, "POST", KEYS, PROVED));
    assert_status(429, call(tina, "PUT", "/aaiti/v1/password",
                            "{\"currentPassword\":\"" PASSWORD "\",\"newPassword\":\"" NEW_PASSWORD "\"}"));
    assert_status(200, call(tina, "GET", KEYS, ""));
}

static json_int_t number_of(const char *member)
{
    return json_integer_value(json_object_get(last.body, member));
}

static void a_new_password_tells_of_keys_and_ends_them(void **state)
{
    char body[256];
    (void)state;
    add_user("tina", "trader");
    struct who tina = sign_in("tina");
    assert_status(201, call(tina, "POST", KEYS, PROVED));
    assert_status(201, call(tina, "POST", KEYS, PROVED));
    assert_status(200, call(tina, "PUT", "/aaiti/v1/password",
                            "{\"currentPassword\":\"" PASSWORD "\",\"newPassword\":\"" NEW_PASSWORD "\"}"));
    assert_true(number_of("apiKeys") == 2 && number_of("revokedApiKeys") == 0);
    assert_status(200, call(tina, "PUT", "/aaiti/v1/password",
                            "{\"currentPassword\":\"" NEW_PASSWORD "\",\"newPassword\":\"" PASSWORD
                            "\",\"revokeApiKeys\":true}"));
    assert_true(number_of("apiKeys") == 0 && number_of("revokedApiKeys") == 2);
    assert_status(201, call(operator, "POST", KEYS, "{\"user\":\"tina\"}"));
    assert_status(201, call(operator, "POST", "/aaiti/v1/users/tina/reset", ""));
    assert_int_equal(number_of("apiKeys"), 1);
    (void)snprintf(body, sizeof(body), "{\"code\":\"%s\",\"newPassword\":\"" NEW_PASSWORD "\",\"revokeApiKeys\":true}",
                   text_of("code"));
    assert_status(200, call(anonymous, "POST", "/aaiti/v1/password/reset", body));
    assert_int_equal(number_of("revokedApiKeys"), 1);
    assert_status(201, call(operator, "POST", KEYS, "{\"user\":\"tina\"}"));
    assert_status(201, call(operator, "POST", "/aaiti/v1/users/tina/reset", "{\"revokeApiKeys\":true}"));
    assert_true(number_of("apiKeys") == 0 && number_of("revokedApiKeys") == 1);
}

static void a_revoked_token_is_dead(void **state)
{
    (void)state;
    assert_status(
        400, call(operator, "POST", "/aaiti/v1/tokens/revoke", "{\"jti\":\"x\",\"expires\":\"2030-01-01T00:00:00Z\"}"));
    assert_status(400, call(operator, "POST", "/aaiti/v1/tokens/revoke",
                            "{\"jti\":\"01900000-0000-7000-8000-000000000001\",\"expires\":\"tomorrow, at noon ok\"}"));
    assert_status(204, call(operator, "POST", "/aaiti/v1/tokens/revoke",
                            "{\"jti\":\"01900000-0000-7000-8000-000000000001\",\"expires\":\"2030-01-01T00:00:00Z\"}"));
}

static void a_good_policy_comes_into_force_and_a_bad_one_changes_nothing(void **state)
{
    struct gw_bundle_ref before, after;
    (void)state;
    add_user("tina", "trader");
    struct who tina = sign_in("tina");
    assert_int_equal(gw_shared_get_bundle(gw_app_shared(app), &before), GW_OK);

    put_routes("  - { match: GET /api/x, permision: \"bots:read\" }\n  - { match: FETCH /y, access: public }\n");
    assert_status(422, call(operator, "POST", "/aaiti/v1/policy/reload", ""));
    const json_t *faults = json_object_get(last.body, "faults");
    assert_true(json_array_size(faults) >= 2);
    assert_true(json_integer_value(json_object_get(json_array_get(faults, 0), "line")) > 0);
    assert_non_null(strstr(json_string_value(json_object_get(json_array_get(faults, 0), "file")), "policy.yaml"));
    assert_int_equal(gw_shared_get_bundle(gw_app_shared(app), &after), GW_OK);
    assert_int_equal(after.generation, before.generation);
    assert_status(403, call(tina, "GET", "/aaiti/v1/status", ""));

    gw_test_home_put(&home, "policy.yaml", gw_test_policy);
    gw_test_home_settings(&home, "sessions: many\n");
    assert_status(422, call(operator, "POST", "/aaiti/v1/policy/reload", ""));
    gw_test_home_settings(&home, "");
    gw_test_home_put(&home, "upstream.key", "kJ8s-2mQx7Vd_0aLwZ4pTn9cYb1rEoGh\n"); /* the token key */
    assert_status(422, call(operator, "POST", "/aaiti/v1/policy/reload", ""));
    gw_test_home_put(&home, "upstream.key", "Zq3_wX9vB-7nM1sK5dF8gH2jL6pO0iUy\n");

    put_routes("  - { match: GET /api/x, access: public }\n");
    assert_status(200, call(operator, "POST", "/aaiti/v1/policy/reload", ""));
    assert_int_equal(json_integer_value(json_object_get(last.body, "generation")), before.generation + 1);
    assert_status(200, call(tina, "GET", "/api/auth/profile", "")); /* sessions go on */
}

static void a_changed_idle_limit_counts_for_sessions_there_are(void **state)
{
    (void)state;
    struct gw_uuid id;
    struct gw_live_session live;
    add_user("tina", "trader");
    struct who tina = sign_in("tina");
    assert_status(200, call(tina, "GET", "/aaiti/v1/sessions", ""));
    const json_t *row = json_array_get(json_object_get(last.body, "sessions"), 0);
    assert_int_equal(gw_uuid_parse(gw_str(json_string_value(json_object_get(row, "id"))), &id), GW_OK);
    gw_test_home_settings(&home, "session.idle: 10m\n");
    assert_status(200, call(operator, "POST", "/aaiti/v1/policy/reload", ""));
    assert_int_equal(gw_shared_get_session(gw_app_shared(app), &id, &live), GW_OK);
    assert_int_equal(live.idle_s, 600);
}

struct reader {
    pthread_t thread;
    const char *token;
    atomic_bool *stop;
    unsigned calls, wrong;
};

static void *read_profile(void *arg)
{
    struct reader *r = arg;
    struct gw_call c = {.kind = GW_CALLER_CLIENT,
                        .method = GW_STR("GET"),
                        .path = GW_STR("/api/auth/profile"),
                        .token = gw_str(r->token)};
    while (!atomic_load(r->stop)) {
        struct gw_reply reply;
        gw_dispatch(app, &c, &reply);
        r->calls++;
        r->wrong += reply.status != 200;
        gw_reply_done(&reply);
    }
    return NULL;
}

static void calls_go_on_while_the_configuration_is_replaced(void **state)
{
    enum { READERS = 3, RELOADS = 20 };
    struct reader readers[READERS] = {0};
    atomic_bool stop = false;

    (void)state;
    add_user("tina", "trader");
    struct who tina = sign_in("tina");
    for (int i = 0; i < READERS; i++) {
        readers[i] = (struct reader){.token = tina.token, .stop = &stop};
        assert_int_equal(pthread_create(&readers[i].thread, NULL, read_profile, &readers[i]), 0);
    }
    for (int i = 0; i < RELOADS; i++) {
        put_routes(i % 2 == 0 ? "  - { match: GET /api/x, access: public }\n" : "");
        assert_status(200, call(operator, "POST", "/aaiti/v1/policy/reload", ""));
    }
    atomic_store(&stop, true);
    for (int i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(readers[i].thread, NULL), 0);
        assert_true(readers[i].calls > 0);
        assert_int_equal(readers[i].wrong, 0);
    }
}

static void users_and_sessions_outlive_a_restart(void **state)
{
    (void)state;
    add_user("tina", "trader");
    struct who tina = sign_in("tina"), gone = sign_in("tina");
    assert_status(200, call(gone, "POST", "/api/auth/logout", ""));
    gw_app_close(app);
    app = gw_test_home_open(&home);
    assert_status(200, call(tina, "GET", "/api/auth/profile", ""));
    assert_status(401, call(gone, "GET", "/api/auth/profile", ""));
}

static void a_second_holder_of_the_home_is_refused(void **state)
{
    gw_auto(gw_faults) struct gw_faults *f = NULL;
    struct gw_app *second = NULL;
    const struct gw_app_options o = {home.path,         GW_APP_OFFLINE,     gw_test_no_env,
                                     &home.clock.clock, gw_system_random(), 0};
    (void)state;
    assert_int_equal(gw_faults_new(&f, NULL), GW_OK);
    assert_int_equal(gw_app_open(&o, f, &second, NULL), GW_ECONFLICT);
    assert_null(second);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static int free_last(void **state)
{
    (void)state;
    gw_reply_done(&last);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_row_refuses_whom_it_must),
        TEST(every_permission_that_is_not_held_gives_403),
        TEST(an_unknown_call_is_404_and_a_token_that_is_none_is_401),
        TEST(a_body_that_is_not_as_it_must_be_is_refused),
        TEST(a_body_too_deep_or_too_large_is_refused),
        TEST(a_login_has_the_backends_shape_and_a_cookie),
        TEST(every_failed_login_has_one_answer),
        TEST(a_logout_kills_the_token_and_clears_the_cookie),
        TEST(registration_is_off_until_it_is_switched_on_and_takes_no_role),
        TEST(a_role_and_an_active_flag_bite_on_the_next_call),
        TEST(the_last_admin_stays),
        TEST(a_user_is_added_imported_shown_and_named_once),
        TEST(sessions_are_ones_own_unless_a_right_is_held),
        TEST(a_password_is_changed_reset_and_set),
        TEST(a_key_takes_the_password),
        TEST(guesses_at_a_password_count_wherever_they_are_made),
        TEST(a_new_password_tells_of_keys_and_ends_them),
        TEST(a_revoked_token_is_dead),
        TEST(a_good_policy_comes_into_force_and_a_bad_one_changes_nothing),
        TEST(a_changed_idle_limit_counts_for_sessions_there_are),
        TEST(calls_go_on_while_the_configuration_is_replaced),
        TEST(users_and_sessions_outlive_a_restart),
        TEST(a_second_holder_of_the_home_is_refused),
    };
    /* The others call from one thread, so TSan would see no more than hashing, which other tests show to it for less. */
    if (GW_UNDER_TSAN)
        cmocka_set_test_filter("calls_go_on_while_the_configuration_is_replaced");
    return cmocka_run_group_tests(tests, NULL, free_last);
}
