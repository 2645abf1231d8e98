/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sign-in. An unknown user, one without a password and a disabled one cost the hash of a dummy, give the one answer of a wrong
 * password, and all answers leave at one floor of time (AUTH-11), so that neither words nor time tell them apart.
 *
 * Before all that the guard is asked (identity/login_guard.h), first by what was typed alone: who is locked out hears so without a look at the
 * database, so that the answer is the same for whoever was meant.
 *
 * The hash takes long and holds no lock, so what it proved may be stale when the session is made: the transaction that inserts it
 * looks at the user again. A hash that changed meanwhile (an upgrade by another sign-in, or a new password) is proved once more.
 */
#include "crypto/secret.h"
#include "identity/device.h"
#include "identity/state.h"
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#define TRIES 2
#define TOKEN_MAX_BYTES GW_JWT_MAX_BYTES

static_assert(GW_DEVICE_COOKIE_LEN <= GW_DEVICE_TEXT_MAX, "a cookie fits where it is handed out");

struct attempt {
    const struct gw_login *in;
    struct gw_attempt *guarded;
    struct gw_user_row user;      /* as proved */
    char new_hash[GW_PWHASH_LEN]; /* to replace an outdated one; "": none */
    bool stale;                   /* the user's hash changed between proof and transaction */
};

/* ---- proof ---- */

/* What the password is measured by; NULL: the pool's dummy. */
static const char *hash_of(const struct gw_user_row *u, struct gw_str password)
{
    bool usable = u->active && !u->service && u->password_hash[0] != '\0' && password.len > 0 &&
                  password.len <= GW_PASSWORD_MAX_BYTES;
    return usable ? u->password_hash : NULL;
}

static struct gw_hash_client client_of(const struct attempt *a)
{
    const struct gw_login *in = a->in;
    return (struct gw_hash_client){&in->by->address, a->guarded->by.device, in->gone, in->gone_ctx};
}

static enum gw_code verify(struct gw_identity *i, struct attempt *a, struct gw_error *err)
{
    const struct gw_login *in = a->in;
    struct gw_str password = gw_str_sub(in->password, 0, GW_PASSWORD_MAX_BYTES);
    const char *hash = hash_of(&a->user, in->password);
    const struct gw_hash_client client = client_of(a);
    enum gw_code code = gw_hasher_verify(i->options.hasher, &client, hash, password, err);
    return code == GW_EPARSE ? gw_fail(err, GW_EDENIED, "%s: the stored hash is of no known kind", a->user.username)
                             : code;
}

const char *gw_login_reason_name(enum gw_login_reason reason)
{
    static const char *const names[] = {
#define GW_LOGIN_REASON(name) [GW_LOGIN_##name] = #name,
#include "identity/login_reason.def"
#undef GW_LOGIN_REASON
    };
    return names[reason];
}

/* What a refused proof was refused for. */
static enum gw_login_reason reason_of(const struct gw_user_row *u)
{
    if (u->username[0] == '\0')
        return GW_LOGIN_UNKNOWN_USER;
    if (!u->active)
        return GW_LOGIN_DISABLED;
    return u->password_hash[0] == '\0' ? GW_LOGIN_NO_PASSWORD : GW_LOGIN_WRONG_PASSWORD;
}

/* While the password is at hand. That the pool is busy is no reason to refuse: the next sign-in upgrades. */
static enum gw_code upgrade(struct gw_identity *i, struct attempt *a, struct gw_error *err)
{
    const struct gw_login *in = a->in;
    a->new_hash[0] = '\0';
    if (!gw_hasher_is_outdated(i->options.hasher, a->user.password_hash))
        return GW_OK;
    char hash[GW_PWHASH_LEN];
    const struct gw_hash_client client = client_of(a);
    enum gw_code code = gw_hasher_make(i->options.hasher, &client, in->password, hash, err);
    if (code == GW_OK)
        memcpy(a->new_hash, hash, sizeof(hash));
    return code == GW_ELIMIT ? GW_OK : code;
}

static enum gw_code prove(struct gw_identity *i, struct attempt *a, struct gw_error *err)
{
    a->user = (struct gw_user_row){.active = false};
    a->stale = false;
    enum gw_code code = gw_user_by_name_or_email(i->options.store, a->in->username, &a->user, err);
    if (code != GW_OK && code != GW_ENOTFOUND)
        return code;
    if (code == GW_OK)
        gw_login_guard_name(i->options.guard, a->guarded, &a->user.id);
    GW_TRY(verify(i, a, err));
    return upgrade(i, a, err);
}

