/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line: global options stand anywhere before "--", a command's own options anywhere after its name. The
 * longest row name that the words begin with wins, so that "user add" and "health" live in one table.
 */
#include "command.h"
#include "config/nearest.h"
#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const struct gw_cli_option globals[] = {
    {"--home", "DIR", "Home directory of the gateway (AAITI_HOME; default /var/lib/aaiti)"},
    {"--json", NULL, "Print the answer as one JSON document"},
    {"--help", NULL, "Show help; after a command, that command's"},
    {"--version", NULL, "Show the version"},
};
enum { GLOBAL_HOME, GLOBAL_JSON, GLOBAL_HELP, GLOBAL_VERSION, GLOBAL_COUNT };

#define WORDS_MAX GW_CLI_ARGS_MAX
#define COMMANDS_MAX 64

struct line {
    const char *globals[GLOBAL_COUNT];
    char *words[WORDS_MAX]; /* what is neither a global option nor its value */
    int count;
    int literal; /* words from here on stood behind "--" and are no options */
};

static size_t option_count(const struct gw_command *c)
{
    size_t n = 0;
    while (n < GW_CLI_OPTIONS_MAX && c->options[n].name != NULL)
        n++;
    return n;
}

int gw_cli_fail(struct gw_cli *cli, enum gw_exit exit, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fputs("aaiti: ", cli->err);
    vfprintf(cli->err, fmt, args);
    fputc('\n', cli->err);
    va_end(args);
    return (int)exit;
}

int gw_cli_fail_error(struct gw_cli *cli, const struct gw_error *err)
{
    bool refused = err->code == GW_EINVAL || err->code == GW_EPARSE || err->code == GW_ENOTFOUND ||
                   err->code == GW_ECONFLICT || err->code == GW_EDENIED;
    return gw_cli_fail(cli, refused ? GW_EXIT_NO : GW_EXIT_UNKNOWN, "%s", err->msg);
}

const char *gw_cli_value(const struct gw_cli *cli, const char *name)
{
    size_t i = 0;
    while (i < option_count(cli->command) && strcmp(cli->command->options[i].name, name) != 0)
        i++;
    assert(i < option_count(cli->command));
    return cli->values[i];
}

static struct gw_str nearest_command(const struct gw_command *table, size_t count, const char *text)
{
    struct gw_str names[COMMANDS_MAX];
    assert(count <= COMMANDS_MAX);
    for (size_t i = 0; i < count; i++)
        names[i] = gw_str(table[i].name);
    return gw_nearest(gw_str(text), names, count);
}

/* Whether the words of a row's name begin the line; returns how many they are, or 0. */
static int name_words(const char *name, char *const *words, int count)
{
    int n = 0;
    for (const char *p = name; *p != '\0'; n++) {
        size_t len = strcspn(p, " ");
        if (n == count || strlen(words[n]) != len || memcmp(words[n], p, len) != 0)
            return 0;
        p += len + (p[len] == ' ');
    }
    return n;
}

static const struct gw_command *find_command(const struct gw_command *table, size_t count, const struct line *line,
                                             int *out_words)
{
    const struct gw_command *found = NULL;
    *out_words = 0;
    for (size_t i = 0; i < count; i++) {
        int n = name_words(table[i].name, line->words, line->count);
        if (n > *out_words) {
            *out_words = n;
            found = &table[i];
        }
    }
    return found;
}

/* Matches "--name", or "--name=value" of an option that takes one (then *out_inline is the value). */
static bool option_is(const struct gw_cli_option *o, const char *arg, const char **out_inline)
{
    size_t len = strlen(o->name);
    *out_inline = NULL;
    if (strncmp(arg, o->name, len) != 0)
        return false;
    if (arg[len] == '=' && o->value != NULL)
        *out_inline = arg + len + 1;
    return arg[len] == '\0' || *out_inline != NULL;
}

