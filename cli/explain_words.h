/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the stages say of a request, as `aaiti explain METHOD PATH` puts it in words. Only what they let pass: a refusal has its own (include/gw/reason.def). One thread.
 */
#include "base/json.h"
#include "home.h"
#include "modes.h"
#include "pipeline/rehearse.h"
#include "token/api_key.h"

/* A question, and what is known of who asks. Of cmd_explain.c, which fills it. */
struct explain {
    struct gw_cli *cli;
    struct cli_home h;
    struct gw_mode_set modes;
    struct gw_str method, target;
    struct gw_ip client;
    bool has_client;
    struct gw_live_block block; /* that the client is under */
    bool has_block;
    bool signed_in, is_role; /* is_role: anybody of that role, no user in particular */
    struct gw_live_user who;
    bool by_key;
    struct gw_live_key key;
    char key_text[GW_API_KEY_LEN + 1]; /* its id, as the list shows it */
    json_t *key_shown;                 /* as control shows it */
    struct gw_rehearsed asked;         /* with a Bearer token or the key, or by nobody; the answer */
    struct gw_rehearsed by_cookie;     /* the same by cookie, without proof of the same origin */
    struct gw_rehearsed foreign;       /* the same from another site's page */
};

/* Why the stage is content with e->asked. */
void cli_explain_tell(const struct explain *e, enum gw_stage_id stage, struct gw_buf *b);
