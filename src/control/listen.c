/* SPDX-License-Identifier: Apache-2.0 */
#include "control/listen.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 128

enum gw_code gw_listen(const char *run_dir, const char *name, mode_t mode, int *out_fd, struct gw_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    gw_auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int n = snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", run_dir, name);
    if (n < 0 || (size_t)n >= sizeof(address.sun_path))
        return gw_fail(err, GW_EINVAL, "the name `%s/%s` is too long for a socket", run_dir, name);
    if (unlink(address.sun_path) != 0 && errno != ENOENT)
        return gw_fail(err, GW_EBACKEND, "cannot replace `%s`: %s", address.sun_path, strerror(errno));
    mode_t before = umask((mode_t)(~mode & 0777));
    bool bound = fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
    int why = errno;
    (void)umask(before);
    if (!bound)
        return gw_fail(err, GW_EBACKEND, "cannot bind `%s`: %s", address.sun_path, strerror(why));
    if (listen(fd, BACKLOG) != 0)
        return gw_fail(err, GW_EBACKEND, "cannot listen on `%s`: %s", address.sun_path, strerror(errno));
    *out_fd = fd;
    fd = -1;
    return GW_OK;
}

bool gw_listen_peer_is_operator(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || size != sizeof(peer))
        return false;
    return peer.uid == 0 || peer.uid == geteuid();
}

bool gw_listen_peer_is_gone(int fd)
{
    char byte;
    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}
