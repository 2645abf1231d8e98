/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/gate_rig.h"

#include "base/file.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOKEN_KEY "t7Qm2vXc9LrB4nYd8KsF1wZg6HpJ3eUaRi5ToWqEkNbMxVyC"
#define UPSTREAM_KEY "uP4fGz8RkW1qNc6TbYv3MhJ9sLxD7aEiKo2wQrBnVtZyHgFm"
#define REQUEST_ID_KEY "xR2kTq9VwE5mZn7LbYc3HsJ8fDgPaU6oKi4WvNrMtQyXhCzB"
#define FIRST_HASH "1111111111111111111111111111111111111111111111111111111111111111"

static const char own_settings[] = "environment: development\n"
                                   "trusted_proxies: [10.0.0.0/8]\n"
                                   "verify_proxies: [10.0.0.0/24]\n"
                                   "allow: [192.0.2.0/24]\n"
                                   "session:\n"
                                   "  idle: 30m\n"
                                   "  absolute: 7d\n";

static const char own_policy[] =
    "upstream:\n"
    "  url: http://127.0.0.1:5000\n"
    "  credential:\n"
    "    mint: hs256\n"
    "    key_file: keys/upstream.key\n"
    "    ttl: 60s\n"
    "    claims: {userId: upstream_id, username: username, role: role}\n"
    "roles:\n"
    "  admin: {permissions: ['*']}\n"
    "  trader: {permissions: ['bots:read', 'bots:write']}\n"
    "  viewer: {permissions: ['bots:read']}\n"
    "auth:\n"
    "  login: POST /api/auth/login\n"
    "  refresh: POST /api/auth/refresh\n"
    "  logout: POST /api/auth/logout\n"
    "  profile: GET /api/auth/profile\n"
    "  register: POST /api/auth/register\n"
    "health: [GET /api/health]\n"
    "routes:\n"
    "  - {match: 'GET /api/bots', permission: 'bots:read'}\n"
    "  - {match: 'GET /api/bots/{id}', permission: 'bots:read'}\n"
    "  - {match: 'POST /api/bots', permission: 'bots:write'}\n"
    "  - {match: 'DELETE /api/bots/{id}', role: admin}\n"
    "  - {match: 'GET /api/me', access: signed-in}\n"
    "  - {match: 'GET /api/open', access: public}\n"
    "  - {match: 'POST /api/open', access: public}\n"
    "  - {match: 'GET /api/secret', access: deny}\n"
    "  - {match: 'GET /live', permission: 'bots:read', websocket: {}}\n"
    "  - {match: 'GET /socket.io/', permission: 'bots:read', websocket: {protocol: socket.io,\n"
    "      connect_token: token, events: {watch: {}, order: {permission: 'bots:write'}}}}\n";

static void need(bool ok, const char *what, const struct gw_error *err)
{
    if (ok)
        return;
    fprintf(stderr, "gate_rig: %s: %s\n", what, err != NULL ? err->msg : "");
    abort();
}

static void write_file(const struct gw_rig *rig, const char *name, const char *text, char path[GW_RIG_PATH_MAX])
{
    struct gw_error err = {.msg = ""};
    snprintf(path, GW_RIG_PATH_MAX, "%s/%s", rig->dir, name);
    need(gw_file_create(path, 0600, gw_str(text), &err) == GW_OK, path, &err);
}

