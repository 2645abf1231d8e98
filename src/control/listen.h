/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Listening unix sockets of the run directory, and who is at their other end. */
#include <gw/cleanup.h>
#include <gw/error.h>
#include <stdbool.h>
#include <sys/types.h>

/* Removes what a predecessor left, binds run_dir/name with this mode from the first moment on. Changes the umask meanwhile: call
 * it before threads that make files. */
GW_MUST_CHECK enum gw_code gw_listen(const char *run_dir, const char *name, mode_t mode, int *out_fd,
                                     struct gw_error *err);
/* The peer of an accepted connection is root or this process's own user (SO_PEERCRED). */
bool gw_listen_peer_is_operator(int fd);
/* The peer has closed its side: nobody waits for an answer. */
bool gw_listen_peer_is_gone(int fd);
