/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `aaiti init`: makes what a home directory lacks, and touches nothing that is there, so that it may be run again at any time. Each
 * thing is a row of the table below; a row that finds its file in place reports it as kept.
 */
#include "accounts.h"
#include "base/file.h"
#include "call.h"
#include "commands.h"
#include "config/settings.h"
#include "config/shipped.h"
#include "control/keys.h"
#include "crypto/certificate.h"
#include "crypto/keyring.h"
#include "crypto/secret.h"
#include "demo_users.h"
#include "home.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define POLICY_MAX_BYTES (1024 * 1024)
#define DEFAULT_PORT "8443"

struct init {
    struct gw_cli *cli;
    struct gw_arena arena;
    const char *upstream_url, *port, *upstream_secret_file;
    json_t *made, *kept; /* arrays of names */
};

static void init_done(struct init *i)
{
    gw_arena_done(&i->arena);
    json_decref(i->made);
    json_decref(i->kept);
}

/* Each makes path; GW_ECONFLICT: it is there. */
typedef enum gw_code (*make_fn)(struct init *i, const char *path, struct gw_error *err);

static void note(struct init *i, enum gw_code code, const char *path)
{
    json_array_append_new(code == GW_OK ? i->made : i->kept, json_string(path));
    if (!i->cli->json)
        fprintf(i->cli->out, "%s %s\n", code == GW_OK ? "made" : "kept", path);
}

static enum gw_code make_directory(struct init *i, const char *path, struct gw_error *err)
{
    (void)i;
    if (mkdir(path, 0700) == 0)
        return GW_OK;
    if (errno == EEXIST)
        return GW_ECONFLICT;
    return gw_fail(err, GW_EBACKEND, "cannot make %s: %s", path, strerror(errno));
}

static enum gw_code make_gateway_yaml(struct init *i, const char *path, struct gw_error *err)
{
    gw_auto(gw_buf) struct gw_buf b = {0};
    gw_buf_init(&b, 4096);
    gw_buf_addf(
        &b,
        "# Settings of the gateway. `aaiti config show` prints every one as in force, `aaiti config check` finds\n"
        "# mistakes; docs/options.md tells what each means. File names are relative to this directory.\n"
        "listen: 127.0.0.1:%s\n"
        "policy: policy.yaml\n"
        "\n"
        "# The backend that is guarded, and the secret it verifies tokens with (its JWT_SECRET).\n"
        "upstream:\n"
        "  url: \"%s\"\n"
        "  key_file: keys/upstream.key\n"
        "\n"
        "# Pages of other origins that may use the API, each exactly as a browser names it (docs/cors.md):\n"
        "# cors:\n"
        "#   origins: [\"http://localhost:3000\"]\n"
        "\n"
        "# Fetched once at every start, as an active user: tells whether the backend takes our tokens.\n"
        "self_test:\n"
        "  path: /api/bots\n",
        i->port, i->upstream_url);
    GW_TRY(gw_buf_check(&b, err));
    return gw_file_create(path, 0600, gw_buf_str(&b), err);
}

static enum gw_code make_policy(struct init *i, const char *path, struct gw_error *err)
{
    gw_auto(gw_buf) struct gw_buf b = {0};
    const char *shipped;
    gw_buf_init(&b, POLICY_MAX_BYTES);
    GW_TRY(gw_shipped_file(GW_SHIPPED_DATA, "policies/aaiti.yaml", &i->arena, &shipped, err));
    GW_TRY(gw_file_read(shipped, &b, err));
    return gw_file_create(path, 0600, gw_buf_str(&b), err);
}

static enum gw_code make_secret(struct init *i, const char *path, struct gw_error *err)
{
    (void)i;
    return gw_secret_create(path, gw_system_random(), err);
}

static enum gw_code make_encryption_key(struct init *i, const char *path, struct gw_error *err)
{
    (void)i;
    return gw_kek_create(path, gw_system_random(), err);
}

/* The backend's own secret where it was given, else a new one for the backend to use. */
static enum gw_code make_upstream_secret(struct init *i, const char *path, struct gw_error *err)
{
    gw_auto(gw_secret) struct gw_secret *s = NULL;
    gw_auto(gw_buf) struct gw_buf b = {0};
    if (i->upstream_secret_file == NULL)
        return make_secret(i, path, err);
    gw_buf_init(&b, GW_SECRET_MAX_BYTES + 1);
    GW_TRY(gw_file_read(i->upstream_secret_file, &b, err));
    struct gw_str text = gw_buf_str(&b);
    if (text.len > 0 && text.ptr[text.len - 1] == '\n')
        text.len--;
    GW_TRY(gw_secret_new(text, &s, err));
    struct gw_error why = {0};
    if (gw_secret_check(s, &why) != GW_OK)
        return gw_fail(err, GW_EINVAL,
                       "the secret in %s is %s; the backend needs a better one, too: openssl rand -base64 48",
                       i->upstream_secret_file, why.msg);
    return gw_file_create(path, 0600, gw_buf_str(&b), err);
}