/* Reads the option at argv[*i] when it is one of the table; moves *i over a separate value. 1: read, 0: none of these, -1: its value is missing. */
static int read_option(const struct gw_cli_option *table, size_t count, char *const *argv, int argc, int *i,
                       const char **values)
{
    for (size_t k = 0; k < count; k++) {
        const char *value;
        if (!option_is(&table[k], argv[*i], &value))
            continue;
        if (table[k].value == NULL) {
            values[k] = "";
            return 1;
        }
        if (value == NULL && ++*i < argc)
            value = argv[*i];
        values[k] = value;
        return value != NULL ? 1 : -1;
    }
    return 0;
}

static int split_line(struct gw_cli *cli, int argc, char **argv, struct line *out)
{
    bool literal = false;
    *out = (struct line){.literal = -1};
    for (int i = 1; i < argc; i++) {
        if (!literal && strcmp(argv[i], "--") == 0) {
            literal = true;
            out->literal = out->count;
            continue;
        }
        int at = i;
        int read = literal ? 0 : read_option(globals, GLOBAL_COUNT, argv, argc, &i, out->globals);
        if (read < 0)
            return gw_cli_fail(cli, GW_EXIT_USAGE, "%s wants a value", argv[at]);
        if (read > 0)
            continue;
        if (out->count == WORDS_MAX)
            return gw_cli_fail(cli, GW_EXIT_USAGE, "too many arguments");
        out->words[out->count++] = argv[i];
    }
    if (out->literal < 0)
        out->literal = out->count;
    return GW_EXIT_YES;
}

static void print_usage(const struct gw_command *c, FILE *out)
{
    fprintf(out, "aaiti %s%s%s%s", c->name, option_count(c) > 0 ? " [OPTION…]" : "", c->arguments[0] != '\0' ? " " : "",
            c->arguments);
}

static void print_options(const struct gw_cli_option *options, size_t count, FILE *out)
{
    for (size_t i = 0; i < count; i++) {
        char left[40];
        snprintf(left, sizeof(left), "%s %s", options[i].name, options[i].value != NULL ? options[i].value : "");
        fprintf(out, "  %-26s %s\n", left, options[i].help);
    }
}

static void print_command_help(const struct gw_command *c, FILE *out)
{
    fputs("Usage: ", out);
    print_usage(c, out);
    fprintf(out, "\n\n%s.\n", c->summary);
    if (c->help != NULL)
        fprintf(out, "\n%s\n", c->help);
    fputs("\nOptions:\n", out);
    print_options(c->options, option_count(c), out);
    print_options(globals, GLOBAL_VERSION, out);
}

/* All rows whose name begins with prefix ("" for all). Returns how many. */
static size_t print_commands(const struct gw_command *table, size_t count, const char *prefix, FILE *out)
{
    size_t shown = 0;
    size_t len = strlen(prefix);
    for (size_t i = 0; i < count; i++) {
        if (strncmp(table[i].name, prefix, len) != 0 || (len > 0 && table[i].name[len] != ' '))
            continue;
        if (len == 0 && table[i].heading != NULL)
            fprintf(out, "\n%s\n", table[i].heading);
        char left[48];
        snprintf(left, sizeof(left), "%s %s", table[i].name, table[i].arguments);
        fprintf(out, "  %-31s %s\n", left, table[i].summary);
        shown++;
    }
    return shown;
}

static void print_help(const struct gw_command *table, size_t count, FILE *out)
{
    fputs("Usage: aaiti [--home DIR] COMMAND [OPTION…] [ARGUMENT…]\n\n"
          "A security gateway in front of a trading bot's API: it decides who may do what.\n\nCommands:\n",
          out);
    print_commands(table, count, "", out);
    fputs("\nOptions, before or after the command:\n", out);
    print_options(globals, GLOBAL_COUNT, out);
    fputs("\n`aaiti COMMAND --help` tells more of each.\n"
          "Exit status: 0 yes or done, 1 no or refused, 2 usage, 3 could not tell.\n",
          out);
}

