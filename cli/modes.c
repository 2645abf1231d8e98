/* SPDX-License-Identifier: Apache-2.0 */
#include "modes.h"
#include "base/buf.h"
#include "home.h"
#include <errno.h>
#include <fcntl.h>
#include <gw/cleanup.h>
#include <string.h>

/* Who asks about another home than he thinks must not be told that nothing was pressed. */
int cli_mode_dir(struct gw_cli *cli, int *out)
{
    gw_auto(gw_buf) struct gw_buf path = {0};
    struct gw_error err = {0};
    int status = cli_home_is_there(cli);
    if (status != GW_EXIT_YES)
        return status;
    gw_buf_init(&path, 8 * 1024);
    gw_buf_addf(&path, "%s/" GW_MODE_DIR, cli->home);
    if (gw_buf_check(&path, &err) != GW_OK)
        return gw_cli_fail_error(cli, &err);
    *out = open(path.ptr, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (*out < 0 && errno != ENOENT)
        return gw_cli_fail(cli, GW_EXIT_UNKNOWN, "%s: %s", path.ptr, strerror(errno));
    return GW_EXIT_YES;
}

int cli_modes(struct gw_cli *cli, struct gw_mode_set *out)
{
    gw_auto_fd int dir = -1;
    int status = cli_mode_dir(cli, &dir);
    if (status != GW_EXIT_YES)
        return status;
    out->count = 0;
    if (dir < 0)
        return GW_EXIT_YES;
    gw_mode_load(dir, out);
    return GW_EXIT_YES;
}
