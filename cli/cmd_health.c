/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `aaiti health`: is the gateway of this home directory serving? Asks both planes. The data plane is asked in plain text: nginx answers
 * that on its TLS port with an HTTP error, which only a living worker can do, and needs no TLS client here.
 */
#include "call.h"
#include "commands.h"
#include "control/client.h"
#include "control/run_dir.h"
#include "home.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define PROBE_TIMEOUT_S 3

/* listen is ADDRESS:PORT or [ADDRESS]:PORT, as the settings have checked; an any-address is reached by loopback. */
static bool listen_address(struct gw_str listen, struct sockaddr_in6 *out)
{
    size_t colon = listen.len;
    struct gw_ip ip;
    int64_t port;
    while (colon > 0 && listen.ptr[colon - 1] != ':')
        colon--;
    if (colon == 0 || !gw_str_to_i64(gw_str_sub(listen, colon, listen.len), &port))
        return false;
    struct gw_str host = gw_str_sub(listen, 0, colon - 1);
    if (host.len >= 2 && host.ptr[0] == '[')
        host = gw_str_sub(host, 1, host.len - 2);
    if (gw_ip_parse(host, &ip) != GW_OK)
        return false;
    *out = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    memcpy(&out->sin6_addr, ip.b, sizeof(ip.b));
    static const char any_v4[] = {0, 0, 0, 0};
    if (gw_ip_is_v4(&ip) && memcmp(ip.b + 12, any_v4, sizeof(any_v4)) == 0)
        memcpy(out->sin6_addr.s6_addr + 12, "\x7f\x00\x00\x01", 4);
    return true;
}

static bool data_plane_answers(struct gw_str listen)
{
    static const char request[] = "GET /aaiti/health HTTP/1.0\r\n\r\n";
    static const char answer_start[] = "HTTP/1.";
    char answer[sizeof(answer_start) - 1];
    struct sockaddr_in6 to;
    const struct timeval limit = {.tv_sec = PROBE_TIMEOUT_S};
    if (!listen_address(listen, &to))
        return false;
    gw_auto_fd int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0 &&
           setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) == 0 &&
           connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 &&
           send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) == (ssize_t)(sizeof(request) - 1) &&
           recv(fd, answer, sizeof(answer), MSG_WAITALL) == (ssize_t)sizeof(answer) &&
           memcmp(answer, answer_start, sizeof(answer)) == 0;
}

static const char *control_state(struct gw_cli *cli, const struct gw_settings *s)
{
    char run_dir[GW_RUN_PATH_MAX + 1];
    gw_auto(gw_answer) struct gw_answer answer = {0};
    if (gw_run_dir_name(s, cli->home, run_dir, NULL) != GW_OK)
        return "down";
    enum gw_code code = gw_client_call(run_dir, "GET", "/aaiti/v1/status", GW_STR_NULL, &answer, NULL);
    if (code == GW_EDENIED)
        return "unknown";
    return code == GW_OK && answer.status == 200 ? "up" : "down";
}

int cmd_health(struct gw_cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    cli_auto_home struct cli_home h = {0};
    int status = cli_home_settings(cli, &h);
    if (status != GW_EXIT_YES)
        return status;
    if (gw_faults_count(h.faults) > 0) {
        cli_print_faults(cli, h.faults);
        return GW_EXIT_UNKNOWN;
    }
    const char *data = data_plane_answers(h.settings.listen) ? "up" : "down";
    const char *control = control_state(cli, &h.settings);
    if (cli->json)
        fprintf(cli->out, "{\"dataPlane\": \"%s\", \"control\": \"%s\"}\n", data, control);
    else
        fprintf(cli->out, "data plane %s\ncontrol    %s\n", data, control);
    /* "unknown": control's socket is not for this user; whoever may connect to the data plane alone is told of that. */
    return strcmp(data, "up") == 0 && strcmp(control, "down") != 0 ? GW_EXIT_YES : GW_EXIT_NO;
}