/* ---- the session, inside the transaction ---- */

struct census {
    const struct gw_identity *identity;
    const struct gw_session_row *candidate;
    struct gw_id_list live, over; /* oldest last use first */
    bool knows_device;
};

static enum gw_code count_session(void *ctx, const struct gw_session_row *r, struct gw_error *err)
{
    struct census *s = ctx;
    s->knows_device = s->knows_device || (strcmp(r->address, s->candidate->address) == 0 &&
                                          strcmp(r->user_agent, s->candidate->user_agent) == 0);
    bool is_over = gw_session_is_over(s->identity, r, gw_last_seen_of(s->identity, r));
    return gw_id_list_add(is_over ? &s->over : &s->live, &r->id, err);
}

static enum gw_code end_ids(struct gw_change *c, const struct gw_id_list *l, size_t count, struct gw_error *err)
{
    for (size_t n = 0; n < count; n++)
        GW_TRY(gw_change_end_session(c, &l->ids[n], err));
    return GW_OK;
}

static enum gw_code make_room_by(struct gw_change *c, struct census *s, struct gw_signed_in *out, struct gw_error *err)
{
    const struct gw_settings *settings = c->identity->options.settings;
    size_t limit = (size_t)settings->session_per_user;
    GW_TRY(gw_store_session_each(c->identity->options.store, &out->user.id, count_session, s, err));
    GW_TRY(end_ids(c, &s->over, s->over.count, err));
    out->is_new_device = !s->knows_device;
    out->evicted_count = s->live.count < limit ? 0 : s->live.count - limit + 1;
    if (out->evicted_count > 0 && settings->session_at_limit == GW_SESSION_DENY)
        return gw_fail(err, GW_ECONFLICT, "the user has %zu sessions", s->live.count);
    return end_ids(c, &s->live, out->evicted_count, err);
}

/* For out->session of out->user. */
static enum gw_code make_room(struct gw_change *c, struct gw_signed_in *out, struct gw_error *err)
{
    struct census s = {.identity = c->identity, .candidate = &out->session};
    enum gw_code code = make_room_by(c, &s, out, err);
    gw_id_list_done(&s.live);
    gw_id_list_done(&s.over);
    return code;
}

/* Printable ASCII stays: what else a client claims to be must not reach a terminal or break a JSON string. */
static void copy_user_agent(struct gw_str s, char dst[GW_USER_AGENT_MAX + 1])
{
    size_t len = s.len < GW_USER_AGENT_MAX ? s.len : GW_USER_AGENT_MAX;
    for (size_t n = 0; n < len; n++)
        dst[n] = s.ptr[n] >= ' ' && s.ptr[n] < 0x7f ? s.ptr[n] : '?';
    dst[len] = '\0';
}

static enum gw_code fill_session(struct gw_identity *i, const struct attempt *a, struct gw_session_row *out,
                                 struct gw_error *err)
{
    int64_t now_s = gw_clock_real_s(i->options.clock);
    struct gw_session_row r = {.user_id = a->user.id, .created_s = now_s, .last_seen_s = now_s, .country = "unknown"};
    r.expires_s = now_s + i->options.settings->session_absolute_ms / 1000;
    GW_TRY(gw_uuid_v7(i->options.random, i->options.clock, &r.id, err));
    gw_ip_format(&a->in->by->address, r.address);
    copy_user_agent(a->in->by->user_agent, r.user_agent);
    *out = r;
    return GW_OK;
}

enum gw_code gw_sign_access(struct gw_identity *i, struct gw_signed_in *out, struct gw_error *err)
{
    int64_t end_s = gw_clock_real_s(i->options.clock) + i->options.settings->token_ttl_ms / 1000;
    return gw_sign_access_until(i, out, end_s, err);
}

enum gw_code gw_sign_access_until(struct gw_identity *i, struct gw_signed_in *out, int64_t end_s, struct gw_error *err)
{
    const struct gw_settings *settings = i->options.settings;
    int64_t now_s = gw_clock_real_s(i->options.clock);
    char sub[GW_UUID_LEN + 1];
    struct gw_uuid jti;
    gw_uuid_format(&out->user.id, sub);
    GW_TRY(gw_uuid_v7(i->options.random, i->options.clock, &jti, err));
    const struct gw_jwt_issue issue = {
        .issuer = settings->token_issuer,
        .audience = settings->token_audience,
        .sub = gw_str(sub),
        .role = gw_str(out->user.role),
        .sid = out->session.id,
        .jti = jti,
        .iat_s = now_s,
        .exp_s = end_s < out->session.expires_s ? end_s : out->session.expires_s,
    };
    out->expires_in_s = issue.exp_s - now_s;
    gw_buf_init(&out->token, TOKEN_MAX_BYTES);
    pthread_mutex_lock(&i->tokens);
    enum gw_code code = gw_jwt_sign_access(i->signer, &issue, &out->token, err);
    pthread_mutex_unlock(&i->tokens);
    return code;
}

