/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The operator's side of the management calls: over control's admin.sock while control runs, else the same dispatch in this
 * process under the home directory's lock. The command line makes a gw_operator, calls, and frees it; it need not know which
 * of the two answered. One thread.
 */
#include "base/json.h"
#include "config/fault.h"
#include "config/option.h"
#include "control/app.h"

struct gw_operator;

/* when_down: as what the home is opened here when control is down; GW_APP_CONTROL for calls that workers must hear of. Finds the run directory from home's gateway.yaml. Faults of the files are added to f (GW_EINVAL). GW_ECONFLICT: control holds
 * the home directory but does not answer yet. GW_ETIMEOUT: control has taken the connection and not answered in seconds. GW_EDENIED: the socket is not for this user. */
GW_MUST_CHECK enum gw_code gw_operator_open(const char *home, gw_getenv_fn getenv_fn, enum gw_app_mode when_down,
                                            struct gw_faults *f, struct gw_operator **out, struct gw_error *err);
void gw_operator_free(struct gw_operator *o);
GW_DEFINE_AUTO_FREE(gw_operator);
/* Control answers; false: the calls run in this process. */
bool gw_operator_is_online(const struct gw_operator *o);

struct gw_answer {
    unsigned status;
    json_t *body; /* NULL: the answer has none */
};
static inline void gw_answer_done(struct gw_answer *a)
{
    json_decref(a->body);
    a->body = NULL;
}
GW_DEFINE_AUTO_DONE(gw_answer);

/* target: path and query, canonical ("/aaiti/v1/users/bob"). body NULL: none; borrowed. GW_OK whatever the status: a refusal
 * is an answer. GW_EBACKEND, GW_ETIMEOUT, GW_EPARSE: there was none. */
GW_MUST_CHECK enum gw_code gw_operator_call(struct gw_operator *o, const char *method, const char *target,
                                            const json_t *body, struct gw_answer *out, struct gw_error *err);
/* What a refusal says, for the terminal: its detail, else its error. Borrowed from the answer. */
const char *gw_answer_text(const struct gw_answer *a);

/* One call over run_dir/admin.sock. GW_ENOTFOUND: nobody listens there. */
GW_MUST_CHECK enum gw_code gw_client_call(const char *run_dir, const char *method, const char *target,
                                          struct gw_str body, struct gw_answer *out, struct gw_error *err);
/* A GET of what control answers at once, if it answers at all. GW_ETIMEOUT: it has not in seconds; the error says which process to end. */
GW_MUST_CHECK enum gw_code gw_client_ask(const char *run_dir, const char *target, struct gw_answer *out,
                                         struct gw_error *err);
