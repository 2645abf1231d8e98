/* SPDX-License-Identifier: Apache-2.0 */
#include "password.h"
#include "crypto/pwhash.h"
#include "crypto/secret.h"

#include <string.h>
#include <termios.h>
#include <unistd.h>

/* One line without its end; false at the end of input or when it is longer than a password may be. */
static bool read_line(FILE *in, struct gw_buf *out)
{
    char line[GW_PASSWORD_MAX_BYTES + 2];
    bool whole = fgets(line, sizeof(line), in) != NULL;
    size_t len = whole ? strlen(line) : 0;
    whole = whole && (line[len - 1] == '\n' || feof(in));
    if (whole && line[len - 1] == '\n')
        len--;
    if (whole)
        gw_buf_add(out, (struct gw_str){line, len});
    gw_wipe(line, sizeof(line));
    return whole;
}

static bool ask(FILE *terminal, const char *question, const char *user, struct gw_buf *out)
{
    struct termios before, silent;
    fprintf(terminal, "%s %s: ", question, user);
    fflush(terminal);
    if (tcgetattr(fileno(terminal), &before) != 0)
        return false;
    silent = before;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    if (tcsetattr(fileno(terminal), TCSAFLUSH, &silent) != 0)
        return false;
    bool ok = read_line(terminal, out);
    tcsetattr(fileno(terminal), TCSAFLUSH, &before);
    fputc('\n', terminal);
    return ok;
}

static int ask_twice(struct gw_cli *cli, FILE *terminal, const char *user, struct gw_buf *out)
{
    gw_auto(gw_buf) struct gw_buf again = {0};
    gw_buf_init(&again, GW_PASSWORD_MAX_BYTES);
    if (!ask(terminal, "New password of", user, out) || !ask(terminal, "The same again of", user, &again))
        return gw_cli_fail(cli, GW_EXIT_UNKNOWN, "no password was given");
    if (!gw_str_eq(gw_buf_str(out), gw_buf_str(&again)))
        return gw_cli_fail(cli, GW_EXIT_NO, "the two differ; nothing was changed");
    return GW_EXIT_YES;
}

int cli_read_password(struct gw_cli *cli, const char *user, struct gw_buf *out)
{
    gw_buf_init(out, GW_PASSWORD_MAX_BYTES);
    if (gw_cli_value(cli, "--password-stdin") != NULL)
        return read_line(cli->in, out)
                   ? GW_EXIT_YES
                   : gw_cli_fail(cli, GW_EXIT_USAGE,
                                 "--password-stdin wants one line of at most %d bytes on standard input",
                                 GW_PASSWORD_MAX_BYTES);
    FILE *terminal = fopen("/dev/tty", "r+");
    if (terminal == NULL)
        return gw_cli_fail(cli, GW_EXIT_USAGE,
                           "there is no terminal to ask on; give the password with --password-stdin");
    int status = ask_twice(cli, terminal, user, out);
    fclose(terminal);
    return status;
}
