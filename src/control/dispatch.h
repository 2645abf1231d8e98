/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The management and sign-in calls: one table {method, path, access, handler} (dispatch.c), whose dispatcher finds the row,
 * identifies the caller, checks the right, parses the body, and only then calls the handler. The HTTP server and the
 * offline command line both come through gw_dispatch, so a right is decided in one place.
 */
#include "base/json.h"
#include "control/app.h"
#include "policy/policy.h"

enum gw_caller_kind {
    GW_CALLER_CLIENT,   /* came through the data plane: is whoever its token says, holds that role's rights */
    GW_CALLER_OPERATOR, /* at the machine, by the admin socket or offline: holds every right, is no user */
};

struct gw_call {
    enum gw_caller_kind kind;
    struct gw_str method, path, query;           /* canonical */
    struct gw_str token;                         /* Bearer or session cookie; empty: none */
    bool is_bearer;                              /* token is no cookie's */
    bool is_api_key;                             /* token is an API key */
    struct gw_str refresh_cookie, device_cookie; /* our other cookies; empty: none */
    struct gw_str body, media_type;              /* the latter as Content-Type has it; empty: none */
    struct gw_ip address;
    struct gw_str user_agent, request_id;
    gw_gone_fn gone;
    void *gone_ctx;
};

struct gw_reply {
    unsigned status;
    json_t *body;                                                /* owned by the reply; NULL: empty */
    bool is_problem;                                             /* body is problem+json */
    struct gw_buf session_cookie, refresh_cookie, device_cookie; /* to set, with their attributes; empty: none */
    unsigned retry_after_s;                                      /* 0: none */
    struct gw_buf page;                                          /* HTML in place of body; empty: none */
    struct gw_buf location;                                      /* where a browser is to go; empty: nowhere */
    bool clears_storage;                                         /* what pages have kept in the browser is to go */
};
/* Makes *r a refusal, of gw/problem.def: error is for the person (NULL: the status's title); detail (NULL: none) says which member, or how
 * to mend it. request_id may be empty. */
void gw_reply_problem(struct gw_reply *r, struct gw_str request_id, unsigned status, const char *error,
                      const char *detail);
void gw_reply_done(struct gw_reply *r);

/* Always fills out: what fails inside is a 500 problem, logged once with err's text. */
void gw_dispatch(struct gw_app *a, const struct gw_call *call, struct gw_reply *out);

/* ---- the table, read also by the test that holds docs/openapi.json against it ---- */

enum gw_api_access {
    GW_API_PUBLIC,
    GW_API_REGISTRATION, /* public while register.enabled, else refused */
    GW_API_SIGNED_IN,    /* a user of their own; an operator where the call makes sense without one */
    GW_API_PERSONAL,     /* the same, but through no API key: what a user does to what is theirs */
    GW_API_PERMISSION,   /* .permission */
    GW_API_OPERATOR,     /* nobody through the data plane */
};

enum gw_api_type { GW_API_STRING, GW_API_BOOL };

/* A member of a request body. Others than those listed are refused. */
struct gw_api_member {
    const char *name;
    enum gw_api_type type;
    enum { GW_API_OPTIONAL, GW_API_REQUIRED } need;
    size_t min_bytes, max_bytes; /* of a string */
};
#define GW_API_MEMBERS_MAX 8

struct gw_exchange;

struct gw_api_route {
    const char *method, *path; /* "/aaiti/v1/users/{id}"; with another target, A.A.I.T.I's own path */
    enum gw_target target;     /* GW_TARGET_CONTROL, or the auth call of the policy, wherever the policy puts it */
    enum gw_api_access access;
    const char *permission;
    const struct gw_api_member
        *body; /* ends with a row without name; NULL: a body is not looked at. An empty one is `{}` */
    /* What it returns beside GW_OK becomes a refusal by one table (dispatch.c). */
    enum gw_code (*handle)(struct gw_exchange *x, struct gw_error *err);
    /* Of a call that a page's form sends: puts into reply's page what a person is shown of a refusal, whose problem is in its body. NULL: the
     * body is JSON, and a refusal its problem. */
    void (*show)(struct gw_exchange *x);
};
const struct gw_api_route *gw_api_routes(size_t *out_count);
