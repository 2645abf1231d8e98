/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A gate with all that it needs around it, for tests, fuzzing and measurement: a run directory with a bundle, a writer in
 * control's place, keys, a fake clock. Never part of the library. Whatever fails in here ends the process.
 */
#include "pipeline/pipeline.h"

#define GW_RIG_NOW_S INT64_C(1800000000)
#define GW_RIG_SEGMENT_AGE_S 100
#define GW_RIG_HEADERS_MAX 64
#define GW_RIG_PATH_MAX 160
#define GW_RIG_JOURNAL_FILES 4

struct gw_rig {
    char dir[32];
    char token_key_file[GW_RIG_PATH_MAX], upstream_key_file[GW_RIG_PATH_MAX], request_id_key_file[GW_RIG_PATH_MAX];
    char journal_dir[GW_RIG_PATH_MAX], mode_dir[GW_RIG_PATH_MAX];
    struct gw_ip peer;                               /* from which the next request comes: 192.0.2.1 */
    const struct gw_client_certificate *certificate; /* that it shows; NULL: none */
    struct gw_fake_clock clock;
    struct gw_gate *gate;
    struct gw_shared *writer;
    struct gw_token_ring ring;
    /* of the last request */
    struct gw_arena arena;
    struct gw_header headers[GW_RIG_HEADERS_MAX];
    struct gw_request_head head;
    struct gw_decision decision;
    struct gw_request *request;
};

/* Policy text NULL: a small one that has a route of every kind. The gate is started, its snapshot installed, the segment ready. */
void gw_rig_new(struct gw_rig *rig, const char *policy);
void gw_rig_free(struct gw_rig *rig);
/* What its gate was made with; strings are the rig's. */
struct gw_gate_options gw_rig_options(const struct gw_rig *rig);
/* Sets a mode as the operator would, until it is lifted. name: of the group or the user, "" for everybody. */
void gw_rig_set_mode(struct gw_rig *rig, enum gw_mode_scope scope, uint32_t user, const char *name, enum gw_mode mode);
/* One turn of the journal's upkeep, which must have something to do and succeed. gw_rig_new has done the first. */
void gw_rig_upkeep(struct gw_rig *rig);
/* Writes a bundle of these texts (NULL: the rig's own) and publishes it. hash: 64 hex digits. */
void gw_rig_publish(struct gw_rig *rig, const char *hash, const char *settings, const char *policy);

struct gw_uuid gw_rig_uuid(uint32_t n);
/* Users and sessions by number; upstream_id "" for none. */
void gw_rig_put_user(struct gw_rig *rig, uint32_t n, const char *role, const char *upstream_id);
void gw_rig_put_session(struct gw_rig *rig, uint32_t n, uint32_t user);

/* network: "192.0.2.0/24"; from now on, for an hour. */
void gw_rig_put_block(struct gw_rig *rig, const char *network, enum gw_block_kind kind);

/* Token of session n of a user, jti 1000 + n, an hour long. Static storage of a few tokens. */
const char *gw_rig_token(struct gw_rig *rig, uint32_t session, uint32_t user);
/* The same with the claims as the caller wants them. */
const char *gw_rig_token_of(struct gw_rig *rig, const struct gw_jwt_issue *issue);
struct gw_jwt_issue gw_rig_issue(uint32_t session, uint32_t user);

/* Judges "METHOD target" with header lines "name: value", NULL-terminated; over TLS from its peer. The decision is rig->decision. */
const struct gw_decision *gw_rig_ask(struct gw_rig *rig, const char *method, const char *target,
                                     const char *const *headers);
/* The header of that name was marked to stay behind. */
bool gw_rig_dropped(const struct gw_rig *rig, const char *name);
