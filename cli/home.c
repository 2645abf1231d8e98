/* SPDX-License-Identifier: Apache-2.0 */
#include "home.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define LOOK_MS 20
#define PATIENCE_MS 5000
#define ARENA_MAX_BYTES (32 * 1024 * 1024)

const char *cli_getenv(const char *name)
{
    return getenv(name);
}

bool cli_home_wait(unsigned *waited_ms)
{
    const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};
    if (*waited_ms >= PATIENCE_MS)
        return false;
    *waited_ms += LOOK_MS;
    return nanosleep(&pause, NULL) == 0;
}

int cli_home_is_there(struct gw_cli *cli)
{
    if (access(cli->home, F_OK) == 0 || errno != ENOENT)
        return GW_EXIT_YES;
    return gw_cli_fail(
        cli, GW_EXIT_NO,
        "there is no home directory `%s`; name another with --home, or make it with `aaiti init --home %s`", cli->home,
        cli->home);
}

int cli_home_settings(struct gw_cli *cli, struct cli_home *out)
{
    struct gw_error err = {0};
    *out = (struct cli_home){0};
    int status = cli_home_is_there(cli);
    if (status != GW_EXIT_YES)
        return status;
    gw_arena_init(&out->arena, ARENA_MAX_BYTES);
    out->settings_file = gw_settings_path(&out->arena, cli->home, GW_STR("gateway.yaml"));
    if (out->settings_file == NULL)
        return gw_cli_fail(cli, GW_EXIT_UNKNOWN, "no memory");
    if (gw_faults_new(&out->faults, &err) != GW_OK)
        return gw_cli_fail_error(cli, &err);
    gw_settings_load(out->settings_file, cli_getenv, &out->arena, &out->settings, out->faults);
    return GW_EXIT_YES;
}

int cli_home_policy(struct gw_cli *cli, const char *file, struct cli_home *h)
{
    struct gw_error err = {0};
    const struct gw_upstream_override override = {h->settings.upstream_url, h->settings.upstream_key_file};
    h->policy_file = file != NULL ? file : gw_settings_path(&h->arena, cli->home, h->settings.policy);
    if (h->policy_file == NULL)
        return gw_cli_fail(cli, GW_EXIT_UNKNOWN, "no memory");
    enum gw_code code = gw_policy_load(h->policy_file, &override, h->faults, &h->policy, &err);
    if (code != GW_OK && code != GW_EINVAL)
        return gw_cli_fail_error(cli, &err);
    return GW_EXIT_YES;
}

void cli_home_done(struct cli_home *h)
{
    gw_policy_free(h->policy);
    gw_faults_free(h->faults);
    gw_arena_done(&h->arena);
}