static int unknown_command(struct gw_cli *cli, const struct gw_command *table, size_t count, const struct line *line)
{
    char text[64];
    const char *second = line->count > 1 ? line->words[1] : "";
    int help = line->globals[GLOBAL_HELP] != NULL || line->count == 1;
    if (help &&
        print_commands(table, count, line->words[0], line->globals[GLOBAL_HELP] != NULL ? cli->out : cli->err) > 0)
        return line->globals[GLOBAL_HELP] != NULL ? GW_EXIT_YES : GW_EXIT_USAGE;
    snprintf(text, sizeof(text), "%s%s%s", line->words[0], second[0] != '\0' ? " " : "", second);
    struct gw_str near = nearest_command(table, count, text);
    if (near.len == 0)
        near = nearest_command(table, count, line->words[0]);
    if (near.len > 0)
        return gw_cli_fail(cli, GW_EXIT_USAGE, "unknown command `%s`; did you mean `%.*s`?", text, GW_STR_ARG(near));
    return gw_cli_fail(cli, GW_EXIT_USAGE, "unknown command `%s`; `aaiti --help` lists them", text);
}

/* Splits the words behind the name into the row's options and positional arguments, and runs it. */
static int run_command(struct gw_cli *cli, const struct line *line, int name_count)
{
    char *argv[WORDS_MAX + 2] = {line->words[name_count - 1]};
    int argc = 1;
    for (int i = name_count; i < line->count; i++) {
        char *word = line->words[i];
        int at = i;
        int read = i >= line->literal ? 0
                                      : read_option(cli->command->options, option_count(cli->command), line->words,
                                                    line->literal, &i, cli->values);
        if (read < 0)
            return gw_cli_fail(cli, GW_EXIT_USAGE, "%s wants a value", word);
        if (read > 0)
            continue;
        if (at < line->literal && word[0] == '-' && word[1] != '\0')
            return gw_cli_fail(cli, GW_EXIT_USAGE, "`%s` has no option %s; `aaiti %s --help` lists them",
                               cli->command->name, word, cli->command->name);
        argv[argc++] = word;
    }
    if (argc - 1 < cli->command->min_args || argc - 1 > cli->command->max_args) {
        fputs("aaiti: usage: ", cli->err);
        print_usage(cli->command, cli->err);
        fputc('\n', cli->err);
        return GW_EXIT_USAGE;
    }
    return cli->command->run(cli, argc, argv);
}

static int run_line(struct gw_cli *cli, const struct gw_command *table, size_t count, int argc, char **argv)
{
    struct line line;
    int name_count;
    int status = split_line(cli, argc, argv, &line);
    if (status != GW_EXIT_YES)
        return status;
    if (line.globals[GLOBAL_VERSION] != NULL) {
        fprintf(cli->out, "aaiti %s\n", AAITI_VERSION);
        return GW_EXIT_YES;
    }
    if (line.globals[GLOBAL_HOME] != NULL)
        cli->home = line.globals[GLOBAL_HOME];
    if (cli->home[0] == '\0')
        return gw_cli_fail(cli, GW_EXIT_USAGE, "--home wants a directory");
    cli->json = line.globals[GLOBAL_JSON] != NULL;
    bool help = line.globals[GLOBAL_HELP] != NULL;
    if (line.count == 0) {
        print_help(table, count, help ? cli->out : cli->err);
        return help ? GW_EXIT_YES : GW_EXIT_USAGE;
    }
    cli->command = find_command(table, count, &line, &name_count);
    if (cli->command == NULL)
        return unknown_command(cli, table, count, &line);
    if (help) {
        print_command_help(cli->command, cli->out);
        return GW_EXIT_YES;
    }
    if (cli->json && cli->command->output == GW_CLI_STREAM)
        return gw_cli_fail(cli, GW_EXIT_USAGE, "`%s` has no JSON to print", cli->command->name);
    return run_command(cli, &line, name_count);
}

int gw_cli_main(struct gw_cli *cli, const struct gw_command *table, size_t count, int argc, char **argv)
{
    int status = run_line(cli, table, count, argc, argv);
    /* A full disk or a closed pipe must not look like success. */
    bool is_written = fflush(cli->out) == 0 && ferror(cli->out) == 0; /* an earlier flush may be the one that failed */
    if (!is_written && status == GW_EXIT_YES)
        return gw_cli_fail(cli, GW_EXIT_UNKNOWN, "could not write the output");
    return status;
}