void gw_signed_in_done(struct gw_signed_in *s)
{
    gw_buf_done(&s->token);
    gw_wipe(s->refresh, sizeof(s->refresh));
}

static enum gw_code record_sign_in(struct gw_change *c, const struct gw_signed_in *s, struct gw_error *err)
{
    return gw_change_record(c,
                            &(struct gw_deed){.action = "user_login",
                                              .resource_type = "sessions",
                                              .resource = &s->session.id,
                                              .user_id = &s->user.id,
                                              .session_id = &s->session.id,
                                              .details = json_pack("{s:b, s:I}", "newDevice", (int)s->is_new_device,
                                                                   "endedSessions", (json_int_t)s->evicted_count)},
                            err);
}

/* out->user becomes the row as it stands now: its role, not the one at the time of the proof, goes into the token. */
static enum gw_code admit(struct gw_change *c, struct attempt *a, struct gw_signed_in *out, struct gw_error *err)
{
    struct gw_store *store = c->identity->options.store;
    enum gw_code code = gw_store_user_get(store, &a->user.id, &out->user, err);
    if (code == GW_ENOTFOUND || (code == GW_OK && !out->user.active)) {
        a->user.active = false;
        return gw_fail(err, GW_EDENIED, "the user was disabled or deleted meanwhile");
    }
    GW_TRY(code);
    a->stale = strcmp(out->user.password_hash, a->user.password_hash) != 0;
    if (a->stale)
        return gw_fail(err, GW_EDENIED, "the password was changed meanwhile");
    if (a->new_hash[0] != '\0')
        memcpy(out->user.password_hash, a->new_hash, sizeof(a->new_hash));
    GW_TRY(fill_session(c->identity, a, &out->session, err));
    GW_TRY(make_room(c, out, err));
    GW_TRY(gw_store_session_insert(store, &out->session, err));
    const struct gw_ip place = gw_ip_limit_key(&a->in->by->address);
    GW_TRY(gw_store_known_pair_put(store, &out->user.id, &place, out->session.created_s, err));
    GW_TRY(gw_change_begin_family(c, &out->session.id, out->refresh, err));
    GW_TRY(gw_sign_access(c->identity, out, err));
    GW_TRY(record_sign_in(c, out, err));
    out->user.last_login_s = out->session.created_s;
    GW_TRY(gw_store_user_update(store, &out->user, err));
    c->put_user = &out->user;
    c->put_session = &out->session;
    return GW_OK;
}

static enum gw_code sign_in(struct gw_identity *i, struct attempt *a, struct gw_signed_in *out, struct gw_error *err)
{
    struct gw_change c;
    GW_TRY(prove(i, a, err));
    GW_TRY(gw_change_begin(&c, i, a->in->by, err));
    return gw_change_end(&c, admit(&c, a, out, err), err);
}

/* ---- the guard ---- */

static struct gw_attempt_by attempt_by(const struct gw_identity *i, const struct gw_login *in)
{
    return (struct gw_attempt_by){.call = GW_GUARDED_LOGIN,
                                  .address = in->by->address,
                                  .is_allowed = gw_guard_is_allowed(i, &in->by->address),
                                  .account = in->username,
                                  .gone = in->gone,
                                  .gone_ctx = in->gone_ctx};
}

/* Sets what tells the account's own device: its cookie, while few attempts with it have failed, or where the account signed in from of
 * late. cookie is borrowed by *who. */
