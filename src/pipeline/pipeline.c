/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request's way through the stages. The first refusal wins; a stage that fails is a refusal, here and nowhere else.
 */
#include "pipeline/pipeline.h"

#include "crypto/mac.h"
#include "crypto/secret.h"
#include "pipeline/answers.h"
#include "pipeline/pages.h"
#include "pipeline/panic_page.h"
#include "pipeline/socket.h"

#include <assert.h>
#include <string.h>

#define CONTROL_DEAD_AFTER_S 5
/* A next key is shown a whole lifetime of tokens before it signs, so nobody need ask often. */
#define JWKS_CACHE "public, max-age=300"

const struct gw_stage gw_stages[GW_STAGE_COUNT] = {
#define GW_STAGE(id, name_, check_, rehearse_) {.name = (name_), .check = (check_), .rehearse = (rehearse_)},
#include "pipeline/stage.def"
#undef GW_STAGE
};

static const struct {
    const char *name, *text;
} details[] = {
#define GW_DETAIL(name_, text_) {#name_, text_},
#include "pipeline/detail.def"
#undef GW_DETAIL
};

const char *gw_detail_text(enum gw_detail detail)
{
    return details[detail].text;
}

const char *gw_detail_name(enum gw_detail detail)
{
    return details[detail].name;
}

/* ---- refusing ---- */

static void write_refusal(struct gw_decision *out, struct gw_verdict v)
{
    out->action = GW_REFUSE;
    out->reason = v.reason;
    out->status = gw_reason_status(v.reason);
    out->detail = gw_detail_text(v.detail);
    out->members = v.members;
    out->field_count = 0;
    out->answer = GW_CLASS_API;
    bool passes_soon = out->status == 503 || out->status == 429;
    out->retry_after_s = v.retry_after_s > 0 ? v.retry_after_s : passes_soon ? 1 : 0;
    out->delay_ms = 0;
    out->upgrades = false;
    out->target = out->cookie = out->credential_name = out->credential = GW_STR_NULL;
    out->location = out->content_type = out->content_security = out->body = GW_STR_NULL;
}

/* Where that fails the request keeps its plain id: a refusal is never lost over its explanation. */
static void seal_id(const struct gw_request *r, const char *stage, struct gw_verdict v)
{
    const struct gw_snapshot *s = r->snapshot;
    const struct gw_route *route = s != NULL ? r->route : NULL;
    const struct gw_refusal what = {
        .request = r->id,
        .generation = s != NULL ? (uint32_t)s->ref.generation : 0,
        .bundle = s != NULL ? s->mark : 0,
        .reason = gw_name_mark(gw_str(gw_reason_name(v.reason))),
        .stage = gw_name_mark(gw_str(stage)),
        .detail = v.detail != GW_DETAIL_NONE ? gw_name_mark(gw_str(gw_detail_name(v.detail))) : 0,
        .route = route != NULL ? gw_name_mark(route->pattern) : 0,
        .right = route != NULL ? gw_name_mark(gw_policy_right(s->policy, route)) : 0,
    };
    char *text = gw_arena_alloc(r->arena, GW_SEALED_ID_LEN);
    if (text != NULL && gw_id_seal(r->gate->sealer, &what, text) == GW_OK)
        r->out->request_id = (struct gw_str){text, GW_SEALED_ID_LEN};
}

/* stage: NULL where none refused, but what comes before or after them. */
static void refuse(struct gw_request *r, const char *stage, struct gw_verdict v)
{
    write_refusal(r->out, v);
    if (r->out->request_id.len > 0)
        seal_id(r, stage, v);
    gw_record_refusal(r);
    if (r->verifies) {
        r->out->refused_status = r->out->status;
        r->out->status = gw_verify_status(r->out->status);
    }
    gw_metrics_refusal(r, stage, v.reason);
    if (gw_browser_refuse(r) != GW_OK)
        write_refusal(r->out, v); /* without memory for a page */
}

void gw_request_refuse(struct gw_request *r, enum gw_reason reason, struct gw_decision *out)
{
    r->out = out;
    refuse(r, NULL, (struct gw_verdict){.reason = reason});
}

/* ---- holding back ---- */

