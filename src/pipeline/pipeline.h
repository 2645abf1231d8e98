/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Inside the gate: its state, a request's state, and the stages. A stage looks at the request, notes what later ones need, and may
 * refuse; that a stage could not do its work is a code, which pipeline.c alone turns into a refusal. Event loop only.
 */
#include "base/clock.h"
#include "base/ip.h"
#include "crypto/random.h"
#include "pipeline/api_key.h"
#include "pipeline/connections.h"
#include "pipeline/cors.h"
#include "pipeline/head.h"
#include "pipeline/metrics.h"
#include "pipeline/mint.h"
#include "pipeline/quota.h"
#include "pipeline/record.h"
#include "pipeline/request_id.h"
#include "pipeline/snapshot.h"
#include "pipeline/sockets.h"
#include "policy/path.h"
#include "shared/mode.h"

#define GW_RANDOM_POOL_BYTES 1024

/* Randomness for request ids, fetched for a hundred of them at once. Not for secrets. */
struct gw_random_pool {
    struct gw_random random; /* first */
    const struct gw_random *source;
    size_t left;
    uint8_t bytes[GW_RANDOM_POOL_BYTES];
};

struct gw_gate {
    char *run_dir;
    struct gw_token_ring ring;
    struct gw_secret *request_id_key;
    struct gw_secret *upstream_keys[GW_UPSTREAM_KEYS]; /* the current one and the staged one; either may be NULL */
    struct gw_arena arena;                             /* of jwks */
    struct gw_str jwks;
    const struct gw_clock *clock;
    const struct gw_random *random;
    /* of a worker, made by gw_gate_start */
    struct gw_shared *shared;     /* NULL: control has made none yet */
    struct gw_snapshot *snapshot; /* NULL: nothing published yet */
    uint64_t installs;
    struct gw_mint *mints[GW_UPSTREAM_KEYS]; /* of the keys above; NULL where there is no key, but for the first */
    unsigned mint;                           /* the one in use: the last that the backend took */
    struct gw_random_pool pool;
    struct gw_id_sealer *sealer;
    struct gw_journals journals;
    struct gw_connections *connections; /* NULL: not counted yet */
    struct gw_metrics metrics;          /* counts nothing until gw_gate_share_counts */
    int mode_dir;                       /* -1: not opened yet */
    struct gw_mode_reader modes;
    unsigned held_back;             /* requests that are being delayed */
    struct gw_connections *delayed; /* of each address; NULL: none yet */
    size_t delayed_room;            /* of that */
    struct gw_sockets sockets;
};

enum gw_detail {
#define GW_DETAIL(name, text) GW_DETAIL_##name,
#include "pipeline/detail.def"
#undef GW_DETAIL
    GW_DETAIL_COUNT
};
/* NULL for GW_DETAIL_NONE; and "SEGMENT_UNREADABLE". Static storage. */
const char *gw_detail_text(enum gw_detail detail);
const char *gw_detail_name(enum gw_detail detail);

/* Whose page asks, as its browser says. */
enum gw_origin {
    GW_ORIGIN_NONE, /* nobody says: no browser, or a read within our own pages */
    GW_ORIGIN_OWN,
    GW_ORIGIN_LISTED, /* in the settings */
    GW_ORIGIN_FOREIGN
};

/* Left as it is: go on. */
struct gw_verdict {
    enum gw_reason reason;
    enum gw_detail detail;
    struct gw_str members;  /* of the decision */
    unsigned retry_after_s; /* 0: what the status implies */
};

