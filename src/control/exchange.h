/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One call being answered, as its handler sees it: row found, caller known and permitted, body checked against the row's members.
 * Handlers are in handle_*.c, by noun; only dispatch.c calls them.
 */
#include "audit/recorder.h"
#include "control/dispatch.h"
#include "control/refusals.h"

struct gw_exchange {
    struct gw_app *app;
    const struct gw_app_view *view;
    const struct gw_call *call;
    const struct gw_api_route *route;
    const struct gw_caller *caller; /* NULL: nobody signed in, or an operator */
    struct gw_actor by;             /* the same, as the audit trail has it */
    struct gw_refused refused; /* by a handler, who knows more than the status says; no action: as the status says */
    struct gw_str id;          /* what stands for {id}, decoded */
    json_t *body;
    struct gw_arena *arena;
    struct gw_reply *reply;
};

/* A member of the checked body; ptr NULL when absent. */
struct gw_str gw_exchange_str(const struct gw_exchange *x, const char *name);
/* GW_OK, or GW_ENOTFOUND when the query has no such parameter. */
GW_MUST_CHECK enum gw_code gw_exchange_query(const struct gw_exchange *x, struct gw_str name, struct gw_str *out,
                                             struct gw_error *err);
/* Whether the caller holds a permission; an operator holds all. */
bool gw_exchange_may(const struct gw_exchange *x, const char *permission);
/* For the log: user name, or "operator"; and the client's address. */
struct gw_str gw_exchange_actor(const struct gw_exchange *x);
struct gw_str gw_exchange_address(const struct gw_exchange *x);

/* Where the policy has the call that takes refresh tokens; empty: nowhere, so that nobody is given any. */
struct gw_str gw_exchange_refresh_path(const struct gw_exchange *x);

/* ---- the audit trail (trail.c) ---- */

/* Sets by; route and caller are known. */
void gw_exchange_set_actor(struct gw_exchange *x);
/* When the answer is there: counts it, where it is a refusal of a client. */
void gw_exchange_count_refusal(struct gw_exchange *x);
/* For what changes files, and so has no transaction to stand in: before anything is touched. What cannot be recorded is not begun. */
GW_MUST_CHECK enum gw_code gw_exchange_intend(struct gw_exchange *x, const struct gw_deed *deed,
                                              struct gw_audit_row *out, struct gw_error *err);
/* How it ended; gives code back. */
GW_MUST_CHECK enum gw_code gw_exchange_conclude(struct gw_exchange *x, struct gw_audit_row *row, enum gw_code code);

/* ---- the login guard (guarded.c) ---- */

/* gw_guard_begin for this call. */
GW_MUST_CHECK enum gw_code gw_exchange_guard(struct gw_exchange *x, enum gw_guarded call, struct gw_attempt *a,
                                             struct gw_error *err);
/* For a call that gw_exchange_guard did not let through, or that gw_login found held up: counts the refusal as action, answers 429 and gives GW_OK. Another code is passed on. */
enum gw_code gw_exchange_held_up(struct gw_exchange *x, const struct gw_attempt *a, const char *action,
                                 enum gw_code code);
/* What an attempt showed of spraying, into log and audit trail. */
void gw_exchange_tell_spraying(struct gw_exchange *x, const struct gw_attempt *a);
/* For a call whose effect outlives the session, which may be stolen: asks for the caller's own password (under that name in the body), which
 * counts as the old one in a change of it does. *out_proof is *room, or NULL for the operator, who has none. False: the answer is written, and
 * says what was wrong. action: of the refusal, for the trail. */
GW_MUST_CHECK enum gw_code gw_exchange_prove(struct gw_exchange *x, const char *member, const char *action,
                                             struct gw_proof *room, const struct gw_proof **out_proof, bool *out_proved,
                                             struct gw_error *err);

/* ---- signing in and out (handle_auth.c), for JSON and for forms ---- */

/* By name and the body's password. reply fills the answer to whom is let in; any other is a refusal already. */
GW_MUST_CHECK enum gw_code gw_exchange_sign_in(struct gw_exchange *x, struct gw_str name,
                                               enum gw_code (*reply)(struct gw_exchange *x,
                                                                     const struct gw_signed_in *s,
                                                                     struct gw_error *err),
                                               struct gw_error *err);
/* The caller's session ends, and the cookies with it; refuses who has none. */
GW_MUST_CHECK enum gw_code gw_exchange_sign_out(struct gw_exchange *x, struct gw_error *err);
/* All that a sign-in sets. */
GW_MUST_CHECK enum gw_code gw_reply_sign_in_cookies(struct gw_exchange *x, const struct gw_signed_in *s,
                                                    struct gw_error *err);

/* ---- answers (reply.c) ---- */

