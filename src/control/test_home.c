/* SPDX-License-Identifier: Apache-2.0 */
#include "control/test_home.h"
#include "base/file.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

const char gw_test_policy[] = "upstream:\n"
                              "  url: http://127.0.0.1:9\n"
                              "  credential:\n"
                              "    mint: hs256\n"
                              "    key_file: upstream.key\n"
                              "    claims: { userId: upstream_id }\n"
                              "auth:\n"
                              "  login: POST /api/auth/login\n"
                              "  refresh: POST /api/auth/refresh\n"
                              "  logout: POST /api/auth/logout\n"
                              "  profile: GET /api/auth/profile\n"
                              "  register: POST /api/auth/register\n"
                              "roles:\n"
                              "  admin: { permissions: [\"*\"] }\n"
                              "  trader: { permissions: [\"bots:read\"] }\n"
                              "  only-users-read: { permissions: [\"users:read\"] }\n"
                              "  only-users-write: { permissions: [\"users:write\"] }\n"
                              "  only-users-delete: { permissions: [\"users:delete\"] }\n"
                              "  only-system-read: { permissions: [\"system:read\"] }\n"
                              "  only-system-write: { permissions: [\"system:write\"] }\n"
                              "  only-audit-read: { permissions: [\"audit:read\"] }\n"
                              "routes:\n"
                              "  - { match: GET /api/bots, permission: \"bots:read\" }\n";

void gw_test_home_put(const struct gw_test_home *h, const char *name, const char *text)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/%s", h->path, name);
    (void)unlink(path);
    assert_int_equal(gw_file_create(path, 0600, gw_str(text), NULL), GW_OK);
}

void gw_test_home_settings(const struct gw_test_home *h, const char *more)
{
    char text[512];
    (void)snprintf(text, sizeof(text),
                   "allow: [192.0.2.0/24]\nlogin:\n  floor: 0ms\n  delay: 0ms\n  attempts: 10\nrun_dir: %s\n%s",
                   h->run_dir, more);
    gw_test_home_put(h, "gateway.yaml", text);
}

const char *gw_test_no_env(const char *name)
{
    (void)name;
    return NULL;
}

void gw_test_home_make(struct gw_test_home *h)
{
    char keys[80];
    strcpy(h->path, "/tmp/test_home.XXXXXX");
    assert_non_null(mkdtemp(h->path));
    (void)snprintf(h->run_dir, sizeof(h->run_dir), "%s/run", h->path);
    (void)snprintf(keys, sizeof(keys), "%s/keys", h->path);
    assert_int_equal(mkdir(keys, 0700), 0);
    gw_test_home_put(h, "keys/token.key", "kJ8s-2mQx7Vd_0aLwZ4pTn9cYb1rEoGh\n");
    gw_test_home_put(h, "upstream.key", "Zq3_wX9vB-7nM1sK5dF8gH2jL6pO0iUy\n");
    gw_test_home_settings(h, "");
    gw_test_home_put(h, "policy.yaml", gw_test_policy);
    gw_fake_clock_init(&h->clock, 1800000000000);
}

void gw_test_home_remove(struct gw_test_home *h)
{
    char command[128];
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", h->path);
    assert_int_equal(system(command), 0);
}

struct gw_app *gw_test_home_open(struct gw_test_home *h)
{
    gw_auto(gw_faults) struct gw_faults *f = NULL;
    struct gw_error err = {0};
    struct gw_app *app = NULL;
    const struct gw_app_options o = {h->path, GW_APP_CONTROL, gw_test_no_env, &h->clock.clock, gw_system_random(), 0};
    assert_int_equal(gw_faults_new(&f, &err), GW_OK);
    if (gw_app_open(&o, f, &app, &err) != GW_OK)
        fail_msg("%s; %s", err.msg, gw_faults_count(f) > 0 ? gw_faults_get(f, 0)->message : "no fault");
    return app;
}