struct gw_request {
    struct gw_gate *gate;
    struct gw_uuid id;            /* UUIDv7; zero where none could be made */
    struct gw_snapshot *snapshot; /* holds a reference; NULL: there was none */
    struct gw_request_head *head;
    struct gw_arena *arena;
    struct gw_decision *out;
    int64_t now_s;
    const struct gw_mode_set *rehearsed_modes;   /* of a rehearsal; NULL: off */
    const struct gw_live_block *rehearsed_block; /* of a rehearsal; NULL: none */
    const struct gw_live_key *rehearsed_key;     /* the same */
    struct gw_str path;                          /* canonical, without query */
    struct gw_str target;                        /* canonical, with it */
    struct gw_head_fields fields;
    struct gw_ip client;
    enum gw_method method; /* that a preflight asks about, where it is one */
    enum gw_origin origin;
    const struct gw_route *route;
    struct gw_client_credential presented;
    struct gw_verdict held; /* what is refused unless it turns out to be let through nevertheless (gw_hold) */
    double limit_factor;    /* 1.0: the client has its limits whole; less: it is suspicious */
    struct gw_quota quota;
    bool is_held_back;
    bool is_preflight;   /* the gate answers it; it presents nothing */
    bool verifies;       /* another proxy asks about it: method, target and host are of what that was asked */
    bool signed_in;      /* what follows is filled */
    int role;            /* GW_ROLE_UNKNOWN: a name that the policy does not know */
    int64_t token_end_s; /* leeway included */
    bool by_key;         /* an API key; its id stands in session_id */
    struct gw_live_key key;
    bool signs_body,
        body_matches; /* the signature is of a body, too, of this digest; the body was looked at, and has it */
    uint8_t body_digest[GW_MAC_BYTES];
    struct gw_uuid session_id, token_id, user_id;
    struct gw_live_user user;
    uint32_t shown_version; /* of the user whom the credential is for */
    unsigned mint;          /* which made it */
    bool tried_other;
    bool has_ended; /* the adapter has said how */
    enum gw_record_state record;
    uint64_t intent;   /* its sequence, where it waits for the disk; 0: it does not */
    int64_t intent_ms; /* monotonic, when it was written */
    bool waits;        /* counted among the journal's waiters */
    bool handed_over;
    struct gw_socket *socket; /* that its answer has opened; NULL: none */
};

static inline enum gw_code gw_refuse(struct gw_verdict *v, enum gw_reason reason, enum gw_detail detail)
{
    *v = (struct gw_verdict){.reason = reason, .detail = detail};
    return GW_OK;
}

/* What is said of an address before anybody knows who asks. With a credential it is noted, and the first counts: whoever turns out to be signed
 * in may then still call what the policy says reduces risk, so that no block and no flood keeps a position open. Refused now without one, but
 * for a preflight of a listed origin: without its answer the page's browser would not send what reduces risk. */
enum gw_code gw_hold(struct gw_request *r, struct gw_verdict *v, struct gw_verdict verdict);

enum gw_stage_id {
#define GW_STAGE(id, name, check, rehearse) GW_STAGE_##id,
#include "pipeline/stage.def"
#undef GW_STAGE
    GW_STAGE_COUNT
};

struct gw_stage {
    const char *name;
    enum gw_code (*check)(struct gw_request *r, struct gw_verdict *v);
    enum gw_code (*rehearse)(struct gw_request *r, struct gw_verdict *v); /* never asked for a real request */
};
/* In order; pipeline.c. */
extern const struct gw_stage gw_stages[GW_STAGE_COUNT];

enum gw_code gw_stage_headers(struct gw_request *r, struct gw_verdict *v);
enum gw_code gw_stage_address(struct gw_request *r, struct gw_verdict *v);
enum gw_code gw_stage_verify(struct gw_request *r, struct gw_verdict *v);
enum gw_code gw_stage_block(struct gw_request *r, struct gw_verdict *v);
enum gw_code gw_stage_rate(struct gw_request *r, struct gw_verdict *v);
enum gw_code gw_stage_cors(struct gw_request *r, struct gw_verdict *v);
enum gw_code gw_stage_route(struct gw_request *r, struct gw_verdict *v);
enum gw_code gw_stage_held(struct gw_request *r, struct gw_verdict *v);
enum gw_code gw_stage_token(struct gw_request *r, struct gw_verdict *v);
enum gw_code gw_stage_access(struct gw_request *r, struct gw_verdict *v);
enum gw_code gw_stage_upgrade(struct gw_request *r, struct gw_verdict *v);
enum gw_code gw_stage_quota(struct gw_request *r, struct gw_verdict *v);
enum gw_code gw_stage_mode(struct gw_request *r, struct gw_verdict *v);
enum gw_code gw_stage_cross_site(struct gw_request *r, struct gw_verdict *v);
enum gw_code gw_stage_identity(struct gw_request *r, struct gw_verdict *v);