static enum gw_code recognise(struct gw_identity *i, const struct gw_login *in, struct gw_device_cookie *cookie,
                              struct gw_attempt_by *who, struct gw_error *err)
{
    const struct gw_identity_options *o = &i->options;
    int64_t now_s = gw_clock_real_s(o->clock);
    struct gw_user_row u;
    struct gw_ip place = gw_ip_limit_key(&in->by->address);
    bool is_known = false;
    enum gw_code code = gw_user_by_name_or_email(o->store, in->username, &u, err);
    if (code == GW_ENOTFOUND)
        return GW_OK;
    GW_TRY(code);
    if (o->device_key != NULL && gw_device_read(o->device_key, in->device, now_s, cookie) == GW_OK &&
        gw_uuid_eq(&cookie->user_id, &u.id)) {
        who->cookie = cookie->nonce;
        is_known = !gw_login_guard_is_spent(o->guard, cookie->nonce);
    }
    if (!is_known)
        GW_TRY(gw_store_known_pair_has(o->store, &u.id, &place, now_s - GW_KNOWN_PAIR_S, &is_known, err));
    who->device = is_known ? GW_DEVICE_KNOWN : GW_DEVICE_UNKNOWN;
    return GW_OK;
}

static enum gw_code make_device(struct gw_identity *i, struct gw_signed_in *out, struct gw_error *err)
{
    const struct gw_identity_options *o = &i->options;
    struct gw_device_cookie c = {.user_id = out->user.id};
    if (o->device_key == NULL)
        return GW_OK;
    c.expires_s = gw_clock_real_s(o->clock) + o->settings->login_device_ttl_ms / 1000;
    GW_TRY(gw_random_fill(o->random, c.nonce, sizeof(c.nonce), err));
    return gw_device_make(o->device_key, &c, out->device, err);
}

/* The account has two names, and the guard counts by what was typed. */
static void forgive(struct gw_identity *i, const struct gw_login *in, const struct gw_user_row *u)
{
    gw_login_guard_forgive(i->options.guard, &in->by->address, gw_str(u->username));
    if (u->email[0] != '\0')
        gw_login_guard_forgive(i->options.guard, &in->by->address, gw_str(u->email));
}

/* ---- the floor ---- */

static void sleep_ms(int64_t ms)
{
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
        continue;
}

static void wait_until(const struct gw_identity *i, int64_t mono_ms)
{
    int64_t ms = mono_ms - gw_clock_mono_ms(i->options.clock);
    if (ms <= 0)
        return;
    if (i->options.wait_ms != NULL)
        i->options.wait_ms(i->options.wait_ctx, ms);
    else
        sleep_ms(ms);
}

static void tell_refusal(const struct attempt *a, enum gw_code code)
{
    struct gw_login_refusal *r = a->in->refusal;
    if (r == NULL || (code != GW_EDENIED && code != GW_ECONFLICT))
        return;
    r->reason = code == GW_ECONFLICT ? GW_LOGIN_SESSION_LIMIT : reason_of(&a->user);
    r->user_id = a->user.id;
}

/* Once the guard lets it through. */
static enum gw_code try_to_sign_in(struct gw_identity *i, struct attempt *a, struct gw_signed_in *out,
                                   struct gw_error *err)
{
    enum gw_code code = GW_OK;
    for (int tries = 0; tries < TRIES; tries++) {
        code = sign_in(i, a, out, err);
        if (code == GW_OK || !a->stale)
            break;
    }
    gw_guard_end(i, a->guarded, code);
    if (code != GW_OK)
        return code;
    forgive(i, a->in, &out->user);
    return make_device(i, out, err);
}

static enum gw_code guarded(struct gw_identity *i, struct attempt *a, struct gw_signed_in *out, struct gw_error *err)
{
    struct gw_device_cookie cookie;
    struct gw_attempt_by who = attempt_by(i, a->in);
    GW_TRY(gw_login_guard_check(i->options.guard, &who, a->guarded, err));
    GW_TRY(recognise(i, a->in, &cookie, &who, err));
    GW_TRY(gw_login_guard_begin(i->options.guard, &who, a->guarded, err));
    return try_to_sign_in(i, a, out, err);
}

enum gw_code gw_login(struct gw_identity *i, const struct gw_login *in, struct gw_signed_in *out, struct gw_error *err)
{
    int64_t floor_ms = gw_clock_mono_ms(i->options.clock) + i->options.settings->login_floor_ms;
    struct gw_attempt own;
    struct attempt a = {.in = in, .guarded = in->attempt != NULL ? in->attempt : &own};
    struct gw_signed_in result = {.expires_in_s = 0};
    enum gw_code code = guarded(i, &a, &result, err);
    tell_refusal(&a, code);
    if (in->known != NULL)
        memcpy(in->known, a.user.username, sizeof(a.user.username));
    if (code != GW_ELIMIT && code != GW_ETIMEOUT)
        wait_until(i, floor_ms);
    if (code == GW_OK)
        *out = result;
    else
        gw_buf_done(&result.token);
    gw_wipe(result.refresh, sizeof(result.refresh));
    return code;
}
