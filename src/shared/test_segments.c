/* SPDX-License-Identifier: Apache-2.0 */
#include "shared/test_segments.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char dir[64];
const struct gw_shared_sizes sizes = {.sessions = 64, .users = 32, .revocations = 16, .blocks = 256, .rates = 64};

int make_dir(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/gw-shared-XXXXXX");
    return mkdtemp(dir) == NULL ? -1 : 0;
}

void path_of(const char *name, char path[128])
{
    snprintf(path, 128, "%s/%s", dir, name);
}

int remove_dir(void **state)
{
    (void)state;
    static const char *const names[] = {"authority", "counters", "authority.lock"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[128];
        path_of(names[i], path);
        unlink(path);
    }
    return rmdir(dir); /* fails when a temporary file was left behind */
}

struct gw_shared *open_as(enum gw_shared_role role)
{
    struct gw_shared *s = NULL;
    struct gw_error err = {0};
    if (gw_shared_open(dir, role, &sizes, &s, &err) != GW_OK)
        fail_msg("%s: %s", gw_code_name(err.code), err.msg);
    return s;
}

enum gw_code try_open(enum gw_shared_role role)
{
    struct gw_shared *s = NULL;
    enum gw_code code = gw_shared_open(dir, role, &sizes, &s, NULL);
    gw_shared_close(s);
    return code;
}

struct gw_shared *ready_writer(void)
{
    struct gw_shared *w = open_as(GW_SHARED_WRITER);
    gw_shared_begin_load(w);
    gw_shared_end_load(w);
    return w;
}

struct gw_uuid uuid(uint8_t n)
{
    struct gw_uuid u;
    memset(u.b, n, sizeof(u.b));
    return u;
}

struct gw_live_session session_of(uint8_t n)
{
    return (struct gw_live_session){
        .id = uuid(n), .user_id = uuid(200), .created_s = 100, .expires_s = 900, .last_seen_s = 100, .idle_s = 60};
}

struct gw_live_user user_of(uint8_t n, const char *role)
{
    struct gw_live_user u = {.id = uuid(n), .version = n, .active = 1};
    snprintf(u.username, sizeof(u.username), "user%u", n);
    snprintf(u.role, sizeof(u.role), "%s", role);
    return u;
}

void put_session(struct gw_shared *w, uint8_t n)
{
    struct gw_live_session session = session_of(n);
    assert_int_equal(gw_shared_put_session(w, &session, NULL), GW_OK);
}

enum gw_code find_session(const struct gw_shared *s, uint8_t n)
{
    struct gw_live_session session;
    struct gw_uuid id = uuid(n);
    return gw_shared_get_session(s, &id, &session);
}
