/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the commands of `aaiti` share: the row that describes a command, the global options, streams and exit codes. A
 * command is one row of the table in main.c and one cmd_*.c; its row drives parsing, --help and completion. One thread.
 */
#include <gw/error.h>
#include <stdbool.h>
#include <stdio.h>

enum gw_exit {
    GW_EXIT_YES = 0,     /* yes, or done */
    GW_EXIT_NO = 1,      /* no, or refused */
    GW_EXIT_USAGE = 2,   /* the command line makes no sense */
    GW_EXIT_UNKNOWN = 3, /* could not tell: something failed on the way */
};

struct gw_cli_option {
    const char *name;  /* "--role" */
    const char *value; /* "ROLE" in the help; NULL: a switch */
    const char *help;
};

#define GW_CLI_OPTIONS_MAX 12
#define GW_CLI_ARGS_MAX 32

enum gw_cli_output {
    GW_CLI_ANSWER,
    GW_CLI_STREAM, /* a text or log of its own, which has no JSON form */
};

struct gw_cli;

struct gw_command {
    const char *name;    /* "user add" */
    const char *heading; /* stands above it in --help; NULL: it belongs to what is above */
    /* argv[0] is the name's last word; the rest are the positional arguments, whose number the row has checked. */
    int (*run)(struct gw_cli *cli, int argc, char **argv);
    enum gw_cli_output output;
    const char *arguments; /* "NAME" in the usage line; "" when none */
    int min_args, max_args;
    const char *summary;                              /* one line */
    const char *help;                                 /* paragraphs; NULL: the summary says all */
    struct gw_cli_option options[GW_CLI_OPTIONS_MAX]; /* ends at the first without a name */
};

struct gw_cli {
    const char *home; /* --home, AAITI_HOME, /var/lib/aaiti */
    bool json;
    FILE *in, *out, *err;
    const struct gw_command *command; /* the row that runs */
    const char *values[GW_CLI_OPTIONS_MAX];
};

/* Value of an option of the running command's row; NULL: not given; "" for a switch that was. Asserts that the row has it. */
const char *gw_cli_value(const struct gw_cli *cli, const char *name);

/* Prints "aaiti: message" and returns the exit code, so that a command ends with `return gw_cli_fail(...)`. */
int gw_cli_fail(struct gw_cli *cli, enum gw_exit exit, const char *fmt, ...) GW_PRINTF(3, 4);
/* The same of an error: refusals and bad input are GW_EXIT_NO, what broke on the way is GW_EXIT_UNKNOWN. */
int gw_cli_fail_error(struct gw_cli *cli, const struct gw_error *err);

/* ---- the command line (command.c); main.c hands in its table ---- */

/* Parses, finds the row, runs it. Returns the exit status. */
int gw_cli_main(struct gw_cli *cli, const struct gw_command *table, size_t count, int argc, char **argv);
/* A completion script for bash, from the table. */
void gw_cli_complete_bash(const struct gw_command *table, size_t count, FILE *out);
/* The manual page, troff with man macros, from the table. */
void gw_cli_manual(const struct gw_command *table, size_t count, FILE *out);
