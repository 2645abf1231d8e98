/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The policy: what the backend's routes are, which right each needs, how the gateway presents a user to the backend.
 * Compiled from one YAML file into an immutable object that both planes read. Default deny: what no route matches is
 * refused. Any fault refuses the whole file, and all faults are listed.
 */
#include "config/fault.h"
#include "config/option.h"
#include "config/yaml.h"
#include <gw/arena.h>

#define GW_POLICY_PERMISSIONS_MAX 256
#define GW_POLICY_ROLES_MAX 64
#define GW_POLICY_ROUTES_MAX 10000
#define GW_POLICY_PARAMS_MAX 8

enum gw_method {
#define GW_METHOD(name) GW_METHOD_##name,
#include "policy/method.def" /* GET HEAD POST PUT PATCH DELETE OPTIONS, and OTHER last */
#undef GW_METHOD
    GW_METHOD_COUNT
};
enum gw_method gw_method_parse(struct gw_str name);
const char *gw_method_name(enum gw_method m);
/* RFC 9110 section 9.2.1: GET, HEAD, OPTIONS. */
bool gw_method_is_safe(enum gw_method m);

enum gw_risk { GW_RISK_NEUTRAL, GW_RISK_OPENS, GW_RISK_REDUCES };
const char *gw_risk_name(enum gw_risk r);

/* What a route answers with: an API's data, a page that a browser shows, or what a page is made of. Says which headers the answer gets. */
enum gw_ui { GW_UI_API, GW_UI_PAGE, GW_UI_ASSET };
const char *gw_ui_name(enum gw_ui u);

/* What the journal gets of a request that goes to the backend. */
enum gw_audit {
    GW_AUDIT_NONE,
    GW_AUDIT_RECORD,  /* a read: that it was answered; a change: an intent before, an outcome after */
    GW_AUDIT_DURABLE, /* the same, and the record before it is on disk before the backend hears of it */
};
const char *gw_audit_name(enum gw_audit a);

/* Who answers a route. */
enum gw_target {
    GW_TARGET_BACKEND,
    /* the control plane, where the policy's `auth` puts them */
    GW_TARGET_LOGIN,
    GW_TARGET_REFRESH,
    GW_TARGET_LOGOUT,
    GW_TARGET_PROFILE,
    GW_TARGET_REGISTER,
    GW_TARGET_HEALTH,      /* the data plane itself */
    GW_TARGET_LANDING,     /* the same: GET /, when no route of the backend takes it */
    GW_TARGET_JWKS,        /* the same: the public keys of our tokens */
    GW_TARGET_PANIC,       /* the same: the page of the panic button */
    GW_TARGET_METRICS,     /* the same: figures for Prometheus */
    GW_TARGET_LOGIN_PAGE,  /* the same: the page to sign in with */
    GW_TARGET_LOGOUT_PAGE, /* the same: the page to sign out with */
    GW_TARGET_LOGIN_FORM,  /* the control plane: what that page's form sends */
    GW_TARGET_LOGOUT_FORM,
    GW_TARGET_CONTROL, /* /aaiti/v1/…: the control plane's route table decides the right */
};

/* What a route asks of the caller. */
enum gw_access {
    GW_ACCESS_DENY,       /* nobody; `access: deny` */
    GW_ACCESS_PUBLIC,     /* anybody; `access: public` */
    GW_ACCESS_SIGNED_IN,  /* any live session; `access: signed-in` */
    GW_ACCESS_PERMISSION, /* `permission: bots:read` */
    GW_ACCESS_ROLE,       /* `role: admin` */
};

#define GW_POLICY_ACTION_MAX 48
#define GW_POLICY_GROUP_MAX 64

struct gw_limit_class; /* limit.h */
struct gw_websocket;   /* websocket.h */

struct gw_route {
    struct gw_str pattern; /* "GET /api/bots/{id}", as written */
    unsigned id;           /* position in the policy, for logs and metrics */
    unsigned line;
    enum gw_method method;
    enum gw_target target;
    enum gw_access access;
    unsigned permission; /* index; GW_ACCESS_PERMISSION */
    unsigned role;       /* index; GW_ACCESS_ROLE */
    enum gw_risk risk;
    bool follows_press; /* no block and no flood keeps it from who holds permission, whatever access says */
    enum gw_audit audit;
    enum gw_ui ui;
    struct gw_str group;  /* what an emergency mode can be set for: "bots" */
    struct gw_str action; /* what the audit trail calls it: "bot_created"; empty: the gateway itself answers */
    const struct gw_limit_class *limit;   /* a class of its own; NULL: none */
    const struct gw_websocket *websocket; /* what its answer opens; NULL: an answer is all */
};

enum gw_credential { GW_CREDENTIAL_NONE, GW_CREDENTIAL_MINT_HS256, GW_CREDENTIAL_BASIC, GW_CREDENTIAL_HEADER };