/* Another number of places counts once nobody has one of the old. */
static void make_places(struct gw_gate *g, size_t count)
{
    if (g->held_back > 0 || (g->delayed != NULL && g->delayed_room == count))
        return;
    gw_connections_free(g->delayed);
    g->delayed = NULL;
    g->delayed_room = count;
    if (gw_connections_new(count, g->random, &g->delayed, NULL) != GW_OK)
        g->delayed = NULL;
}

/* An address has a quarter at most: else one alone could take all places, and others were refused who should have been delayed. */
static bool take_place(struct gw_gate *g, const struct gw_request *r)
{
    size_t most = (size_t)r->snapshot->settings.limit_delayed;
    size_t share = most >= 4 ? most / 4 : 1;
    if (g->held_back >= most)
        return false;
    make_places(g, most);
    return g->delayed != NULL && gw_connections_of(g->delayed, &r->client) < share &&
           gw_connections_add(g->delayed, &r->client) == GW_OK;
}

bool gw_request_hold_back(struct gw_gate *g, struct gw_request *r, struct gw_decision *out)
{
    if (!take_place(g, r)) {
        unsigned seconds = (out->delay_ms + 999) / 1000;
        r->out = out;
        refuse(r, NULL, (struct gw_verdict){.reason = GW_REASON_RATE_DELAYED, .retry_after_s = seconds});
        return false;
    }
    g->held_back++;
    r->is_held_back = true;
    return true;
}

void gw_request_let_go(struct gw_gate *g, struct gw_request *r)
{
    if (!r->is_held_back)
        return;
    gw_connections_drop(g->delayed, &r->client);
    g->held_back--;
    r->is_held_back = false;
}

enum gw_code gw_hold(struct gw_request *r, struct gw_verdict *v, struct gw_verdict verdict)
{
    bool may_be_let_through =
        r->presented.kind != GW_CREDENTIAL_ABSENT || (r->is_preflight && r->origin == GW_ORIGIN_LISTED);
    if (!may_be_let_through)
        *v = verdict;
    else if (r->held.reason == GW_REASON_NONE)
        r->held = verdict;
    return GW_OK;
}

/* ---- what follows when nobody refused ---- */

static enum gw_code answer_health(struct gw_request *r)
{
    assert(r->snapshot != NULL); /* without one the stages do not run */
    const struct gw_shared *shared = r->gate->shared;
    const struct gw_health health = {
        .ready = shared != NULL && gw_shared_is_ready(shared),
        .control_up = shared != NULL && r->now_s - gw_shared_heartbeat(shared) < CONTROL_DEAD_AFTER_S,
        .generation = r->snapshot->ref.generation,
    };
    r->out->content_type = GW_STR("application/json");
    return gw_health_body(&health, r->arena, &r->out->body);
}

static enum gw_code finish(struct gw_request *r)
{
    struct gw_decision *out = r->out;
    enum gw_target target = r->route->target;
    if (r->is_preflight) {
        out->action = GW_ANSWER;
        out->status = 200;
        return gw_cors_allow(r->snapshot->policy, out->target, r->arena, &out->fields, &out->field_count);
    }
    gw_answer_classify(r);
    if (gw_target_is_control(target)) {
        gw_head_keep_credential(r->head, &r->fields);
        out->action = GW_CONTROL;
        if (target == GW_TARGET_LOGIN_FORM || target == GW_TARGET_LOGOUT_FORM)
            out->content_security = gw_page_policy;
        return GW_OK;
    }
    if (target == GW_TARGET_BACKEND) {
        out->action = r->verifies ? GW_VERIFIED : GW_PASS;
        return r->verifies || gw_cookies_have_ours(&r->fields.cookies)
                   ? gw_head_other_cookies(r->head, r->arena, &out->cookie)
                   : GW_OK;
    }
    out->action = GW_ANSWER;
    out->status = 200;
    if (target == GW_TARGET_HEALTH)
        return answer_health(r);
    if (target == GW_TARGET_METRICS) {
        out->content_type = GW_STR("text/plain; version=0.0.4; charset=utf-8");
        return gw_metrics_body(r->gate, r->arena, &out->body);
    }
    if (target == GW_TARGET_JWKS) {
        out->content_type = GW_STR("application/jwk-set+json");
        out->body = r->gate->jwks;
        out->cache_control = GW_STR(JWKS_CACHE);
        return GW_OK;
    }
    if (target == GW_TARGET_LOGIN_PAGE || target == GW_TARGET_LOGOUT_PAGE)
        return gw_browser_answer(r);
    out->content_type = GW_STR("text/html; charset=utf-8");
    out->body = gw_landing_body();
    if (target == GW_TARGET_PANIC) {
        out->body = r->snapshot->panic_page;
        out->content_security = gw_panic_policy;
    }
    return GW_OK;
}