/* Set our cookies to a token, or take them away (empty); max_age_s counts for a token. The other one only where the policy has a refresh path. */
GW_MUST_CHECK enum gw_code gw_reply_session_cookie(struct gw_exchange *x, struct gw_str token, int64_t max_age_s,
                                                   struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_reply_refresh_cookie(struct gw_exchange *x, struct gw_str token, int64_t max_age_s,
                                                   struct gw_error *err);
/* The device's, for the sign-in path. */
GW_MUST_CHECK enum gw_code gw_reply_device_cookie(struct gw_exchange *x, struct gw_str text, struct gw_error *err);
/* 429 with the minutes left; the same words whoever was meant. Always GW_OK. */
enum gw_code gw_reply_held_up(struct gw_exchange *x, const struct gw_held_up *h);
/* Takes body over; NULL (jansson had no memory) is GW_ENOMEM. */
GW_MUST_CHECK enum gw_code gw_reply_json(struct gw_exchange *x, unsigned status, json_t *body, struct gw_error *err);
/* One more member for the body of gw_reply_json; takes value over, as that does. */
GW_MUST_CHECK enum gw_code gw_reply_add(struct gw_exchange *x, const char *name, json_t *value, struct gw_error *err);
/* gw_reply_problem of the call. Always GW_OK. */
enum gw_code gw_reply_refuse(struct gw_exchange *x, unsigned status, const char *error, const char *detail);
/* Shapes that several handlers give. NULL without memory. */
json_t *gw_reply_user(const struct gw_user_row *u);       /* as the management calls show a user */
json_t *gw_reply_user_brief(const struct gw_user_row *u); /* as A.A.I.T.I shows one */
json_t *gw_reply_time(int64_t unix_s);                    /* null for 0 */
json_t *gw_reply_uuid(const struct gw_uuid *u);

/* ---- handlers ---- */

enum gw_code gw_handle_login(struct gw_exchange *x, struct gw_error *err);
enum gw_code gw_handle_logout(struct gw_exchange *x, struct gw_error *err);
enum gw_code gw_handle_refresh(struct gw_exchange *x, struct gw_error *err);
enum gw_code gw_handle_profile(struct gw_exchange *x, struct gw_error *err);
enum gw_code gw_handle_register(struct gw_exchange *x, struct gw_error *err);

enum gw_code gw_handle_login_form(struct gw_exchange *x, struct gw_error *err);
void gw_show_login_form(struct gw_exchange *x);
enum gw_code gw_handle_logout_form(struct gw_exchange *x, struct gw_error *err);
void gw_show_logout_form(struct gw_exchange *x);

enum gw_code gw_handle_password_change(struct gw_exchange *x, struct gw_error *err);
enum gw_code gw_handle_password_reset(struct gw_exchange *x, struct gw_error *err);
enum gw_code gw_handle_password_set(struct gw_exchange *x, struct gw_error *err);
enum gw_code gw_handle_reset_begin(struct gw_exchange *x, struct gw_error *err);

enum gw_code gw_handle_user_list(struct gw_exchange *x, struct gw_error *err);
enum gw_code gw_handle_user_add(struct gw_exchange *x, struct gw_error *err);
enum gw_code gw_handle_user_import(struct gw_exchange *x, struct gw_error *err);
enum gw_code gw_handle_user_get(struct gw_exchange *x, struct gw_error *err);
enum gw_code gw_handle_user_change(struct gw_exchange *x, struct gw_error *err);
enum gw_code gw_handle_user_delete(struct gw_exchange *x, struct gw_error *err);

enum gw_code gw_handle_session_list(struct gw_exchange *x, struct gw_error *err);
enum gw_code gw_handle_session_end(struct gw_exchange *x, struct gw_error *err);
enum gw_code gw_handle_session_end_all(struct gw_exchange *x, struct gw_error *err);
enum gw_code gw_handle_token_revoke(struct gw_exchange *x, struct gw_error *err);

enum gw_code gw_handle_api_key_list(struct gw_exchange *x, struct gw_error *err);
enum gw_code gw_handle_api_key_add(struct gw_exchange *x, struct gw_error *err);
enum gw_code gw_handle_api_key_rotate(struct gw_exchange *x, struct gw_error *err);
enum gw_code gw_handle_api_key_revoke(struct gw_exchange *x, struct gw_error *err);

enum gw_code gw_handle_audit_list(struct gw_exchange *x, struct gw_error *err);
enum gw_code gw_handle_audit_get(struct gw_exchange *x, struct gw_error *err);

enum gw_code gw_handle_key_list(struct gw_exchange *x, struct gw_error *err);
enum gw_code gw_handle_key_rotate_signing(struct gw_exchange *x, struct gw_error *err);
enum gw_code gw_handle_key_stage_upstream(struct gw_exchange *x, struct gw_error *err);
enum gw_code gw_handle_key_finish_upstream(struct gw_exchange *x, struct gw_error *err);
enum gw_code gw_handle_key_rotate_data(struct gw_exchange *x, struct gw_error *err);

enum gw_code gw_handle_refusal_get(struct gw_exchange *x, struct gw_error *err);

enum gw_code gw_handle_ws_ticket(struct gw_exchange *x, struct gw_error *err);
enum gw_code gw_handle_make_safe(struct gw_exchange *x, struct gw_error *err);
enum gw_code gw_handle_make_safe_get(struct gw_exchange *x, struct gw_error *err);

enum gw_code gw_handle_block_list(struct gw_exchange *x, struct gw_error *err);
enum gw_code gw_handle_block_add(struct gw_exchange *x, struct gw_error *err);
enum gw_code gw_handle_block_remove(struct gw_exchange *x, struct gw_error *err);
enum gw_code gw_handle_block_remove_network(struct gw_exchange *x, struct gw_error *err);

enum gw_code gw_handle_mode_get(struct gw_exchange *x, struct gw_error *err);
enum gw_code gw_handle_mode_set(struct gw_exchange *x, struct gw_error *err);
enum gw_code gw_handle_panic(struct gw_exchange *x, struct gw_error *err);

enum gw_code gw_handle_lockout_list(struct gw_exchange *x, struct gw_error *err);
enum gw_code gw_handle_lockout_clear(struct gw_exchange *x, struct gw_error *err);

enum gw_code gw_handle_policy_reload(struct gw_exchange *x, struct gw_error *err);
enum gw_code gw_handle_status(struct gw_exchange *x, struct gw_error *err);
