/* SPDX-License-Identifier: Apache-2.0 */
#include "serve_config.h"
#include "home.h"
#include <unistd.h>

#define ARENA_MAX_BYTES (4 * 1024 * 1024)

static void print_faults(const struct gw_faults *f, FILE *told)
{
    gw_auto(gw_buf) struct gw_buf text = {0};
    gw_buf_init(&text, 256 * 1024);
    gw_faults_print(f, &text);
    (void)fputs(text.len > 0 ? text.ptr : "", told);
}

static enum gw_code load_settings(struct gw_serve_config *c, const char *home, struct gw_faults *f,
                                  struct gw_error *err)
{
    const char *file = gw_settings_path(&c->arena, home, GW_STR("gateway.yaml"));
    if (file == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for the settings");
    if (access(file, F_OK) != 0)
        return gw_fail(err, GW_ENOTFOUND, "there is no %s; make a home with `aaiti init --home %s`", file, home);
    gw_settings_load(file, cli_getenv, &c->arena, &c->settings, f);
    return gw_faults_count(f) == 0 ? GW_OK : gw_fail(err, GW_EINVAL, "the settings are refused");
}

static enum gw_code load_policy(struct gw_serve_config *c, const char *home, struct gw_faults *f, struct gw_error *err)
{
    const struct gw_upstream_override override = {c->settings.upstream_url, c->settings.upstream_key_file};
    const char *file = gw_settings_path(&c->arena, home, c->settings.policy);
    if (file == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for the policy");
    return gw_policy_load(file, &override, f, &c->policy, err);
}

struct gw_keys_source gw_serve_config_keys(const struct gw_serve_config *c, const char *home)
{
    return (struct gw_keys_source){
        .home = home,
        .settings = &c->settings,
        .upstream = gw_policy_upstream(c->policy),
        .getenv_fn = cli_getenv,
    };
}

static enum gw_code check_keys(const struct gw_serve_config *c, const char *home, struct gw_error *err)
{
    gw_auto(gw_keys) struct gw_keys keys = {0};
    gw_auto(gw_secret) struct gw_secret *encryption = NULL;
    const struct gw_keys_source source = gw_serve_config_keys(c, home);
    GW_TRY(gw_keys_load(&source, &keys, err));
    enum gw_code code = gw_keys_load_encryption(&source, &keys, &encryption, err);
    /* Control makes a missing one, if the database has no need of the one that was. */
    return code == GW_ENOTFOUND && gw_keys_file_is_ours(c->settings.encryption_key_file) ? GW_OK : code;
}

static enum gw_code read_all(struct gw_serve_config *c, const char *home, struct gw_faults *f, struct gw_error *err)
{
    GW_TRY(load_settings(c, home, f, err));
    GW_TRY(load_policy(c, home, f, err));
    GW_TRY(check_keys(c, home, err));
    return gw_pairs_read(&c->settings, home, &c->pairs, err);
}

enum gw_code gw_serve_config_load(const char *home, FILE *told, struct gw_serve_config *out, struct gw_error *err)
{
    gw_auto(gw_faults) struct gw_faults *faults = NULL;
    gw_auto(gw_serve_config) struct gw_serve_config c = {.policy = NULL};
    GW_TRY(gw_faults_new(&faults, err));
    gw_arena_init(&c.arena, ARENA_MAX_BYTES);
    enum gw_code code = read_all(&c, home, faults, err);
    print_faults(faults, told);
    if (code != GW_OK)
        return code;
    gw_serve_config_done(out);
    *out = c;
    c = (struct gw_serve_config){.policy = NULL};
    return GW_OK;
}

enum gw_code gw_serve_config_read_pairs(struct gw_serve_config *c, const char *home, struct gw_error *err)
{
    struct gw_pairs pairs;
    GW_TRY(gw_pairs_read(&c->settings, home, &pairs, err));
    gw_pairs_done(&c->pairs);
    c->pairs = pairs;
    return GW_OK;
}

void gw_serve_config_done(struct gw_serve_config *c)
{
    gw_policy_free(c->policy);
    gw_pairs_done(&c->pairs);
    gw_arena_done(&c->arena);
}