/* ---- the way ---- */

/* True: nobody refused. */
static bool run(struct gw_request *r, const struct gw_stage *first, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct gw_verdict v = {.reason = GW_REASON_NONE};
        if (first[i].check(r, &v) != GW_OK)
            v = (struct gw_verdict){.reason = GW_REASON_INTERNAL};
        if (v.reason == GW_REASON_NONE)
            continue;
        gw_quota_refused(r, &v);
        refuse(r, first[i].name, v);
        if (v.reason == GW_REASON_INTERNAL)
            r->out->detail = first[i].name;
        return false;
    }
    return true;
}

/* A preflight does nothing and brings no credential: whether who asks may, the request that follows it is told. */
static bool run_stages(struct gw_request *r)
{
    return run(r, gw_stages, GW_STAGE_TOKEN) &&
           (r->is_preflight || run(r, gw_stages + GW_STAGE_TOKEN, GW_STAGE_COUNT - GW_STAGE_TOKEN));
}

static enum gw_code write_address(struct gw_request *r)
{
    char text[GW_IP_LEN + 1];
    gw_ip_format(&r->client, text);
    return gw_arena_str(r->arena, gw_str(text), &r->out->client_address);
}

static enum gw_code write_request_id(struct gw_request *r)
{
    char *text = gw_arena_alloc(r->arena, GW_UUID_LEN + 1);
    if (text == NULL)
        return GW_ENOMEM;
    GW_TRY(gw_uuid_v7(&r->gate->pool.random, r->gate->clock, &r->id, NULL));
    gw_uuid_format(&r->id, text);
    r->out->request_id = (struct gw_str){text, GW_UUID_LEN};
    return GW_OK;
}

static void judge(struct gw_request *r)
{
    memcpy(r->client.b, r->head->peer, sizeof(r->client.b));
    r->verifies = gw_verify_is_asked(r->head);
    if (write_request_id(r) != GW_OK) {
        refuse(r, NULL, (struct gw_verdict){.reason = GW_REASON_INTERNAL, .detail = GW_DETAIL_NO_REQUEST_ID});
        return;
    }
    bool goes_on = r->snapshot != NULL && run_stages(r);
    if (r->snapshot == NULL)
        refuse(r, NULL, (struct gw_verdict){.reason = GW_REASON_NOT_READY, .detail = GW_DETAIL_NO_POLICY});
    if (write_address(r) != GW_OK || (goes_on && finish(r) != GW_OK) || gw_quota_tell(r) != GW_OK)
        refuse(r, NULL, (struct gw_verdict){.reason = GW_REASON_INTERNAL, .detail = GW_DETAIL_NO_ANSWER});
}

struct gw_request *gw_request_new(struct gw_gate *g, struct gw_request_head *head, struct gw_arena *a,
                                  struct gw_decision *out)
{
    *out = (struct gw_decision){.action = GW_REFUSE};
    struct gw_request *r = gw_arena_calloc(a, 1, sizeof(*r));
    if (r == NULL) {
        write_refusal(out, (struct gw_verdict){.reason = GW_REASON_INTERNAL, .detail = GW_DETAIL_NO_MEMORY});
        return NULL;
    }
    r->gate = g;
    r->head = head;
    r->arena = a;
    r->out = out;
    r->now_s = gw_clock_real_s(g->clock);
    r->snapshot = g->snapshot;
    if (r->snapshot != NULL)
        gw_snapshot_ref(r->snapshot);
    judge(r);
    return r;
}

/* A user who changed meanwhile is shown to the backend as of now. */
static enum gw_code recheck_identity(struct gw_request *r, struct gw_verdict *v)
{
    return r->user.version == r->shown_version ? GW_OK : gw_stage_identity(r, v);
}