void gw_cli_complete_bash(const struct gw_command *table, size_t count, FILE *out)
{
    fputs("# bash completion of aaiti; source it, or put it into /usr/share/bash-completion/completions/aaiti\n"
          "_aaiti() {\n"
          "    local cur=${COMP_WORDS[COMP_CWORD]} line=\" ${COMP_WORDS[*]:1:COMP_CWORD-1} \" words=''\n"
          "    case \"$line\" in\n",
          out);
    /* Two-word names first: "user" alone offers what may follow it. */
    for (int spaced = 1; spaced >= 0; spaced--) {
        for (size_t i = 0; i < count; i++) {
            if ((strchr(table[i].name, ' ') != NULL) != spaced)
                continue;
            fprintf(out, "    *' %s '*) words='", table[i].name);
            for (size_t k = 0; k < option_count(&table[i]); k++)
                fprintf(out, "%s ", table[i].options[k].name);
            fputs("--json --help' ;;\n", out);
        }
    }
    for (size_t i = 0; i < count; i++) {
        size_t len = strcspn(table[i].name, " ");
        bool first_of_its_kind = i == 0 || strncmp(table[i - 1].name, table[i].name, len + 1) != 0;
        if (table[i].name[len] == '\0' || !first_of_its_kind)
            continue;
        fprintf(out, "    *' %.*s '*) words='", (int)len, table[i].name);
        for (size_t k = i; k < count && strncmp(table[k].name, table[i].name, len + 1) == 0; k++)
            fprintf(out, "%s ", table[k].name + len + 1);
        fputs("' ;;\n", out);
    }
    fputs("    *) words='", out);
    for (size_t i = 0; i < count; i++) {
        size_t len = strcspn(table[i].name, " ");
        if (i == 0 || strncmp(table[i - 1].name, table[i].name, len + 1) != 0)
            fprintf(out, "%.*s ", (int)len, table[i].name);
    }
    fputs("--home --json --help --version' ;;\n"
          "    esac\n"
          "    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
          "}\n"
          "complete -o default -F _aaiti aaiti\n",
          out);
}

static void print_troff(const char *text, FILE *out)
{
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '\\' || *p == '-')
            fputc('\\', out);
        fputc(*p, out);
    }
}

static void print_troff_options(const struct gw_cli_option *options, size_t count, FILE *out)
{
    for (size_t i = 0; i < count; i++) {
        fputs(".TP\n.B ", out);
        print_troff(options[i].name, out);
        fprintf(out, "%s%s\n", options[i].value != NULL ? " " : "", options[i].value != NULL ? options[i].value : "");
        print_troff(options[i].help, out);
        fputs(".\n", out);
    }
}

void gw_cli_manual(const struct gw_command *table, size_t count, FILE *out)
{
    fputs(".TH AAITI 1 \"\" \"aaiti " AAITI_VERSION
          "\"\n.SH NAME\naaiti \\- security gateway in front of a trading API\n"
          ".SH SYNOPSIS\n.B aaiti\n[\\-\\-home DIR] COMMAND [OPTION...] [ARGUMENT...]\n.SH OPTIONS\n",
          out);
    print_troff_options(globals, GLOBAL_COUNT, out);
    fputs(".SH COMMANDS\n", out);
    for (size_t i = 0; i < count; i++) {
        fprintf(out, ".SS %s %s\n", table[i].name, table[i].arguments);
        print_troff(table[i].summary, out);
        fputs(".\n", out);
        if (table[i].help != NULL)
            fputs(".PP\n", out);
        print_troff(table[i].help != NULL ? table[i].help : "", out);
        fputs(table[i].help != NULL ? "\n" : "", out);
        print_troff_options(table[i].options, option_count(&table[i]), out);
    }
    fputs(".SH EXIT STATUS\n0 yes or done, 1 no or refused, 2 usage, 3 could not tell.\n", out);
}
