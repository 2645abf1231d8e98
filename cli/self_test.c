/* SPDX-License-Identifier: Apache-2.0 */
#include "self_test.h"
#include "base/clock.h"
#include "control/client.h"
#include "crypto/secret.h"
#include "pipeline/mint.h"
#include "probe.h"

#define TIMEOUT_MS 3000

static bool copy_member(const json_t *user, const char *name, char *dst, size_t size)
{
    const char *value = json_string_value(json_object_get(user, name));
    return gw_str_copy(gw_str(value), dst, size);
}

static bool read_user(const json_t *user, const struct gw_upstream *u, struct gw_live_user *out)
{
    const char *id = json_string_value(json_object_get(user, "id"));
    *out = (struct gw_live_user){.version = 1, .active = json_is_true(json_object_get(user, "active"))};
    return gw_uuid_parse(gw_str(id), &out->id) == GW_OK &&
           copy_member(user, "username", out->username, sizeof(out->username)) &&
           copy_member(user, "email", out->email, sizeof(out->email)) &&
           copy_member(user, "role", out->role, sizeof(out->role)) &&
           copy_member(user, "upstreamId", out->upstream_id, sizeof(out->upstream_id)) && out->active &&
           (!u->needs_upstream_id || out->upstream_id[0] != '\0');
}

/* The first who could be shown to the backend; an admin where there is one, for he may read most there. */
static enum gw_code find_user(const struct gw_self_test *t, struct gw_live_user *out, struct gw_error *err)
{
    gw_auto(gw_answer) struct gw_answer answer = {0};
    struct gw_live_user user;
    const json_t *row;
    size_t i;
    bool found = false;
    GW_TRY(gw_client_call(t->run_dir, "GET", "/aaiti/v1/users", GW_STR_NULL, &answer, err));
    if (answer.status != 200)
        return gw_fail(err, GW_EBACKEND, "control does not list its users: %s", gw_answer_text(&answer));
    json_array_foreach (json_object_get(answer.body, "users"), i, row) {
        if (!read_user(row, t->upstream, &user))
            continue;
        bool admin = gw_str_eq(gw_str(user.role), GW_STR("admin"));
        if (!found || admin)
            *out = user;
        found = true;
        if (admin)
            break;
    }
    if (!found)
        return gw_fail(err, GW_ENOTFOUND,
                       "not done: no active user has an upstream_id; set one with: "
                       "aaiti user set NAME --upstream-id ID");
    return GW_OK;
}

static enum gw_code make_header(const struct gw_self_test *t, const struct gw_live_user *user, struct gw_buf *out,
                                struct gw_error *err)
{
    gw_auto(gw_arena) struct gw_arena a = {0};
    gw_auto(gw_secret) struct gw_secret *key = NULL;
    gw_auto(gw_mint) struct gw_mint *mint = NULL;
    struct gw_str name = gw_mint_header(t->upstream), value;
    gw_arena_init(&a, 64 * 1024);
    GW_TRY(gw_secret_load_foreign(t->key_file, &key, err));
    GW_TRY(gw_mint_new(key, &mint, err));
    enum gw_code code = gw_mint_credential(mint, t->upstream, user, 1, gw_clock_real_s(gw_system_clock()), &a, &value);
    if (code != GW_OK)
        return gw_fail(err, code, "cannot make the backend's credential: %s", gw_code_text(code));
    gw_buf_addf(out, "%.*s: %.*s", GW_STR_ARG(name), GW_STR_ARG(value));
    gw_wipe((char *)(uintptr_t)value.ptr, value.len); /* the arena is ours */
    return gw_buf_check(out, err);
}

static enum gw_code judge(const struct gw_self_test *t, unsigned status, const char *username, struct gw_error *err)
{
    struct gw_str url = t->upstream->url, path = t->path;
    if (status < 400)
        return GW_OK;
    if (status == 401 || status == 403)
        return gw_fail(err, GW_EDENIED,
                       "the backend refuses our credential: %.*s%.*s answered %u for user %s. Is the upstream key the "
                       "backend's own secret, and is the user's upstream_id an active user there?",
                       GW_STR_ARG(url), GW_STR_ARG(path), status, username);
    if (status == 404)
        return gw_fail(err, GW_ENOTFOUND, "the backend has no %.*s: set self_test.path to a path that it has",
                       GW_STR_ARG(path));
    return gw_fail(err, GW_EBACKEND, "%.*s%.*s answered %u", GW_STR_ARG(url), GW_STR_ARG(path), status);
}

static enum gw_code ask(const struct gw_self_test *t, struct gw_str header, unsigned *out_status, struct gw_error *err)
{
    struct gw_error why = {0};
    const struct gw_probe probe = {
        .transport = GW_PROBE_PLAIN,
        .host = t->upstream->host,
        .port = t->upstream->port,
        .path = t->path,
        .header = header,
        .timeout_ms = TIMEOUT_MS,
    };
    enum gw_code code = gw_probe_get(&probe, out_status, &why);
    if (code != GW_OK)
        return gw_fail(err, code, "the backend %.*s does not answer: %s", GW_STR_ARG(t->upstream->url), why.msg);
    return GW_OK;
}

enum gw_code gw_self_test_run(const struct gw_self_test *t, struct gw_error *err)
{
    struct gw_live_user user = {0};
    unsigned status;
    gw_auto(gw_buf) struct gw_buf header = {0};
    gw_buf_init(&header, 16 * 1024);
    if (t->key_file != NULL) {
        GW_TRY(find_user(t, &user, err));
        GW_TRY(make_header(t, &user, &header, err));
    }
    GW_TRY(ask(t, gw_buf_str(&header), &status, err));
    return judge(t, status, user.username, err);
}
