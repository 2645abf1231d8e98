/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Where a running gateway keeps what need not outlive it, on tmpfs: segments, bundles, sockets. Beside it, in NAME.nginx,
 * stand nginx.conf, nginx's pid and temporary files, which belong to whoever runs `aaiti serve`: control must not be able to
 * replace what a root nginx reads.
 *
 *     authority  counters             segments (shared/shared.h)
 *     bundles/HASH/{gateway,policy}.yaml
 *     web.sock                        control's socket for the data plane: every call needs a token
 *     admin.sock                      control's socket for root and control's own user (SO_PEERCRED): operator calls
 *     keys/                           secrets that came by environment variable
 *     NAME.nginx/certificate.pem      the certificates that nginx shows, for whoever makes calls through it and cannot read tls.certificate itself
 *     NAME.nginx/own.pem              key and certificate that calls of the gateway's own show the listener, where that wants one of each client
 *     NAME.nginx/client-{ca,crl}.pem  who signs clients' certificates, and which are revoked, as nginx reads them
 *     NAME.nginx/tls-N.pem            the same with their keys and chains, as nginx reads them
 *     NAME.nginx/pairs                which of all these are in use, for `aaiti cert reload`
 *     NAME.nginx/nginx.pid            of nginx's master
 *     NAME.nginx/serve.pid            of `aaiti serve`, while it holds the directory's lock
 */
#include "config/settings.h"
#include <sys/types.h>

#define GW_RUN_PATH_MAX 96 /* with "/admin.sock" it fits sockaddr_un.sun_path, which holds 108 */
#define GW_RUN_NGINX_SUFFIX ".nginx"
#define GW_RUN_CERTIFICATE "certificate.pem"
#define GW_RUN_OWN "own.pem"
#define GW_RUN_CLIENT_CA "client-ca.pem"
#define GW_RUN_CLIENT_CRL "client-crl.pem"
#define GW_RUN_SERVE_PID "serve.pid"
#define GW_RUN_PAIRS "pairs"
#define GW_RUN_NGINX_PID "nginx.pid"
#define GW_RUN_DIR_FILE_MAX 256 /* the name of any file in it, with the NUL */

/* settings->run_dir, else /dev/shm/aaiti-UID-HASH (UID: owner of home, so that root and control's user agree; HASH: 8 hex digits
 * of SHA-256 over the real path of home). Where there is no /dev/shm to write to: the same name in /run for root, home/run for
 * others. dst holds GW_RUN_PATH_MAX + 1. GW_ENOTFOUND: there is no such home. */
GW_MUST_CHECK enum gw_code gw_run_dir_name(const struct gw_settings *s, const char *home, char *dst,
                                           struct gw_error *err);
/* Makes it (02750), or refuses one that is a symlink or belongs to another (GW_EDENIED): /dev/shm is everybody's. group (gid_t)-1: left
 * as it is. */
GW_MUST_CHECK enum gw_code gw_run_dir_make(const char *dir, uid_t owner, gid_t group, struct gw_error *err);
/* When the gateway has ended: keys that came by environment must not lie there longer, nor segments take memory. What cannot be
 * removed stays. Nothing may use the directory any more. */
void gw_run_dir_remove(const char *dir);
