/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies of control's calls, through the real dispatch of a whole application in a home of its own. The first byte chooses the row:
 * 'L' login, as a stranger; else the row of that number, as an operator, so that what lies behind the rights is reached. The
 * client has always gone, so a login that is well-formed is not hashed for.
 */
#include "base/file.h"
#include "control/dispatch.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char home[] = "/tmp/fuzz_login.XXXXXX";
static struct gw_app *app;

static const char policy[] = "upstream:\n  url: http://127.0.0.1:9\n  credential: none\n"
                             "auth:\n  login: POST /api/auth/login\n  register: POST /api/auth/register\n"
                             "roles:\n  admin: { permissions: [\"*\"] }\n  trader: { permissions: [\"bots:read\"] }\n"
                             "routes:\n  - { match: GET /api/bots, permission: \"bots:read\" }\n";

static const char *no_env(const char *name)
{
    (void)name;
    return NULL;
}

static void put(const char *name, const char *text)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/%s", home, name);
    if (gw_file_create(path, 0600, gw_str(text), NULL) != GW_OK)
        abort();
}

static void tear_down(void)
{
    static const char *const files[] = {"token.key",    "blocklist.txt", "gateway.yaml", "policy.yaml",
                                        "control.lock", "aaiti.db",      "aaiti.db-wal", "aaiti.db-shm"};
    char path[128];
    gw_app_close(app);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", home, files[i]);
        (void)unlink(path);
    }
    (void)rmdir(home);
}

static void set_up(void)
{
    struct gw_faults *faults = NULL;
    struct gw_error err = {0};
    const struct gw_app_options o = {home, GW_APP_OFFLINE, no_env, gw_system_clock(), gw_system_random(), 0};
    if (mkdtemp(home) == NULL || gw_faults_new(&faults, &err) != GW_OK)
        abort();
    put("token.key", "kJ8s-2mQx7Vd_0aLwZ4pTn9cYb1rEoGh\n");
    put("gateway.yaml", "token:\n  key_file: token.key\nlogin:\n  floor: 0ms\npassword:\n  blocklist: blocklist.txt\n");
    put("blocklist.txt", "password\n"); /* the shipped one is looked for beside the program */
    put("policy.yaml", policy);
    if (gw_app_open(&o, faults, &app, &err) != GW_OK) {
        fprintf(stderr, "%s\n", err.msg);
        abort();
    }
    gw_faults_free(faults);
    (void)atexit(tear_down);
}

static bool gone(void *ctx)
{
    (void)ctx;
    return true;
}

static void dispatch(const struct gw_api_route *row, enum gw_caller_kind kind, struct gw_str body)
{
    struct gw_reply reply;
    struct gw_call call = {
        .kind = kind, .method = gw_str(row->method), .path = gw_str(row->path), .body = body, .gone = gone};
    gw_dispatch(app, &call, &reply);
    assert(reply.status >= 200 && reply.status <= 599 && reply.status != 500);
    assert(reply.is_problem == (reply.status >= 400));
    assert(reply.body != NULL || reply.status == 204);
    gw_reply_done(&reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t count;
    const struct gw_api_route *rows = gw_api_routes(&count);
    if (app == NULL)
        set_up();
    if (size == 0)
        return 0;
    const struct gw_str body = {(const char *)data + 1, size - 1};
    if (data[0] == 'L')
        dispatch(&rows[0], GW_CALLER_CLIENT, body); /* the login */
    else if (rows[data[0] % count].body != NULL)
        dispatch(&rows[data[0] % count], GW_CALLER_OPERATOR, body);
    return 0;
}