/* By then the credential is among the bytes that would leave. */
static enum gw_code check_shown(struct gw_request *r, struct gw_verdict *v)
{
    bool is_shown = r->out->credential.len > 0;
    return !is_shown || r->user.version == r->shown_version ? GW_OK
                                                            : gw_refuse(v, GW_REASON_USER_CHANGED, GW_DETAIL_NONE);
}

static const struct gw_stage rechecks[] = {
    {.name = "token", .check = gw_token_check_live},
    {.name = "access", .check = gw_stage_access},
};
static const struct gw_stage recheck_of_identity = {.name = "identity", .check = recheck_identity};
static const struct gw_stage check_of_shown = {.name = "identity", .check = check_shown};

static enum gw_code recheck_block(struct gw_request *r, struct gw_verdict *v)
{
    GW_TRY(gw_stage_block(r, v));
    return v->reason == GW_REASON_NONE ? gw_held_check(r, v) : GW_OK;
}

static const struct gw_stage recheck_of_block = {.name = "block", .check = recheck_block};
static const struct gw_stage recheck_of_mode = {.name = "mode", .check = gw_stage_mode};

/* Whoever did not look at the body has not seen that it is the one. */
static enum gw_code check_body(struct gw_request *r, struct gw_verdict *v)
{
    return !r->signs_body || r->body_matches ? GW_OK : gw_refuse(v, GW_REASON_KEY_REFUSED, GW_DETAIL_KEY_OTHER_BODY);
}

static const struct gw_stage check_of_body = {.name = "token", .check = check_body};

static bool recheck_user(struct gw_request *r, const struct gw_stage *identity)
{
    return run(r, rechecks, sizeof(rechecks) / sizeof(rechecks[0])) && run(r, identity, 1);
}

/* Where it is refused, nothing of it has been sent, or an answer has said that it was not carried out. */
static bool recheck(struct gw_request *r, const struct gw_stage *identity)
{
    bool goes_on = run(r, &recheck_of_block, 1) && (!r->signed_in || recheck_user(r, identity)) &&
                   run(r, &recheck_of_mode, 1) && run(r, &check_of_body, 1);
    if (!goes_on)
        gw_record_end(r, GW_ENDING_NOT_SENT, r->out->status);
    return goes_on;
}

bool gw_request_signs_body(const struct gw_request *r)
{
    return r->signs_body;
}

void gw_request_show_body(struct gw_request *r, const struct gw_str *pieces, size_t count)
{
    uint8_t digest[GW_MAC_BYTES];
    r->body_matches = gw_sha256_pieces(pieces, count, digest) == GW_OK &&
                      gw_bytes_eq(digest, sizeof(digest), r->body_digest, sizeof(r->body_digest));
}

enum gw_handover gw_request_hand_over(struct gw_gate *g, struct gw_request *r, struct gw_decision *out)
{
    r->now_s = gw_clock_real_s(g->clock);
    r->out = out;
    if (!recheck(r, &recheck_of_identity))
        return GW_HANDOVER_REFUSE;
    enum gw_reason reason = gw_record_hand_over(r);
    if (reason != GW_REASON_NONE) {
        refuse(r, NULL, (struct gw_verdict){.reason = reason});
        return GW_HANDOVER_REFUSE;
    }
    r->handed_over = !gw_record_waits(r);
    return r->handed_over ? GW_HANDOVER_GO : GW_HANDOVER_WAIT;
}

bool gw_request_may_still_leave(struct gw_gate *g, struct gw_request *r, struct gw_decision *out)
{
    r->now_s = gw_clock_real_s(g->clock);
    r->out = out;
    return recheck(r, &check_of_shown);
}

void gw_request_ended(struct gw_gate *g, struct gw_request *r, enum gw_ending ending, unsigned status)
{
    if (!r->has_ended)
        gw_metrics_add(&g->metrics, GW_COUNTER_UPSTREAM, ending, 0);
    r->has_ended = true;
    gw_record_end(r, ending, status);
}

void gw_request_done(struct gw_gate *g, struct gw_request *r)
{
    if (r == NULL)
        return;
    gw_request_let_go(g, r);
    gw_socket_free(r->socket);
    r->socket = NULL;
    /* A client that left while its record was on its way to the disk has changed nothing. */
    gw_record_end(r, r->handed_over ? GW_ENDING_UNKNOWN : GW_ENDING_NOT_SENT, 0);
    gw_snapshot_unref(r->snapshot);
    r->snapshot = NULL;
}
