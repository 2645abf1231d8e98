/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file comes first and the users are added from it: whoever is interrupted between the two runs it again, and nobody is left with
 * users whose passwords are lost.
 */
#include "demo_users.h"
#include "base/file.h"
#include "call.h"
#include "config/settings.h"
#include "crypto/random.h"

#include <string.h>
#include <unistd.h>

#define FILE_NAME "demo-users.json"
#define FILE_MAX_BYTES 8192
#define PASSWORD_RANDOM_BYTES 18 /* 24 characters of base64url */

static const char *const demo_roles[] = {"admin", "trader", "viewer"};

/* The characters come from a wide alphabet, yet may lack a class that the password rules ask for. */
static bool has_every_class(const char *password)
{
    return strpbrk(password, "abcdefghijklmnopqrstuvwxyz") != NULL &&
           strpbrk(password, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != NULL && strpbrk(password, "0123456789") != NULL &&
           strpbrk(password, "-_") != NULL;
}

static enum gw_code random_password(char dst[GW_BASE64URL_LEN(PASSWORD_RANDOM_BYTES) + 1], struct gw_error *err)
{
    do
        GW_TRY(gw_random_text(gw_system_random(), PASSWORD_RANDOM_BYTES, dst, err));
    while (!has_every_class(dst) || dst[0] == '-');
    return GW_OK;
}

static enum gw_code make_users(json_t **out, struct gw_error *err)
{
    gw_auto_json json_t *users = json_object();
    for (size_t i = 0; i < sizeof(demo_roles) / sizeof(demo_roles[0]); i++) {
        char password[GW_BASE64URL_LEN(PASSWORD_RANDOM_BYTES) + 1], upstream_id[GW_UUID_LEN + 1];
        struct gw_uuid id;
        GW_TRY(random_password(password, err));
        GW_TRY(gw_uuid_v7(gw_system_random(), gw_system_clock(), &id, err));
        gw_uuid_format(&id, upstream_id);
        json_object_set_new(users, demo_roles[i],
                            json_pack("{s:s, s:s, s:s+, s:s}", "username", demo_roles[i], "password", password, "email",
                                      demo_roles[i], "@example.com", "upstream_id", upstream_id));
    }
    *out = gw_take(&users);
    return GW_OK;
}

static enum gw_code write_users(const char *path, const json_t *users, struct gw_error *err)
{
    char *text = json_dumps(users, JSON_INDENT(2));
    if (text == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory");
    enum gw_code code = gw_file_create(path, 0600, gw_str(text), err);
    free(text);
    return code;
}

static enum gw_code read_users(const char *path, json_t **out, struct gw_error *err)
{
    gw_auto(gw_buf) struct gw_buf text = {0};
    gw_buf_init(&text, FILE_MAX_BYTES);
    GW_TRY(gw_file_read(path, &text, err));
    return gw_json_parse(gw_buf_str(&text), GW_JSON_DEFAULT_LIMITS, out, err);
}

static enum gw_code load_or_make(const char *path, json_t **out, bool *out_made, struct gw_error *err)
{
    *out_made = false;
    if (access(path, F_OK) == 0)
        return read_users(path, out, err);
    GW_TRY(make_users(out, err));
    *out_made = true;
    return write_users(path, *out, err);
}

static int add_users(struct gw_cli *cli, const json_t *users)
{
    const char *role;
    json_t *u;
    json_object_foreach ((json_t *)(uintptr_t)users, role, u) {
        unsigned answer = 0;
        gw_auto_json json_t *body = NULL;
        json_t *user = json_pack("{s:s, s:O?, s:O?, s:O?, s:O?}", "role", role, "username",
                                 json_object_get(u, "username"), "email", json_object_get(u, "email"), "password",
                                 json_object_get(u, "password"), "upstreamId", json_object_get(u, "upstream_id"));
        int status = cli_try(cli, "POST", "/aaiti/v1/users", user, &answer, &body);
        if (status != GW_EXIT_YES)
            return status;
        if (answer >= 300 && answer != 409) /* 409: is there from an earlier run */
            return gw_cli_fail(cli, GW_EXIT_NO, "demo user %s: %s", role, cli_text(body, "error"));
    }
    return GW_EXIT_YES;
}

static void print_users(struct gw_cli *cli, const json_t *users, const char *path)
{
    const char *role;
    json_t *u;
    fprintf(cli->out, "\nDemo users; the passwords are shown this once and kept in %s:\n", path);
    json_object_foreach ((json_t *)(uintptr_t)users, role, u)
        fprintf(cli->out, "  %-8s %s\n", cli_text(u, "username"), cli_text(u, "password"));
}

int demo_users_make(struct gw_cli *cli, json_t **out)
{
    struct gw_error err = {0};
    gw_auto(gw_arena) struct gw_arena a = {0};
    gw_auto_json json_t *users = NULL;
    bool made;
    gw_arena_init(&a, 64 * 1024);
    const char *path = gw_settings_path(&a, cli->home, GW_STR(FILE_NAME));
    if (path == NULL)
        return gw_cli_fail(cli, GW_EXIT_UNKNOWN, "no memory");
    if (load_or_make(path, &users, &made, &err) != GW_OK)
        return gw_cli_fail_error(cli, &err);
    int status = add_users(cli, users);
    if (status != GW_EXIT_YES || !made)
        return status;
    if (!cli->json)
        print_users(cli, users, path);
    *out = gw_take(&users);
    return GW_EXIT_YES;
}