/* The same decisions, with the credential taken for good and r->user for what the segment holds of its user; nothing is signed. */
enum gw_code gw_rehearse_token(struct gw_request *r, struct gw_verdict *v);
enum gw_code gw_rehearse_identity(struct gw_request *r, struct gw_verdict *v);
enum gw_code gw_rehearse_upgrade(struct gw_request *r, struct gw_verdict *v);
/* By the block of the rehearsal, where it has one. */
enum gw_code gw_rehearse_block(struct gw_request *r, struct gw_verdict *v);
/* Nothing is counted; r->quota.budget says in what it would be. */
enum gw_code gw_rehearse_rate(struct gw_request *r, struct gw_verdict *v);
enum gw_code gw_rehearse_quota(struct gw_request *r, struct gw_verdict *v);
/* By the modes of the rehearsal, where it has some. */
enum gw_code gw_rehearse_mode(struct gw_request *r, struct gw_verdict *v);

/* What the answer of the route will be, once nobody has refused. */
void gw_answer_classify(struct gw_request *r);

/* Which origin asks, and whether it is a preflight; what every answer tells it. Part of gw_stage_headers. */
void gw_cors_note(struct gw_request *r);

/* Token, session and user as of now_s: fills r->user and r->role. Part of gw_stage_token, and of the recheck. */
enum gw_code gw_token_check_live(struct gw_request *r, struct gw_verdict *v);

/* What is held, of one who by now is signed in or not. The end of gw_stage_access, and part of the recheck. */
enum gw_code gw_held_check(const struct gw_request *r, struct gw_verdict *v);
/* One of the settings' trusted proxies, which are believed for others. */
bool gw_address_is_trusted(const struct gw_request *r, const struct gw_ip *ip);
/* There is the header in which they say who asked: the one that the settings name. */
bool gw_address_is_told(const struct gw_request *r);
/* The request is a proxy's question about another one. Known from the first, for its answer is another whatever refuses it. */
bool gw_verify_is_asked(const struct gw_request_head *head);
/* The client shows a certificate whose time has ended. */
bool gw_certificate_is_over(const struct gw_request *r);
/* Part of gw_stage_route: whether another proxy may be told of this route, and of the target as it wrote it. */
enum gw_code gw_verify_check_route(const struct gw_request *r, struct gw_str canonical, struct gw_verdict *v);
/* Such a proxy understands 401 and 403 alone. */
unsigned gw_verify_status(unsigned status);
/* The settings' allow list has the client's address. Asked only where something would be refused. */
bool gw_client_is_allowed(const struct gw_request *r);
/* Whether who signed in may use that right: by the role, and by the key where it is one. */
bool gw_request_holds(const struct gw_request *r, struct gw_str permission);

/* The answer of a route whose target is one of the gate's own pages to sign in or out with. */
GW_MUST_CHECK enum gw_code gw_browser_answer(struct gw_request *r);
/* Of what was refused: where a browser was to be shown a page, the decision becomes one, or the way to the login page. It is a refusal as
 * before. Where it fails the decision is as it was. */
GW_MUST_CHECK enum gw_code gw_browser_refuse(struct gw_request *r);

/* The control plane answers this route. */
bool gw_target_is_control(enum gw_target target);
