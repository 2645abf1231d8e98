/* SPDX-License-Identifier: Apache-2.0 */
/* The command table of `aaiti`. A new command is a row here and a cmd_*.c. */
#include "commands.h"
#include <stdlib.h>
#include <string.h>

/* For rows that take no words, one, or two. */
#define NO_ARGUMENTS .arguments = "", .min_args = 0, .max_args = 0
#define ONE_ARGUMENT(name_) .arguments = (name_), .min_args = 1, .max_args = 1
#define TWO_ARGUMENTS(names_) .arguments = (names_), .min_args = 2, .max_args = 2
#define OPTIONAL_ARGUMENT(name_) .arguments = "[" name_ "]", .min_args = 0, .max_args = 1

#define PASSWORD_STDIN                                                                                     \
    {                                                                                                      \
        "--password-stdin", NULL, "Read the password from standard input, one line, not from the terminal" \
    }

/* In the order of --help. A name of two words groups with its neighbours of the same first word. */
static const struct gw_command commands[] = {
    {.name = "init",
     .heading = "Run it",
     .run = cmd_init,
     NO_ARGUMENTS,
     .summary = "Make what the home directory lacks: settings, policy, keys, a TLS certificate",
     .help =
         "What is there is kept as it is, so init may be run again at any time. The certificate is for development:\n"
         "self-signed, for localhost. The secret in keys/upstream.key must be the one the backend verifies tokens with.",
     .options = {{"--upstream", "URL", "The backend (default http://127.0.0.1:5000)"},
                 {"--upstream-secret-file", "FILE", "Copy the backend's secret from here; otherwise one is made"},
                 {"--port", "PORT", "Port to listen on, on 127.0.0.1 (default 8443)"},
                 {"--demo", NULL, "Also add three users to try it with; their passwords are shown once"}}},
    {.name = "serve",
     .run = cmd_serve,
     .output = GW_CLI_STREAM,
     NO_ARGUMENTS,
     .summary = "Run the gateway: nginx and control, in the foreground",
     .help =
         "SIGHUP reloads policy, settings and keys, SIGUSR1 certificates alone; SIGTERM and SIGINT stop everything within 10 seconds.",
     .options = {{"--print-config", NULL, "Print the nginx.conf and start nothing"}}},
    {.name = "control",
     .run = cmd_control,
     .output = GW_CLI_STREAM,
     NO_ARGUMENTS,
     .summary = "Run the control plane alone, in the foreground; `aaiti serve` does it for you",
     .help = "SIGHUP reads settings and policy again, SIGTERM and SIGINT end it."},
    {.name = "health",
     .run = cmd_health,
     NO_ARGUMENTS,
     .summary = "Tell whether the gateway of this home directory is serving",
     .help =
         "Exit status 0: it is; 1: the data plane or control is down; 3: could not tell. Fit for a container's check."},
    {.name = "panic",
     .heading = "In an emergency",
     .run = cmd_panic,
     NO_ARGUMENTS,
     .summary = "Stop what opens risk, at once; what closes positions still works",
     .help =
         "Every worker obeys from the next request on, those under way included that the backend has not heard of. Needs\n"
         "neither a running control nor room on the disk, and outlives every restart. risk-off refuses the routes that the\n"
         "policy marks `risk: opens`; read-only lets only reads through, and what is marked `risk: reduces`; stopped does the\n"
         "same, and for administrators only. Sign-in and management are never refused. Without --mode what is in force\n"
         "already is neither weakened nor shortened; with it the mode that is named takes the place of it.",
     .options = {{"--mode", "MODE", "risk-off, read-only or stopped; by default risk-off, beside what is in force"},
                 {"--for", "DURATION", "Ends by itself after so long, such as 2h; else when it is lifted"},
                 {"--reason", "TEXT", "Shown to whoever is refused, and recorded"},
                 {"--group", "GROUP", "Only the routes of this group of the policy"},
                 {"--user", "NAME", "Only this user"},
                 {"--make-safe", NULL, "Then close what is open: see `aaiti make-safe`"},
                 {"--as", "USER", "With --make-safe: as this user; else whom the policy names"},
                 {"--drill", NULL, "Try it all out, some ten seconds, on a gateway and a backend started for that"}}},
    {.name = "resume",
     .run = cmd_resume,
     NO_ARGUMENTS,
     .summary = "Lift the emergency mode",
     .help = "Lifts the mode that is in force for everybody; a group's or a user's stays until it is named.",
     .options = {{"--group", "GROUP", "Lift the mode of this group"},
                 {"--user", "NAME", "Lift the mode of this user"},
                 {"--all", NULL, "Lift all that are in force"},
                 {"--reason", "TEXT", "Recorded"}}},
    {.name = "mode", .run = cmd_mode, NO_ARGUMENTS, .summary = "Show the emergency modes in force"},
    {.name = "make-safe",
     .run = cmd_make_safe,
     NO_ARGUMENTS,
     .summary = "Close at the backend what the policy's make_safe says, and tell what is left open",
     .help =
         "Each result is shown as it comes and recorded in the audit trail. What may have happened is not sent again unless the\n"
         "policy says that twice is once: it is told as unknown. When control is down the run is made here, and what changes\n"
         "users or sessions waits until it ends. Exit status 0: all was done; 1: refused, or something failed or is unknown.",
     .options = {{"--plan", NULL, "Read the lists, show the calls, and call nothing"},
                 {"--as", "USER", "Make the calls as this user; by default as whom the policy names"}}},
    {.name = "user add",
     .heading = "Who may sign in",
     .run = cmd_user_add,
     ONE_ARGUMENT("NAME"),
     .summary = "Add a user; asks for the password",
     .options = {{"--role", "ROLE", "One of the policy's roles (needed)"},
                 {"--email", "ADDRESS", "May be used to sign in, too"},
                 {"--upstream-id", "ID", "The user's id at the backend; without it the backend is out of reach"},
                 PASSWORD_STDIN,
                 {"--no-password", NULL, "Add the user without one; see `user passwd --reset-code`"},
                 {"--service", NULL, "A machine: it never has a password, and signs in by API keys alone"}}},
    {.name = "user list", .run = cmd_user_list, NO_ARGUMENTS, .summary = "List all users"},
    {.name = "user set",
     .run = cmd_user_set,
     ONE_ARGUMENT("NAME"),
     .summary = "Change what is given of a user",
     .help = "NAME is a user name, e-mail address or id. A change counts from the next request on.",
     .options = {{"--role", "ROLE", "One of the policy's roles"},
                 {"--email", "ADDRESS", "E-mail address; empty for none"},
                 {"--upstream-id", "ID", "The user's id at the backend; empty for none"}}},
    {.name = "user set-role",
     .run = cmd_user_set_role,
     TWO_ARGUMENTS("NAME ROLE"),
     .summary = "Give a user another role",
     .help = "Counts from the next request on. The last active admin keeps the role."},
    {.name = "user enable",
     .run = cmd_user_enable,
     ONE_ARGUMENT("NAME"),
     .summary = "Let a disabled user sign in again"},
    {.name = "user disable",
     .run = cmd_user_disable,
     ONE_ARGUMENT("NAME"),
     .summary = "Shut a user out and end all its sessions at once"},
    {.name = "user delete",
     .run = cmd_user_delete,
     ONE_ARGUMENT("NAME"),
     .summary = "Delete a user and end all its sessions"},
    {.name = "user passwd",
     .run = cmd_user_passwd,
     ONE_ARGUMENT("NAME"),
     .summary = "Set a user's password, or make a one-time code with which the user sets it",
     .options = {PASSWORD_STDIN,
                 {"--reset-code", NULL, "Print a one-time code for POST /aaiti/v1/password/reset"},
                 {"--revoke-api-keys", NULL, "Also end the user's API keys, for which no password is asked"}}},
    {.name = "user import",
     .run = cmd_user_import,
     NO_ARGUMENTS,
     .summary = "Take over the users of a backend",
     .help =
         "Users come with their bcrypt hashes, which are replaced at their next sign-in, and with their ids there. Users\n"
         "who are here already are kept as they are. The file is only read, and may be in use.",
     .options = {{"--from-aaiti", "FILE.db", "The SQLite database of an A.A.I.T.I backend"}}},
    {.name = "session list",
     .run = cmd_session_list,
     OPTIONAL_ARGUMENT("USER"),
     .summary = "List the live sessions, of all users or of one"},
    {.name = "session end",
     .run = cmd_session_end,
     OPTIONAL_ARGUMENT("ID"),
     .summary = "End a session at once, or all of a user's",
     .options = {{"--user", "NAME", "End all sessions of this user"}}},
    {.name = "lockout list",
     .run = cmd_lockout_list,
     NO_ARGUMENTS,
     .summary = "List who is locked out of signing in, and which accounts are delayed",
     .help =
         "Failures are counted while control runs; when it is down, or has just been started, nobody is locked out."},
    {.name = "lockout clear",
     .run = cmd_lockout_clear,
     NO_ARGUMENTS,
     .summary = "Forget failed sign-ins, and let in who is locked out for them",
     .help = "--user forgets what was counted for a user's account, from wherever; an address that is locked stays so.",
     .options = {{"--address", "ADDRESS", "Of this address"},
                 {"--user", "NAME", "Of this user"},
                 {"--all", NULL, "Of everybody"}}},
    {.name = "apikey add",
     .run = cmd_apikey_add,
     ONE_ARGUMENT("USER"),
     .summary = "Make an API key for a user; it is shown this once",
     .help =
         "A program sends it as `X-API-Key: KEY` or `Authorization: Bearer KEY`. It may do what its user may, as that changes,\n"
         "and with --scope only what is named of that: permissions of the policy, `bots:*` for those that there are now, and\n"
         "`signed-in` for routes that are open to whoever is signed in. With --signed the program sends its id and a signature of\n"
         "each request in the key's place: docs/api-keys.md. With --certificate no key is made: whoever shows the listener that\n"
         "certificate is the user (docs/tls.md).",
     .options = {{"--name", "NAME", "What it is for; shown in lists"},
                 {"--scope", "PERMISSION,...", "Only these rights, at most 16"},
                 {"--expires", "DURATION", "Ends by itself after so long, such as 90d"},
                 {"--from", "CIDR,...", "Good from these networks alone, at most 4"},
                 {"--signed", NULL, "Never to be sent: requests are signed by it"},
                 {"--certificate", "FILE", "A client's certificate in place of a key: PEM, its first one"}}},
    {.name = "apikey list",
     .run = cmd_apikey_list,
     OPTIONAL_ARGUMENT("USER"),
     .summary = "List the API keys, of all users or of one, and when each was last used"},
    {.name = "apikey revoke",
     .run = cmd_apikey_revoke,
     ONE_ARGUMENT("ID"),
     .summary = "End an API key at once",
     .help = "ID is what the list shows as KEY, or the key's UUID."},
    {.name = "apikey rotate",
     .run = cmd_apikey_rotate,
     ONE_ARGUMENT("ID"),
     .summary = "Make another API key in the place of one, which ends a little later",
     .help = "The new one has the same name, scopes, networks and span of life. It is shown this once.",
     .options = {{"--overlap", "DURATION", "How long the old one is still good (default 24h; 0s: not any more)"}}},
    {.name = "token inspect",
     .run = cmd_token_inspect,
     NO_ARGUMENTS,
     .summary = "Show what a token, read from standard input, says, and whether it is good",
     .help = "Exit status 0: its signature and claims are good; 1: they are not; 3: there is no key here to tell by.\n"
             "Whether its session still lives, only the gateway knows."},
    {.name = "audit tail",
     .heading = "What happened, and why",
     .run = cmd_audit_tail,
     NO_ARGUMENTS,
     .summary = "Print the last events of the audit trail: who did what, and how it ended",
     .help = "With --json a line of JSON each. Reading the trail leaves an event of its own, when following too.",
     .options = {{"-n", "N", "So many (default 20)"},
                 {"--follow", NULL, "Go on with what comes, until it is stopped; control must run"}}},
    {.name = "audit search",
     .run = cmd_audit_search,
     NO_ARGUMENTS,
     .summary = "Find events of the audit trail, newest first",
     .help = "Times are such as 2026-11-24T04:29:50Z. All that is given must fit. With --json a line of JSON each.",
     .options = {{"--since", "TIME", "From this time on"},
                 {"--until", "TIME", "Before this time"},
                 {"--user", "NAME", "User name, e-mail address or UUID of who did it"},
                 {"--session", "ID", "Done in this session"},
                 {"--request-id", "ID", "Of this request: the UUID in its answer's X-Request-Id"},
                 {"--action", "ACTION", "Such as user_login_failed"},
                 {"--address", "ADDRESS", "The client's address"},
                 {"--resource", "TYPE[/ID]", "What it was done to: users, or bots/bot-7"},
                 {"--outcome", "OUTCOME", "done, failed, unknown, not-sent or refused"},
                 {"--severity", "LEVEL", "low, medium or high"},
                 {"-n", "N", "So many at most (default 100)"}}},
    {.name = "audit show",
     .run = cmd_audit_show,
     ONE_ARGUMENT("ID"),
     .summary = "Print all that is known of one event of the audit trail"},
    {.name = "explain",
     .run = cmd_explain,
     .arguments = "ID | METHOD PATH",
     .min_args = 1,
     .max_args = 2,
     .summary = "Tell why a request was refused, or what each stage would say to one",
     .help =
         "ID is what a refused client was shown: `instance` of the answer's body, or its X-Request-Id. It tells stage, reason,\n"
         "route and what would have been needed, to who holds the home's keys/request-id.key and to nobody else.\n"
         "METHOD PATH asks the gate's own stages, in their order. A name that is both a user's and a role's means the role; an\n"
         "e-mail address or id means the user. Exit status 0: it would pass; 1: it would be refused.",
     .options = {{"--as", "USER|ROLE", "Who asks; nobody, when not given"},
                 {"--key", "ID", "The same by an API key: aak_ and 8 characters, or its UUID"},
                 {"--from", "ADDRESS", "Where from: is it blocked or suspicious?"}}},
    {.name = "block add",
     .heading = "Addresses that are kept out",
     .run = cmd_block_add,
     ONE_ARGUMENT("ADDRESS|NETWORK"),
     .summary = "Cut an address or a network off at once, or call it suspicious",
     .help =
         "Without --for: an hour, 24 hours the second time within 30 days, then 7 days. What is blocked already is made longer,\n"
         "never shorter. A bare IPv6 address means its /64. Whoever is signed in may still do what the policy marks `risk:\n"
         "reduces`. The setting `allow` always wins.",
     .options = {{"--for", "DURATION", "So long, such as 15m, 24h or 7d"},
                 {"--reason", "TEXT", "Shown to operators, and recorded"},
                 {"--suspect", NULL,
                  "Only half of its limits, which grow whole again over the time; an hour without --for"}}},
    {.name = "block list",
     .run = cmd_block_list,
     NO_ARGUMENTS,
     .summary = "List the networks that are blocked or suspicious"},
    {.name = "block remove",
     .run = cmd_block_remove,
     ONE_ARGUMENT("ADDRESS|NETWORK|ID"),
     .summary = "Lift a block, or clear a suspect, as it stands in the list"},
    {.name = "key list",
     .heading = "Keys, settings and policy",
     .run = cmd_key_list,
     NO_ARGUMENTS,
     .summary = "List the keys: what signs, what is next, until when"},
    {.name = "key rotate",
     .run = cmd_key_rotate,
     NO_ARGUMENTS,
     .summary = "Exchange a key while the gateway runs; no request is refused for it",
     .help =
         "--signing: the next key signs from now on; tokens of the one before stay good until they expire, and until then\n"
         "another rotation is refused. --upstream: stages the backend's next secret, which is used from the backend's first\n"
         "401 or 403 on; when all of the backend has moved, --upstream --finish makes it the only one. --data: another key\n"
         "encrypts what the database stores, and control moves to it what the ones before have encrypted.",
     .options = {{"--signing", NULL, "The key that signs access tokens"},
                 {"--force", NULL, "With --signing: do not wait; tokens of the key before the last end at once"},
                 {"--upstream", NULL, "The secret shared with the backend; read from standard input"},
                 {"--file", "FILE", "With --upstream: read the secret from here"},
                 {"--finish", NULL, "With --upstream: the staged secret becomes the only one"},
                 {"--data", NULL, "The key that encrypts stored secrets"}}},
    {.name = "cert show",
     .run = cmd_cert_show,
     OPTIONAL_ARGUMENT("FILE"),
     .summary = "Show what the certificates of the settings say, or that of a file",
     .help = "Subject, names, kind of key, how long it is good, fingerprint, and whether it is for development only."},
    {.name = "cert check",
     .run = cmd_cert_check,
     NO_ARGUMENTS,
     .summary = "Find every fault of the certificates: chain, key, names, time",
     .help =
         "The chain must lead to an authority that this machine trusts, and the names be those of `tls.names`, or the address\n"
         "of `listen`. A development certificate is a fault in production alone. Exit status 0: they will do; 1: they will not.",
     .options = {{"--ca", "FILE", "An authority that is trusted, too: its certificate, PEM"}}},
    {.name = "cert reload",
     .run = cmd_cert_reload,
     NO_ARGUMENTS,
     .summary = "Have the running gateway go by what now stands in the files, without dropping a connection",
     .help =
         "For the deploy hook of an ACME client. The certificate and its key are checked first: a bad pair changes nothing; so are\n"
         "clients' authorities and revocations. Waits until every worker goes by the new ones. `aaiti serve` looks for itself each\n"
         "minute, at the files that it has read the names of: other names take a SIGHUP. Exit status 0: they are in use."},
    {.name = "cert self-signed",
     .run = cmd_cert_self_signed,
     NO_ARGUMENTS,
     .summary = "Make a certificate and key for development, where the settings name them",
     .help = "For localhost, 127.0.0.1 and ::1, and marked within: production refuses it.",
     .options = {{"--names", "NAME,...", "Further host names and addresses"},
                 {"--replace", NULL, "Put it in the place of what is there"}}},
    {.name = "config check",
     .run = cmd_config_check,
     NO_ARGUMENTS,
     .summary = "Find every fault of settings, policy, keys and certificates",
     .help =
         "Of certificates what a start is refused for; `aaiti cert check` looks at their chains, names and time, too."},
    {.name = "config show", .run = cmd_config_show, NO_ARGUMENTS, .summary = "Print every setting as it is in force"},
    {.name = "policy list",
     .run = cmd_policy_list,
     NO_ARGUMENTS,
     .summary = "Print the routes of the policy and what each asks for"},
    {.name = "policy check",
     .run = cmd_policy_check,
     OPTIONAL_ARGUMENT("FILE"),
     .summary = "Find every fault of the policy, or of another file"},
    {.name = "policy reload",
     .run = cmd_policy_reload,
     NO_ARGUMENTS,
     .summary = "Put the changed settings and policy in force without dropping a request",
     .help =
         "A file with faults changes nothing; all its faults are listed. What nginx itself is told (listen, tls, workers,\n"
         "upstream.url) takes a restart of `aaiti serve`."},
    {.name = "completion",
     .heading = "The program itself",
     .run = cmd_completion,
     .output = GW_CLI_STREAM,
     ONE_ARGUMENT("SHELL"),
     .summary = "Print a completion script; SHELL is bash",
     .help = "source <(aaiti completion bash)"},
    {.name = "manual",
     .run = cmd_manual,
     .output = GW_CLI_STREAM,
     NO_ARGUMENTS,
     .summary = "Print the manual page (for `man -l -`)"},
};
static const size_t command_count = sizeof(commands) / sizeof(commands[0]);

int cmd_completion(struct gw_cli *cli, int argc, char **argv)
{
    (void)argc;
    if (strcmp(argv[1], "bash") != 0)
        return gw_cli_fail(cli, GW_EXIT_USAGE, "only bash is known, not `%s`", argv[1]);
    gw_cli_complete_bash(commands, command_count, cli->out);
    return GW_EXIT_YES;
}

int cmd_manual(struct gw_cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    gw_cli_manual(commands, command_count, cli->out);
    return GW_EXIT_YES;
}

int main(int argc, char **argv)
{
    const char *home = getenv("AAITI_HOME");
    struct gw_cli cli = {
        .home = home != NULL && home[0] != '\0' ? home : "/var/lib/aaiti",
        .in = stdin,
        .out = stdout,
        .err = stderr,
    };
    return gw_cli_main(&cli, commands, command_count, argc, argv);
}