static void make_dir(const struct gw_rig *rig, const char *name)
{
    char path[GW_RIG_PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", rig->dir, name);
    need(mkdir(path, 0700) == 0, path, NULL);
}

void gw_rig_publish(struct gw_rig *rig, const char *hash, const char *settings, const char *policy)
{
    char name[96], path[GW_RIG_PATH_MAX];
    snprintf(name, sizeof(name), "bundles/%.64s", hash);
    make_dir(rig, name);
    snprintf(name, sizeof(name), "bundles/%.64s/gateway.yaml", hash);
    write_file(rig, name, settings != NULL ? settings : own_settings, path);
    snprintf(name, sizeof(name), "bundles/%.64s/policy.yaml", hash);
    write_file(rig, name, policy != NULL ? policy : own_policy, path);
    gw_shared_set_bundle(rig->writer, hash);
}

static void make_keys(struct gw_rig *rig)
{
    struct gw_error err = {.msg = ""};
    write_file(rig, "token.key", TOKEN_KEY "\n", rig->token_key_file);
    write_file(rig, "upstream.key", UPSTREAM_KEY "\n", rig->upstream_key_file);
    write_file(rig, "request-id.key", REQUEST_ID_KEY "\n", rig->request_id_key_file);
    const struct gw_token_files files = {.path = rig->token_key_file, .algorithm = GW_TOKEN_HS256};
    need(gw_token_ring_load(&files, &rig->ring, &err) == GW_OK, "token key", &err);
}

void gw_rig_upkeep(struct gw_rig *rig)
{
    struct gw_error err = {.msg = ""};
    struct gw_upkeep *u = gw_gate_upkeep_begin(rig->gate);
    need(u != NULL, "upkeep", NULL);
    gw_upkeep_run(u);
    need(gw_gate_upkeep_end(rig->gate, u, &err) == GW_OK, "upkeep", &err);
}

struct gw_gate_options gw_rig_options(const struct gw_rig *rig)
{
    return (struct gw_gate_options){.run_dir = rig->dir,
                                    .token_key_file = rig->token_key_file,
                                    .upstream_key_file = rig->upstream_key_file,
                                    .request_id_key_file = rig->request_id_key_file,
                                    .journal_dir = rig->journal_dir,
                                    .mode_dir = rig->mode_dir,
                                    .journal_file_bytes = GW_JOURNAL_FILE_MIN_BYTES,
                                    .journal_files_max = GW_RIG_JOURNAL_FILES};
}

static void start_gate(struct gw_rig *rig)
{
    struct gw_error err = {.msg = ""};
    const struct gw_gate_options options = gw_rig_options(rig);
    need(gw_gate_new(&options, &rig->gate, &err) == GW_OK, "gate", &err);
    rig->gate->clock = &rig->clock.clock;
    need(gw_gate_start(rig->gate, &err) == GW_OK, "start", &err);
    gw_rig_upkeep(rig);
    struct gw_snapshot *snapshot = NULL;
    need(gw_gate_poll(rig->gate), "nothing to load", NULL);
    need(gw_gate_load(rig->gate, &snapshot, &err) == GW_OK, "load", &err);
    gw_gate_install(rig->gate, snapshot);
}

void gw_rig_new(struct gw_rig *rig, const char *policy)
{
    struct gw_error err = {.msg = ""};
    *rig = (struct gw_rig){.dir = "/tmp/gw-gate-XXXXXX",
                           .peer = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1}}};
    need(mkdtemp(rig->dir) != NULL, "directory", NULL);
    gw_fake_clock_init(&rig->clock, (GW_RIG_NOW_S - GW_RIG_SEGMENT_AGE_S) * 1000);
    make_keys(rig);
    make_dir(rig, "bundles");
    make_dir(rig, "journal");
    make_dir(rig, "mode");
    snprintf(rig->mode_dir, sizeof(rig->mode_dir), "%s/mode", rig->dir);
    gw_auto_fd int mode_dir = open(rig->mode_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    need(gw_mode_ensure(mode_dir, &err) == GW_OK, "mode", &err);
    snprintf(rig->journal_dir, sizeof(rig->journal_dir), "%s/journal", rig->dir);
    const struct gw_shared_sizes sizes = {.sessions = 2048,
                                          .users = 2048,
                                          .revocations = 64,
                                          .blocks = 64,
                                          .rates = 8192,
                                          .api_keys = 64,
                                          .nonces = 1024,
                                          .nonce_window_s = 30,
                                          .clock = &rig->clock.clock};
    need(gw_shared_open(rig->dir, GW_SHARED_WRITER, &sizes, &rig->writer, &err) == GW_OK, "writer", &err);
    gw_fake_clock_advance(&rig->clock, GW_RIG_SEGMENT_AGE_S * 1000);
    gw_rig_publish(rig, FIRST_HASH, NULL, policy);
    gw_shared_begin_load(rig->writer);
    gw_shared_end_load(rig->writer);
    gw_shared_beat(rig->writer, GW_RIG_NOW_S);
    start_gate(rig);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *place)
{
    (void)st;
    (void)kind;
    (void)place;
    return remove(path);
}

static void forget_request(struct gw_rig *rig)
{
    gw_request_done(rig->gate, rig->request);
    rig->request = NULL;
    gw_arena_done(&rig->arena);
}

