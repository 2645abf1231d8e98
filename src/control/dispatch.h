/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The management and sign-in calls: one table {method, path, access, handler} (dispatch.c), whose dispatcher finds the row,
 * identifies the caller, checks the right, parses the body, and only then calls the handler. The HTTP server and the
 * offline command line both come through gw_dispatch, so a right is decided in one place.
 */
#include "base/json.h"
#include "control/app.h"

enum gw_caller_kind {
    GW_CALLER_CLIENT,   /* came through the data plane: is whoever its token says, holds that role's rights */
    GW_CALLER_OPERATOR, /* at the machine, by the admin socket or offline: holds every right, is no user */
};

struct gw_call {
    enum gw_caller_kind kind;
    struct gw_str method, path, query; /* canonical */
    struct gw_str token;               /* Bearer or session cookie; empty: none */
    struct gw_str body;
    struct gw_ip address;
    struct gw_str user_agent, request_id;
    gw_gone_fn gone;
    void *gone_ctx;
};

struct gw_reply {
    unsigned status;
    json_t *body;             /* owned by the reply; NULL: empty */
    const char *problem_type; /* set: body is problem+json */
    struct gw_buf set_cookie; /* empty: none */
    unsigned retry_after_s;   /* 0: none */
};
void gw_reply_done(struct gw_reply *r);

/* Always fills out: what fails inside is a 500 problem, logged once with err's text. */
void gw_dispatch(struct gw_app *a, const struct gw_call *call, struct gw_reply *out);

/* The table, for `aaiti` and for the test that holds the OpenAPI file against it. */
struct gw_api_route {
    const char *method, *path; /* "/aaiti/v1/users/{id}"; login and its kin stand here with the A.A.I.T.I paths */
    const char *access;        /* "public", "signed-in", "operator", or a permission */
};
const struct gw_api_route *gw_api_routes(size_t *out_count);
