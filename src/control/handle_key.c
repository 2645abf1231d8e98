/* SPDX-License-Identifier: Apache-2.0 */
/* Calls about keys: what there is, and their exchange. A secret comes in a body and never goes out. */
#include "control/exchange.h"
#include "control/log.h"
#include "control/rotation.h"
#include "identity/sealed.h"
#include "policy/policy.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static json_t *nginx_member(enum gw_rotation_told told)
{
    return json_string(told == GW_TOLD ? "told" : "to-be-reloaded");
}

static void log_exchange(const struct gw_exchange *x, struct gw_str what, enum gw_rotation_told told)
{
    gw_log(GW_LOG_INFO, "key", {"by", gw_exchange_actor(x)}, {"request", x->call->request_id}, {"what", what},
           {"nginx", told == GW_TOLD ? GW_STR("told") : GW_STR("to be reloaded")});
}

/* ---- listing ---- */

static json_t *signing_key(const struct gw_token_ring *ring, enum gw_token_generation g, const struct gw_settings *s)
{
    json_t *key = json_pack("{s:s, s:s, s:o}", "generation", gw_token_generation_name(g), "kid",
                            gw_token_key_id(ring->keys[g]).ptr, "since", gw_reply_time(ring->since_s[g]));
    if (g == GW_TOKEN_PREVIOUS)
        (void)json_object_set_new(key, "until", gw_reply_time(gw_rotation_previous_until_s(ring, s)));
    return key;
}

static json_t *signing_keys(struct gw_exchange *x)
{
    gw_app_hold_keys(x->app);
    const struct gw_token_ring *ring = gw_app_ring(x->app);
    json_t *keys = json_array();
    for (int g = 0; g < GW_TOKEN_GENERATIONS; g++)
        if (ring->keys[g] != NULL)
            (void)json_array_append_new(keys, signing_key(ring, (enum gw_token_generation)g, x->view->settings));
    json_t *all =
        json_pack("{s:s, s:o}", "algorithm", gw_token_key_algorithm(ring->keys[GW_TOKEN_CURRENT]).ptr, "keys", keys);
    gw_app_release_keys(x->app);
    return all;
}

static json_t *upstream_keys(struct gw_exchange *x)
{
    static const char *const suffixes[] = {"", ".next"};
    const struct gw_keys_source source = gw_app_keys_source(x->app, x->view);
    const char *path = gw_keys_upstream_file(x->arena, &source);
    json_t *keys = json_array();
    for (size_t i = 0; path != NULL && i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        char name[4096];
        struct stat st;
        (void)snprintf(name, sizeof(name), "%s%s", path, suffixes[i]);
        if (stat(name, &st) == 0)
            (void)json_array_append_new(keys, json_pack("{s:s, s:o}", "generation", i == 0 ? "current" : "next",
                                                        "since", gw_reply_time(st.st_mtim.tv_sec)));
    }
    return json_pack("{s:s?, s:o}", "file", path, "keys", keys);
}

static json_t *request_id_key(struct gw_exchange *x)
{
    const struct gw_keys_source source = gw_app_keys_source(x->app, x->view);
    const char *path = gw_settings_path(x->arena, source.home, source.settings->request_id_key_file);
    struct stat st;
    bool is_there = path != NULL && stat(path, &st) == 0;
    return json_pack("{s:s?, s:o}", "file", path, "since", is_there ? gw_reply_time(st.st_mtim.tv_sec) : json_null());
}

static json_t *data_keys_json(const struct gw_data_key *keys, size_t count)
{
    static const char *const states[] = {
        [GW_DATA_KEY_SEALING] = "sealing", [GW_DATA_KEY_OPENING] = "opening", [GW_DATA_KEY_RETIRED] = "retired"};
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        (void)json_array_append_new(list,
                                    json_pack("{s:I, s:s, s:o, s:o, s:I}", "id", (json_int_t)keys[i].id, "state",
                                              states[keys[i].state], "since", gw_reply_time(keys[i].created_s), "until",
                                              gw_reply_time(keys[i].retired_s), "secrets", (json_int_t)keys[i].rows));
    return list;
}

