/* SPDX-License-Identifier: Apache-2.0 */
#include "doorbell.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum gw_code gw_doorbell_open(struct gw_doorbell *d, struct gw_error *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return gw_fail(err, GW_EBACKEND, "cannot make a pipe: %s", strerror(errno));
    *d = (struct gw_doorbell){.hearing = ends[0], .button = ends[1]};
    if (fcntl(d->hearing, F_SETOWN, getpid()) != 0 || fcntl(d->hearing, F_SETFL, O_NONBLOCK | O_ASYNC) != 0) {
        enum gw_code code = gw_fail(err, GW_EBACKEND, "cannot listen on a pipe: %s", strerror(errno));
        gw_doorbell_close(d);
        return code;
    }
    return GW_OK;
}

bool gw_doorbell_was_rung(const struct gw_doorbell *d)
{
    char bytes[64];
    bool rung = false;
    while (read(d->hearing, bytes, sizeof(bytes)) > 0)
        rung = true;
    return rung;
}

void gw_doorbell_close(struct gw_doorbell *d)
{
    (void)close(d->hearing);
    (void)close(d->button);
}