void gw_rig_free(struct gw_rig *rig)
{
    forget_request(rig);
    gw_gate_free(rig->gate);
    gw_shared_close(rig->writer);
    gw_token_ring_done(&rig->ring);
    nftw(rig->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- users, sessions, tokens ---- */

struct gw_uuid gw_rig_uuid(uint32_t n)
{
    struct gw_uuid u = {{0x01, 0x98, 0xc0, 0xde, 0, 0, 0x70, 0, 0x80}};
    for (int i = 0; i < 4; i++)
        u.b[12 + i] = (uint8_t)(n >> (24 - 8 * i));
    return u;
}

void gw_rig_put_user(struct gw_rig *rig, uint32_t n, const char *role, const char *upstream_id)
{
    struct gw_live_user u = {.id = gw_rig_uuid(n), .version = 1, .active = 1}, old;
    if (gw_shared_get_user(rig->writer, &u.id, &old) == GW_OK)
        u.version = old.version + 1;
    snprintf(u.username, sizeof(u.username), "user%u", n);
    snprintf(u.email, sizeof(u.email), "user%u@example.org", n);
    snprintf(u.role, sizeof(u.role), "%s", role);
    snprintf(u.upstream_id, sizeof(u.upstream_id), "%s", upstream_id);
    need(gw_shared_put_user(rig->writer, &u, NULL) == GW_OK, "user", NULL);
}

void gw_rig_put_session(struct gw_rig *rig, uint32_t n, uint32_t user)
{
    const struct gw_live_session s = {.id = gw_rig_uuid(n),
                                      .user_id = gw_rig_uuid(user),
                                      .created_s = GW_RIG_NOW_S - 60,
                                      .expires_s = GW_RIG_NOW_S + 7 * 86400,
                                      .last_seen_s = GW_RIG_NOW_S - 60,
                                      .idle_s = 1800};
    need(gw_shared_put_session(rig->writer, &s, NULL) == GW_OK, "session", NULL);
}

void gw_rig_put_block(struct gw_rig *rig, const char *network, enum gw_block_kind kind)
{
    struct gw_live_block b = {.kind = kind,
                              .since_s = gw_clock_real_s(&rig->clock.clock),
                              .expires_s = gw_clock_real_s(&rig->clock.clock) + 3600};
    need(gw_cidr_parse(gw_str(network), &b.network) == GW_OK, network, NULL);
    need(gw_shared_put_block(rig->writer, &b, NULL) == GW_OK, "block", NULL);
}

struct gw_jwt_issue gw_rig_issue(uint32_t session, uint32_t user)
{
    static char id[4][GW_UUID_LEN + 1];
    static unsigned next;
    struct gw_uuid user_id = gw_rig_uuid(user);
    char *sub = id[next++ % 4];
    gw_uuid_format(&user_id, sub);
    return (struct gw_jwt_issue){.issuer = GW_STR("aaiti-api"),
                                 .audience = GW_STR("aaiti-client"),
                                 .sub = gw_str(sub),
                                 .role = GW_STR("viewer"),
                                 .sid = gw_rig_uuid(session),
                                 .jti = gw_rig_uuid(1000 + session),
                                 .iat_s = GW_RIG_NOW_S,
                                 .exp_s = GW_RIG_NOW_S + 3600};
}

const char *gw_rig_token_of(struct gw_rig *rig, const struct gw_jwt_issue *issue)
{
    static char texts[4][GW_JWT_MAX_BYTES];
    static unsigned next;
    char *text = texts[next++ % 4];
    gw_auto(gw_buf) struct gw_buf b;
    gw_buf_init(&b, GW_JWT_MAX_BYTES);
    need(gw_jwt_sign_access(rig->ring.keys[GW_TOKEN_CURRENT], issue, &b, NULL) == GW_OK, "token", NULL);
    need(gw_str_copy(gw_buf_str(&b), text, GW_JWT_MAX_BYTES), "token", NULL);
    return text;
}

const char *gw_rig_token(struct gw_rig *rig, uint32_t session, uint32_t user)
{
    const struct gw_jwt_issue issue = gw_rig_issue(session, user);
    return gw_rig_token_of(rig, &issue);
}

/* ---- modes ---- */

static enum gw_code put_mode(void *ctx, struct gw_mode_set *set, struct gw_error *err)
{
    return gw_mode_put(set, ctx, err);
}

void gw_rig_set_mode(struct gw_rig *rig, enum gw_mode_scope scope, uint32_t user, const char *name, enum gw_mode mode)
{
    struct gw_error err = {.msg = ""};
    struct gw_mode_entry e = {.mode = mode, .scope = scope, .since_s = GW_RIG_NOW_S - 60};
    if (scope == GW_MODE_USER)
        e.user = gw_rig_uuid(user);
    gw_mode_text(gw_str(name), e.name, sizeof(e.name));
    gw_mode_text(GW_STR("operator"), e.by, sizeof(e.by));
    gw_mode_text(GW_STR("a \"drill\""), e.reason, sizeof(e.reason));
    need(gw_mode_change(rig->gate->mode_dir, put_mode, &e, &err) == GW_OK, "mode", &err);
}

/* ---- requests ---- */

static struct gw_header header_of(const char *line)
{
    struct gw_str s = gw_str(line);
    size_t colon = gw_str_find(s, ':');
    return (struct gw_header){.name = gw_str_sub(s, 0, colon), .value = gw_str_trim(gw_str_sub(s, colon + 1, s.len))};
}

const struct gw_decision *gw_rig_ask(struct gw_rig *rig, const char *method, const char *target,
                                     const char *const *headers)
{
    forget_request(rig);
    gw_arena_init(&rig->arena, (size_t)1 << 16);
    rig->head = (struct gw_request_head){.method = gw_str(method),
                                         .target = gw_str(target),
                                         .tls = true,
                                         .is_http_1_1 = true,
                                         .headers = rig->headers,
                                         .certificate = rig->certificate};
    memcpy(rig->head.peer, rig->peer.b, sizeof(rig->peer.b));
    while (headers[rig->head.header_count] != NULL) {
        rig->headers[rig->head.header_count] = header_of(headers[rig->head.header_count]);
        rig->head.header_count++;
        need(rig->head.header_count < GW_RIG_HEADERS_MAX, "too many headers", NULL);
    }
    rig->request = gw_request_new(rig->gate, &rig->head, &rig->arena, &rig->decision);
    return &rig->decision;
}

bool gw_rig_dropped(const struct gw_rig *rig, const char *name)
{
    for (size_t i = 0; i < rig->head.header_count; i++)
        if (gw_str_eq(rig->headers[i].name, gw_str(name)))
            return rig->headers[i].drop;
    return true;
}
