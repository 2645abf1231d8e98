/* SPDX-License-Identifier: Apache-2.0 */
#include <gw/cleanup.h>

#include <errno.h>
#include <unistd.h>

void gw_fd_auto_(int *fd)
{
    /* The scope may be leaving with an errno that the caller is about to read. */
    int saved = errno;
    if (*fd >= 0)
        close(*fd);
    errno = saved;
}