static enum gw_code data_keys(struct gw_exchange *x, json_t **out, struct gw_error *err)
{
    struct gw_sealed *sealed = NULL;
    struct gw_data_key *keys = NULL;
    size_t count = 0;
    GW_TRY(gw_app_sealed(x->app, &sealed, err));
    GW_TRY(gw_sealed_keys(sealed, &keys, &count, err));
    *out = json_pack("{s:o}", "keys", data_keys_json(keys, count));
    free(keys);
    return GW_OK;
}

enum gw_code gw_handle_key_list(struct gw_exchange *x, struct gw_error *err)
{
    json_t *data = NULL;
    GW_TRY(data_keys(x, &data, err));
    return gw_reply_json(x, 200,
                         json_pack("{s:o, s:o, s:o, s:o}", "signing", signing_keys(x), "upstream", upstream_keys(x),
                                   "requestId", request_id_key(x), "data", data),
                         err);
}

/* ---- exchange ---- */

static enum gw_code intend(struct gw_exchange *x, const char *key, const char *step, struct gw_audit_row *out,
                           struct gw_error *err)
{
    return gw_exchange_intend(x,
                              &(struct gw_deed){.action = "key_rotated",
                                                .resource_type = "keys",
                                                .resource_name = key,
                                                .details = json_pack("{s:s}", "step", step)},
                              out, err);
}

enum gw_code gw_handle_key_rotate_signing(struct gw_exchange *x, struct gw_error *err)
{
    enum gw_rotation_told told = GW_NOBODY_TOLD;
    bool force = json_is_true(json_object_get(x->body, "force"));
    struct gw_audit_row row;
    GW_TRY(intend(x, "signing", force ? "by force" : "in turn", &row, err));
    enum gw_code code = gw_rotation_sign(x->app, force ? GW_ROTATE_NOW : GW_ROTATE_IN_TURN, &told, err);
    GW_TRY(gw_exchange_conclude(x, &row, code));
    log_exchange(x, force ? GW_STR("signing key rotated by force") : GW_STR("signing key rotated"), told);
    json_t *body = json_pack("{s:o, s:o}", "signing", signing_keys(x), "nginx", nginx_member(told));
    return gw_reply_json(x, 200, body, err);
}

enum gw_code gw_handle_key_stage_upstream(struct gw_exchange *x, struct gw_error *err)
{
    enum gw_rotation_told told = GW_NOBODY_TOLD;
    struct gw_audit_row row;
    GW_TRY(intend(x, "upstream", "stage", &row, err));
    enum gw_code code = gw_rotation_stage_upstream(x->app, gw_exchange_str(x, "secret"), &told, err);
    GW_TRY(gw_exchange_conclude(x, &row, code));
    log_exchange(x, GW_STR("next upstream secret staged"), told);
    return gw_reply_json(x, 200, json_pack("{s:o}", "nginx", nginx_member(told)), err);
}

enum gw_code gw_handle_key_finish_upstream(struct gw_exchange *x, struct gw_error *err)
{
    enum gw_rotation_told told = GW_NOBODY_TOLD;
    struct gw_audit_row row;
    GW_TRY(intend(x, "upstream", "finish", &row, err));
    GW_TRY(gw_exchange_conclude(x, &row, gw_rotation_finish_upstream(x->app, &told, err)));
    log_exchange(x, GW_STR("next upstream secret is the current one"), told);
    return gw_reply_json(x, 200, json_pack("{s:o}", "nginx", nginx_member(told)), err);
}

enum gw_code gw_handle_key_rotate_data(struct gw_exchange *x, struct gw_error *err)
{
    struct gw_sealed *sealed = NULL;
    json_t *data = NULL;
    uint32_t id = 0;
    char number[16];
    struct gw_audit_row row;
    GW_TRY(gw_app_sealed(x->app, &sealed, err));
    GW_TRY(intend(x, "data", "rotate", &row, err));
    GW_TRY(gw_exchange_conclude(x, &row, gw_sealed_rotate(sealed, &id, err)));
    (void)snprintf(number, sizeof(number), "%u", id);
    gw_log(GW_LOG_INFO, "key", {"by", gw_exchange_actor(x)}, {"request", x->call->request_id},
           {"what", GW_STR("data key rotated")}, {"id", gw_str(number)});
    GW_TRY(data_keys(x, &data, err));
    return gw_reply_json(x, 200, json_pack("{s:o}", "data", data), err);
}