struct gw_claim_rule {
    struct gw_str name;
    enum gw_claim_source {
        GW_CLAIM_UPSTREAM_ID,
        GW_CLAIM_USER_ID,
        GW_CLAIM_USERNAME,
        GW_CLAIM_EMAIL,
        GW_CLAIM_ROLE,
        GW_CLAIM_LITERAL
    } source;
    struct gw_str literal;
};

struct gw_upstream {
    struct gw_str url;  /* as written: http://127.0.0.1:5000 */
    struct gw_str host; /* 127.0.0.1 */
    unsigned port;
    enum gw_credential credential;
    struct gw_str key_file; /* file of the secret: HMAC key, "user:password" for Basic, header value for HEADER */
    struct gw_str header;   /* GW_CREDENTIAL_HEADER: its name */
    int64_t ttl_s;
    const struct gw_claim_rule *claims;
    size_t claim_count;
    bool needs_upstream_id; /* some claim is upstream_id */
};

enum gw_cookies { GW_COOKIES_PASS, GW_COOKIES_HOST_ONLY, GW_COOKIES_DROP };

/* What the policy says of answers' headers. */
struct gw_answer_headers {
    struct gw_str content_security; /* of the backend's pages */
    enum gw_cookies cookies;        /* that the backend sets */
};

struct gw_policy;

/* What gateway.yaml sets over the policy file's own upstream (upstream.url, upstream.key_file); empty: nothing. */
struct gw_upstream_override {
    struct gw_str url, key_file;
};

/* Compiles a policy file. On faults (added to f, all of them) GW_EINVAL and *out stays as it was. The policy keeps its own arena. */
GW_MUST_CHECK enum gw_code gw_policy_load(const char *file, const struct gw_upstream_override *override,
                                          struct gw_faults *f, struct gw_policy **out, struct gw_error *err);
/* The same of a text; file is its name in faults. */
GW_MUST_CHECK enum gw_code gw_policy_load_text(struct gw_str text, const char *file,
                                               const struct gw_upstream_override *override, struct gw_faults *f,
                                               struct gw_policy **out, struct gw_error *err);
void gw_policy_free(struct gw_policy *p);
GW_DEFINE_AUTO_FREE(gw_policy);

const struct gw_upstream *gw_policy_upstream(const struct gw_policy *p);
const struct gw_answer_headers *gw_policy_headers(const struct gw_policy *p);
size_t gw_policy_route_count(const struct gw_policy *p);
const struct gw_route *gw_policy_route(const struct gw_policy *p,
                                       size_t i); /* in file order, auth and built-in ones too */
/* Path of a call that the policy's `auth` names; empty: it has none. */
struct gw_str gw_policy_auth_path(const struct gw_policy *p, enum gw_target target);

/* The route of a canonical path (policy/path.h) and query, or NULL: refuse. HEAD finds GET's. The more specific pattern
 * wins: literal before {param} before a tail (`/` and two stars), whatever the order in the file; routes with a query match before the same
 * one without. A query parameter that a route looks at and that stands twice makes the answer NULL. */
const struct gw_route *gw_policy_match(const struct gw_policy *p, enum gw_method m, struct gw_str path,
                                       struct gw_str query);

/* Roles and permissions are closed sets. */
#define GW_ROLE_NONE (-1)    /* nobody is signed in */
#define GW_ROLE_UNKNOWN (-2) /* signed in, with a role that the policy does not know: holds nothing */
/* Index, or GW_ROLE_UNKNOWN. */
int gw_policy_role(const struct gw_policy *p, struct gw_str name);
struct gw_str gw_policy_role_name(const struct gw_policy *p, unsigned role);
size_t gw_policy_role_count(const struct gw_policy *p);
/* Index, or -1. */
int gw_policy_permission(const struct gw_policy *p, struct gw_str name);
struct gw_str gw_policy_permission_name(const struct gw_policy *p, unsigned permission);
size_t gw_policy_permission_count(const struct gw_policy *p);
/* Whether role (an index, GW_ROLE_NONE or GW_ROLE_UNKNOWN) holds a permission (an index, or -1, which nobody holds), its own or
 * inherited. */
bool gw_policy_holds(const struct gw_policy *p, int role, int permission);

/* Whether role (an index, GW_ROLE_NONE or GW_ROLE_UNKNOWN) may use the route: the one place that decides it, for both planes and `explain`. */
enum gw_access_answer { GW_ACCESS_YES, GW_ACCESS_NEEDS_SIGN_IN, GW_ACCESS_NO };
enum gw_access_answer gw_policy_access(const struct gw_policy *p, const struct gw_route *r, int role);
/* Whether a route of the backend is of that group. */
bool gw_policy_has_group(const struct gw_policy *p, struct gw_str group);
/* What the route asks for, in one name: "deny", "public", "signed-in", a permission's or a role's. */
struct gw_str gw_policy_right(const struct gw_policy *p, const struct gw_route *r);
