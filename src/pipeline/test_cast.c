/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/test_cast.h"

#include "crypto/mac.h"

#include <stdio.h>
#include <string.h>

struct gw_rig rig;

int set_up(void **state)
{
    (void)state;
    gw_rig_new(&rig, NULL);
    gw_rig_put_user(&rig, ADMIN, "admin", "up-1");
    gw_rig_put_user(&rig, TRADER, "trader", "up-2");
    gw_rig_put_user(&rig, VIEWER, "viewer", "up-3");
    gw_rig_put_user(&rig, NO_ID, "trader", "");
    gw_rig_put_user(&rig, STRANGER, "astronaut", "up-5");
    for (uint32_t n = ADMIN; n <= DISABLED; n++)
        gw_rig_put_session(&rig, 10 + n, n);
    return 0;
}

int tear_down(void **state)
{
    (void)state;
    gw_rig_free(&rig);
    return 0;
}

const char *line(const char *start, const char *value)
{
    static char lines[4][GW_JWT_MAX_BYTES + 64];
    static unsigned next;
    char *text = lines[next++ % 4];
    snprintf(text, sizeof(lines[0]), "%s%s", start, value);
    return text;
}

const char *bearer(uint32_t user)
{
    return line("authorization: Bearer ", gw_rig_token(&rig, 10 + user, user));
}

const char *cookie(uint32_t user)
{
    return line("cookie: __Host-aaiti_session=", gw_rig_token(&rig, 10 + user, user));
}

struct gw_live_key key_of(uint32_t user)
{
    struct gw_live_key k = {.id = gw_rig_uuid(API_KEY_ID), .user_id = gw_rig_uuid(user)};
    uint8_t hash[GW_MAC_BYTES];
    assert_int_equal(gw_sha256(GW_STR(API_KEY), hash, NULL), GW_OK);
    memcpy(k.hash.b, hash, 16);
    memcpy(k.proof, hash + 16, 16);
    return k;
}

/* Reopened with the rig's key, it tells the same reason. */
static void assert_sealed(struct gw_str id, enum gw_reason reason)
{
    struct gw_refusal told;
    struct gw_error err = {.msg = ""};
    if (gw_id_open(rig.gate->request_id_key, id, &told, &err) != GW_OK)
        fail_msg("%.*s: %s", GW_STR_ARG(id), err.msg);
    assert_int_equal(told.reason, gw_name_mark(gw_str(gw_reason_name(reason))));
}

void assert_refused(const struct gw_decision *d, enum gw_reason reason)
{
    if (d->action != GW_REFUSE || d->reason != reason)
        fail_msg("action %d, reason %s (%s), expected %s", d->action, gw_reason_name(d->reason),
                 d->detail != NULL ? d->detail : "", gw_reason_name(reason));
    assert_int_equal(d->status, gw_reason_status(reason));
    assert_int_equal(d->credential.len, 0);
    assert_int_equal(d->target.len, 0);
    assert_int_equal(d->retry_after_s != 0, d->status == 503 || d->status == 429);
    assert_sealed(d->request_id, reason);
}

void assert_passed(const struct gw_decision *d)
{
    assert_int_equal(d->request_id.len, GW_UUID_LEN);
    if (d->action != GW_PASS)
        fail_msg("action %d, reason %s (%s)", d->action, gw_reason_name(d->reason), d->detail != NULL ? d->detail : "");
    assert_true(gw_rig_dropped(&rig, "authorization"));
}

void change_user(uint32_t n, const char *role, uint8_t active)
{
    struct gw_live_user u;
    struct gw_uuid id = gw_rig_uuid(n);
    assert_int_equal(gw_shared_get_user(rig.writer, &id, &u), GW_OK);
    u.version++;
    u.active = active;
    snprintf(u.role, sizeof(u.role), "%s", role);
    assert_int_equal(gw_shared_put_user(rig.writer, &u, NULL), GW_OK);
}

void load_and_install(void)
{
    struct gw_snapshot *s = NULL;
    struct gw_error err = {.msg = ""};
    if (gw_gate_load(rig.gate, &s, &err) != GW_OK)
        fail_msg("%s", err.msg);
    gw_gate_install(rig.gate, s);
}