/* With its key, which is noted here: rows are for one file each. */
static enum gw_code make_certificate(struct init *i, const char *path, struct gw_error *err)
{
    const char *key = gw_settings_path(&i->arena, i->cli->home, GW_STR("tls/key.pem"));
    if (key == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory");
    GW_TRY(gw_certificate_create(path, key, GW_STR_NULL, gw_system_clock(), gw_system_random(), err));
    note(i, GW_OK, key);
    return GW_OK;
}

static const struct {
    const char *name; /* below home */
    make_fn make;
} things[] = {
    {"", make_directory},
    {"keys", make_directory},
    {"tls", make_directory},
    {"gateway.yaml", make_gateway_yaml},
    {"policy.yaml", make_policy},
    {"keys/upstream.key", make_upstream_secret},
    {"keys/encryption.key", make_encryption_key},
    {"keys/request-id.key", make_secret},
    {"tls/cert.pem", make_certificate},
};

/* As gateway.yaml has it, where the file is the gateway's to make; else, as without settings. */
static struct gw_token_files token_files(struct init *i)
{
    cli_auto_home struct cli_home h = {0};
    struct gw_token_files files = {.algorithm = GW_TOKEN_HS256};
    struct gw_str name = GW_STR("keys/token.key");
    if (cli_home_settings(i->cli, &h) == GW_EXIT_YES && gw_faults_count(h.faults) == 0 &&
        gw_keys_file_is_ours(h.settings.token_key_file)) {
        name = h.settings.token_key_file;
        files.algorithm = h.settings.token_algorithm == GW_TOKEN_SETTING_EDDSA ? GW_TOKEN_EDDSA : GW_TOKEN_HS256;
    }
    files.path = gw_settings_path(&i->arena, i->cli->home, name);
    return files;
}

/* The current key and the next, each with its public part where it has one: those that were not there are noted as made. */
static enum gw_code make_token_keys(struct init *i, struct gw_error *err)
{
    static const char *const suffixes[] = {"", ".next", ".pub", ".next.pub"};
    const struct gw_token_files files = token_files(i);
    char paths[sizeof(suffixes) / sizeof(suffixes[0])][PATH_MAX];
    bool was_there[sizeof(suffixes) / sizeof(suffixes[0])];
    bool changed;
    if (files.path == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory");
    for (size_t k = 0; k < sizeof(suffixes) / sizeof(suffixes[0]); k++) {
        if (snprintf(paths[k], PATH_MAX, "%s%s", files.path, suffixes[k]) >= PATH_MAX)
            return gw_fail(err, GW_ELIMIT, "the name of the token key is too long");
        was_there[k] = access(paths[k], F_OK) == 0;
    }
    enum gw_code code = gw_token_files_make_current(&files, gw_system_random(), err);
    if (code != GW_OK && code != GW_ECONFLICT)
        return code;
    GW_TRY(gw_token_files_mend(&files, gw_system_random(), &changed, err));
    for (size_t k = 0; k < sizeof(suffixes) / sizeof(suffixes[0]); k++)
        if (access(paths[k], F_OK) == 0)
            note(i, was_there[k] ? GW_ECONFLICT : GW_OK, paths[k]);
    return GW_OK;
}

static enum gw_code make_things(struct init *i, struct gw_error *err)
{
    for (size_t k = 0; k < sizeof(things) / sizeof(things[0]); k++) {
        const char *path = things[k].name[0] == '\0'
                               ? i->cli->home
                               : gw_settings_path(&i->arena, i->cli->home, gw_str(things[k].name));
        if (path == NULL)
            return gw_fail(err, GW_ENOMEM, "no memory");
        enum gw_code code = things[k].make(i, path, err);
        if (code != GW_OK && code != GW_ECONFLICT)
            return code;
        note(i, code, path);
    }
    return make_token_keys(i, err);
}

/* Whether that user gets to the program and to where the home directory is: nobody but root does below /root. */
static bool can_reach(const struct passwd *user, const char *home)
{
    char path[PATH_MAX];
    const struct gw_run_as as = {.uid = user->pw_uid, .gid = user->pw_gid, .groups = {user->pw_gid}, .group_count = 1};
    /* From the root on: a relative name would pass by what is above the working directory. */
    return gw_accounts_may_run(&as) && realpath(home, path) != NULL && gw_run_as_may(&as, dirname(path), X_OK);
}

/* The user that control will run as (user.control); NULL: everything stays the caller's, and `aaiti serve` says what that means. */
static const struct passwd *control_user(struct init *i)
{
    cli_auto_home struct cli_home h = {0};
    char name[33];
    if (geteuid() != 0 || cli_home_settings(i->cli, &h) != GW_EXIT_YES || gw_faults_count(h.faults) > 0 ||
        !gw_str_copy(h.settings.user_control, name, sizeof(name)))
        return NULL;
    const struct passwd *user = getpwnam(name);
    return user != NULL && can_reach(user, i->cli->home) ? user : NULL;
}

/* What root has made belongs to control's user; what was there is left to its owner. */
static void give_to_control(struct init *i)
{
    const struct passwd *user = control_user(i);
    json_t *path;
    size_t k;
    if (user == NULL)
        return;
    json_array_foreach (i->made, k, path) {
        if (lchown(json_string_value(path), user->pw_uid, user->pw_gid) != 0)
            fprintf(i->cli->err, "aaiti: WARN cannot give %s to %s: %s; leaving it\n", json_string_value(path),
                    user->pw_name, strerror(errno));
    }
}

/* Goes into a quoted YAML string: what could leave it is refused here; whether it is a URL, the settings tell. */
static bool is_plain(const char *text)
{
    for (const char *p = text; *p != '\0'; p++)
        if (*p <= ' ' || *p > '~' || *p == '"' || *p == '\\')
            return false;
    return true;
}

static bool is_port(const char *text)
{
    int64_t port;
    return gw_str_to_i64(gw_str(text), &port) && port >= 1 && port <= 65535;
}

/* A new key or address for a home directory that has one would be ignored without a word. */
static void warn_of_ignored(struct init *i)
{
    static const struct {
        const char *option, *file;
    } rows[] = {
        {"--upstream", "gateway.yaml"}, {"--port", "gateway.yaml"}, {"--upstream-secret-file", "keys/upstream.key"}};
    for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
        const char *path = gw_settings_path(&i->arena, i->cli->home, gw_str(rows[k].file));
        if (gw_cli_value(i->cli, rows[k].option) != NULL && path != NULL && access(path, F_OK) == 0)
            fprintf(i->cli->err, "aaiti: %s is there and is kept; %s changes nothing\n", path, rows[k].option);
    }
}

static void print_end(struct init *i, json_t *demo)
{
    struct gw_cli *cli = i->cli;
    if (cli->json) {
        json_t *all =
            json_pack("{s:s, s:O, s:O, s:O?}", "home", cli->home, "made", i->made, "kept", i->kept, "demo", demo);
        cli_print_json(cli, all);
        json_decref(all);
        return;
    }
    if (json_array_size(i->made) == 0)
        fputs("Everything is in place.\n", cli->out);
    else if (gw_cli_value(cli, "--demo") == NULL)
        fprintf(cli->out, "\nNext: aaiti --home %s user add NAME --role admin\n      aaiti --home %s serve\n",
                cli->home, cli->home);
}

int cmd_init(struct gw_cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    struct gw_error err;
    __attribute__((cleanup(init_done))) struct init i = {
        .cli = cli,
        .upstream_url = gw_cli_value(cli, "--upstream"),
        .port = gw_cli_value(cli, "--port"),
        .upstream_secret_file = gw_cli_value(cli, "--upstream-secret-file"),
        .made = json_array(),
        .kept = json_array(),
    };
    gw_arena_init(&i.arena, 64 * 1024);
    if (i.upstream_url == NULL)
        i.upstream_url = "http://127.0.0.1:5000";
    if (i.port == NULL)
        i.port = DEFAULT_PORT;
    if (!is_port(i.port))
        return gw_cli_fail(cli, GW_EXIT_USAGE, "--port wants a number from 1 to 65535, not `%s`", i.port);
    if (!is_plain(i.upstream_url))
        return gw_cli_fail(cli, GW_EXIT_USAGE, "--upstream wants a URL such as http://127.0.0.1:5000");

    warn_of_ignored(&i);
    if (make_things(&i, &err) != GW_OK)
        return gw_cli_fail_error(cli, &err);
    give_to_control(&i);
    gw_auto_json json_t *demo = NULL;
    if (gw_cli_value(cli, "--demo") != NULL) {
        fflush(cli->out); /* before what is logged of the users */
        int status = cli_become_owner(cli);
        if (status == GW_EXIT_YES)
            status = demo_users_make(cli, &demo);
        if (status != GW_EXIT_YES)
            return status;
    }
    print_end(&i, demo);
    return GW_EXIT_YES;
}
