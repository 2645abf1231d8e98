/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all backends share: rows are checked before a backend sees them, then the call goes through the backend's table.
 */
#include "store/store.h"

#include "store/store_ops.h"
#include <string.h>

void gw_store_close(struct gw_store *s)
{
    if (s != NULL)
        s->ops->close(s);
}

enum gw_code gw_store_begin(struct gw_store *s, struct gw_error *err)
{
    return s->ops->begin(s, err);
}

enum gw_code gw_store_try_begin(struct gw_store *s, struct gw_error *err)
{
    return s->ops->try_begin(s, err);
}

enum gw_code gw_store_commit(struct gw_store *s, struct gw_error *err)
{
    return s->ops->commit(s, err);
}

void gw_store_rollback(struct gw_store *s)
{
    s->ops->rollback(s);
}

enum gw_code gw_store_end(struct gw_store *s, enum gw_code code, struct gw_error *err)
{
    if (code == GW_OK)
        return gw_store_commit(s, err);
    gw_store_rollback(s);
    return code;
}

void gw_store_hold(struct gw_store *s)
{
    s->ops->hold(s);
}

void gw_store_release(struct gw_store *s)
{
    s->ops->release(s);
}

/* A field of a row: where its array is, how large it is, whether it may be empty. */
struct field {
    const char *name;
    const char *text;
    size_t size;
    bool required;
};
#define FIELD(row, member, required)                              \
    {                                                             \
#member, (row)->member, sizeof((row)->member), (required) \
    }

static enum gw_code check_fields(const struct field *fields, size_t count, struct gw_error *err)
{
    for (const struct field *f = fields; f < fields + count; f++) {
        size_t len = strnlen(f->text, f->size);
        if (len == f->size)
            return gw_fail(err, GW_EINVAL, "%s is longer than %zu bytes", f->name, f->size - 1);
        if (len == 0 && f->required)
            return gw_fail(err, GW_EINVAL, "%s is empty", f->name);
    }
    return GW_OK;
}

static enum gw_code check_user(const struct gw_user_row *u, struct gw_error *err)
{
    const struct field fields[] = {
        FIELD(u, username, true),     FIELD(u, email, false),         FIELD(u, role, true),
        FIELD(u, upstream_id, false), FIELD(u, password_hash, false),
    };
    return check_fields(fields, sizeof(fields) / sizeof(fields[0]), err);
}

static enum gw_code check_session(const struct gw_session_row *r, struct gw_error *err)
{
    const struct field fields[] = {FIELD(r, address, true), FIELD(r, user_agent, false), FIELD(r, country, true)};
    return check_fields(fields, sizeof(fields) / sizeof(fields[0]), err);
}

static enum gw_code check_api_key(const struct gw_api_key_row *r, struct gw_error *err)
{
    const struct field fields[] = {FIELD(r, public_id, true), FIELD(r, name, false), FIELD(r, scopes, false),
                                   FIELD(r, networks, false)};
    return check_fields(fields, sizeof(fields) / sizeof(fields[0]), err);
}

static enum gw_code check_sealed(const struct gw_sealed_row *r, struct gw_error *err)
{
    const struct field fields[] = {FIELD(r, name, true)};
    GW_TRY(check_fields(fields, 1, err));
    if (r->envelope_len == 0 || r->envelope_len > sizeof(r->envelope))
        return gw_fail(err, GW_EINVAL, "envelope of %zu bytes", r->envelope_len);
    return GW_OK;
}

static enum gw_code check_audit(const struct gw_audit_row *r, struct gw_error *err)
{
    const struct field fields[] = {
        FIELD(r, action, true),   FIELD(r, resource_type, false), FIELD(r, resource_id, false),
        FIELD(r, address, false), FIELD(r, user_agent, false),    FIELD(r, route, false),
        FIELD(r, path, false),    FIELD(r, reason, false),        FIELD(r, details, false),
    };
    if (r->sequence > INT64_MAX || r->generation > INT64_MAX)
        return gw_fail(err, GW_EINVAL, "a number of an audit row is beyond what is stored");
    if (r->count == 0 || r->outcome >= GW_OUTCOME_COUNT || r->severity >= GW_SEVERITY_COUNT)
        return gw_fail(err, GW_EINVAL, "count, outcome or severity of an audit row is none");
    return check_fields(fields, sizeof(fields) / sizeof(fields[0]), err);
}

static enum gw_code check_page(size_t limit, struct gw_error *err)
{
    if (limit == 0 || limit > GW_AUDIT_PAGE_MAX)
        return gw_fail(err, GW_EINVAL, "a page holds 1 to %d rows", GW_AUDIT_PAGE_MAX);
    return GW_OK;
}

enum gw_code gw_store_user_insert(struct gw_store *s, const struct gw_user_row *u, struct gw_error *err)
{
    GW_TRY(check_user(u, err));
    return s->ops->user_insert(s, u, err);
}

enum gw_code gw_store_user_update(struct gw_store *s, struct gw_user_row *u, struct gw_error *err)
{
    GW_TRY(check_user(u, err));
    return s->ops->user_update(s, u, err);
}

enum gw_code gw_store_user_delete(struct gw_store *s, const struct gw_uuid *id, struct gw_error *err)
{
    return s->ops->user_delete(s, id, err);
}

enum gw_code gw_store_user_get(struct gw_store *s, const struct gw_uuid *id, struct gw_user_row *out,
                               struct gw_error *err)
{
    return s->ops->user_get(s, id, out, err);
}

enum gw_code gw_store_user_by_name(struct gw_store *s, struct gw_str username, struct gw_user_row *out,
                                   struct gw_error *err)
{
    if (username.len > GW_USERNAME_MAX)
        return gw_fail(err, GW_ENOTFOUND, "no user has so long a name");
    return s->ops->user_by_name(s, username, out, err);
}

enum gw_code gw_store_user_by_email(struct gw_store *s, struct gw_str email, struct gw_user_row *out,
                                    struct gw_error *err)
{
    if (email.len == 0 || email.len > GW_EMAIL_MAX)
        return gw_fail(err, GW_ENOTFOUND, "no user has such an address");
    return s->ops->user_by_email(s, email, out, err);
}

enum gw_code gw_store_user_count_active(struct gw_store *s, struct gw_str role, int64_t *out, struct gw_error *err)
{
    return s->ops->user_count_active(s, role, out, err);
}

enum gw_code gw_store_user_each(struct gw_store *s, gw_user_fn fn, void *ctx, struct gw_error *err)
{
    return s->ops->user_each(s, fn, ctx, err);
}

enum gw_code gw_store_session_insert(struct gw_store *s, const struct gw_session_row *r, struct gw_error *err)
{
    GW_TRY(check_session(r, err));
    return s->ops->session_insert(s, r, err);
}

enum gw_code gw_store_session_get(struct gw_store *s, const struct gw_uuid *id, struct gw_session_row *out,
                                  struct gw_error *err)
{
    return s->ops->session_get(s, id, out, err);
}

enum gw_code gw_store_session_delete(struct gw_store *s, const struct gw_uuid *id, struct gw_error *err)
{
    return s->ops->session_delete(s, id, err);
}

enum gw_code gw_store_session_touch(struct gw_store *s, const struct gw_uuid *id, int64_t last_seen_s,
                                    struct gw_error *err)
{
    return s->ops->session_touch(s, id, last_seen_s, err);
}

enum gw_code gw_store_session_each(struct gw_store *s, const struct gw_uuid *user_id, gw_session_fn fn, void *ctx,
                                   struct gw_error *err)
{
    return s->ops->session_each(s, user_id, fn, ctx, err);
}

enum gw_code gw_store_refresh_insert(struct gw_store *s, const struct gw_refresh_row *r, struct gw_error *err)
{
    return s->ops->refresh_insert(s, r, err);
}

enum gw_code gw_store_refresh_get(struct gw_store *s, const uint8_t hash[32], struct gw_refresh_row *out,
                                  struct gw_error *err)
{
    return s->ops->refresh_get(s, hash, out, err);
}

enum gw_code gw_store_refresh_newest(struct gw_store *s, const struct gw_uuid *session_id, struct gw_refresh_row *out,
                                     struct gw_error *err)
{
    return s->ops->refresh_newest(s, session_id, out, err);
}

enum gw_code gw_store_refresh_spend(struct gw_store *s, const uint8_t hash[32], int64_t now_s, struct gw_error *err)
{
    return s->ops->refresh_spend(s, hash, now_s, err);
}

enum gw_code gw_store_refresh_delete(struct gw_store *s, const struct gw_uuid *session_id, struct gw_error *err)
{
    return s->ops->refresh_delete(s, session_id, err);
}

enum gw_code gw_store_known_pair_put(struct gw_store *s, const struct gw_uuid *user_id, const struct gw_ip *address,
                                     int64_t now_s, struct gw_error *err)
{
    return s->ops->known_pair_put(s, user_id, address, now_s, err);
}

enum gw_code gw_store_known_pair_has(struct gw_store *s, const struct gw_uuid *user_id, const struct gw_ip *address,
                                     int64_t since_s, bool *out, struct gw_error *err)
{
    return s->ops->known_pair_has(s, user_id, address, since_s, out, err);
}

enum gw_code gw_store_known_pair_purge(struct gw_store *s, int64_t before_s, struct gw_error *err)
{
    return s->ops->known_pair_purge(s, before_s, err);
}

enum gw_code gw_store_revocation_insert(struct gw_store *s, const struct gw_uuid *jti, int64_t expires_s,
                                        struct gw_error *err)
{
    return s->ops->revocation_insert(s, jti, expires_s, err);
}

enum gw_code gw_store_revocation_each(struct gw_store *s, gw_revocation_fn fn, void *ctx, struct gw_error *err)
{
    return s->ops->revocation_each(s, fn, ctx, err);
}

enum gw_code gw_store_revocation_purge(struct gw_store *s, int64_t now_s, struct gw_error *err)
{
    return s->ops->revocation_purge(s, now_s, err);
}

/* ---- blocks ---- */

enum gw_code gw_store_block_insert(struct gw_store *s, const struct gw_block_row *b, struct gw_error *err)
{
    const struct field fields[] = {FIELD(b, cause, true), FIELD(b, author, true), FIELD(b, reason, false)};
    GW_TRY(check_fields(fields, sizeof(fields) / sizeof(fields[0]), err));
    return s->ops->block_insert(s, b, err);
}

enum gw_code gw_store_block_extend(struct gw_store *s, const struct gw_uuid *id, int64_t expires_s,
                                   struct gw_error *err)
{
    return s->ops->block_extend(s, id, expires_s, err);
}

enum gw_code gw_store_block_end(struct gw_store *s, const struct gw_uuid *id, int64_t ended_s, struct gw_error *err)
{
    return s->ops->block_end(s, id, ended_s, err);
}

enum gw_code gw_store_block_get(struct gw_store *s, const struct gw_uuid *id, struct gw_block_row *out,
                                struct gw_error *err)
{
    return s->ops->block_get(s, id, out, err);
}

enum gw_code gw_store_block_of_network(struct gw_store *s, const struct gw_cidr *network, struct gw_block_row *out,
                                       struct gw_error *err)
{
    return s->ops->block_of_network(s, network, out, err);
}

enum gw_code gw_store_block_each(struct gw_store *s, const struct gw_uuid *after, int64_t due_s, size_t count,
                                 gw_block_fn fn, void *ctx, struct gw_error *err)
{
    return s->ops->block_each(s, after, due_s, count, fn, ctx, err);
}

enum gw_code gw_store_block_count(struct gw_store *s, int64_t *out, struct gw_error *err)
{
    return s->ops->block_count(s, out, err);
}

enum gw_code gw_store_block_count_earlier(struct gw_store *s, const struct gw_cidr *network, int64_t since_s,
                                          int64_t *out, struct gw_error *err)
{
    return s->ops->block_count_earlier(s, network, since_s, out, err);
}

enum gw_code gw_store_block_purge(struct gw_store *s, int64_t before_s, struct gw_error *err)
{
    return s->ops->block_purge(s, before_s, err);
}

/* ---- API keys ---- */

enum gw_code gw_store_api_key_insert(struct gw_store *s, const struct gw_api_key_row *r, struct gw_error *err)
{
    GW_TRY(check_api_key(r, err));
    return s->ops->api_key_insert(s, r, err);
}

enum gw_code gw_store_api_key_get(struct gw_store *s, const struct gw_uuid *id, struct gw_api_key_row *out,
                                  struct gw_error *err)
{
    return s->ops->api_key_get(s, id, out, err);
}

enum gw_code gw_store_api_key_by_public_id(struct gw_store *s, struct gw_str public_id, struct gw_api_key_row *out,
                                           struct gw_error *err)
{
    if (public_id.len != GW_API_KEY_ID_LEN)
        return gw_fail(err, GW_ENOTFOUND, "no API key has an id of that length");
    return s->ops->api_key_by_public_id(s, public_id, out, err);
}

enum gw_code gw_store_api_key_each(struct gw_store *s, const struct gw_uuid *user_id, gw_api_key_fn fn, void *ctx,
                                   struct gw_error *err)
{
    return s->ops->api_key_each(s, user_id, fn, ctx, err);
}

enum gw_code gw_store_api_key_count(struct gw_store *s, int64_t *out, struct gw_error *err)
{
    return s->ops->api_key_count(s, out, err);
}

enum gw_code gw_store_api_key_expire(struct gw_store *s, const struct gw_uuid *id, int64_t expires_s,
                                     struct gw_error *err)
{
    return s->ops->api_key_expire(s, id, expires_s, err);
}

enum gw_code gw_store_api_key_touch(struct gw_store *s, const struct gw_uuid *id, int64_t last_used_s,
                                    struct gw_error *err)
{
    return s->ops->api_key_touch(s, id, last_used_s, err);
}

enum gw_code gw_store_api_key_delete(struct gw_store *s, const struct gw_uuid *id, struct gw_error *err)
{
    return s->ops->api_key_delete(s, id, err);
}

enum gw_code gw_store_reset_put(struct gw_store *s, const struct gw_reset_row *r, struct gw_error *err)
{
    return s->ops->reset_put(s, r, err);
}

enum gw_code gw_store_reset_get(struct gw_store *s, const uint8_t code_hash[32], int64_t now_s,
                                struct gw_uuid *out_user_id, struct gw_error *err)
{
    return s->ops->reset_get(s, code_hash, now_s, out_user_id, err);
}

enum gw_code gw_store_reset_delete(struct gw_store *s, const struct gw_uuid *user_id, struct gw_error *err)
{
    return s->ops->reset_delete(s, user_id, err);
}

enum gw_code gw_store_data_key_insert(struct gw_store *s, const struct gw_data_key_row *k, struct gw_error *err)
{
    return s->ops->data_key_insert(s, k, err);
}

enum gw_code gw_store_data_key_each(struct gw_store *s, gw_data_key_fn fn, void *ctx, struct gw_error *err)
{
    return s->ops->data_key_each(s, fn, ctx, err);
}

enum gw_code gw_store_data_key_reserve(struct gw_store *s, uint32_t id, uint64_t uses, struct gw_error *err)
{
    return s->ops->data_key_reserve(s, id, uses, err);
}

enum gw_code gw_store_data_key_retire(struct gw_store *s, uint32_t id, int64_t now_s, struct gw_error *err)
{
    return s->ops->data_key_retire(s, id, now_s, err);
}

enum gw_code gw_store_sealed_put(struct gw_store *s, const struct gw_sealed_row *r, struct gw_error *err)
{
    GW_TRY(check_sealed(r, err));
    return s->ops->sealed_put(s, r, err);
}

enum gw_code gw_store_sealed_get(struct gw_store *s, struct gw_str name, int64_t now_s, struct gw_sealed_row *out,
                                 struct gw_error *err)
{
    return s->ops->sealed_get(s, name, now_s, out, err);
}

enum gw_code gw_store_sealed_delete(struct gw_store *s, struct gw_str name, struct gw_error *err)
{
    return s->ops->sealed_delete(s, name, err);
}

enum gw_code gw_store_sealed_purge(struct gw_store *s, int64_t now_s, struct gw_error *err)
{
    return s->ops->sealed_purge(s, now_s, err);
}

enum gw_code gw_store_sealed_count(struct gw_store *s, uint32_t key_id, int64_t *out, struct gw_error *err)
{
    return s->ops->sealed_count(s, key_id, out, err);
}

enum gw_code gw_store_sealed_each_of_key(struct gw_store *s, uint32_t key_id, struct gw_str after, size_t count,
                                         gw_sealed_fn fn, void *ctx, struct gw_error *err)
{
    return s->ops->sealed_each_of_key(s, key_id, after, count, fn, ctx, err);
}

enum gw_code gw_store_audit_add(struct gw_store *s, const struct gw_audit_row *r, struct gw_error *err)
{
    GW_TRY(check_audit(r, err));
    return s->ops->audit_add(s, r, err);
}

enum gw_code gw_store_audit_each(struct gw_store *s, const struct gw_audit_query *q, gw_audit_fn fn, void *ctx,
                                 struct gw_error *err)
{
    GW_TRY(check_page(q->limit, err));
    return s->ops->audit_each(s, q, fn, ctx, err);
}

enum gw_code gw_store_audit_each_after(struct gw_store *s, int64_t after_id, size_t limit, gw_audit_fn fn, void *ctx,
                                       struct gw_error *err)
{
    GW_TRY(check_page(limit, err));
    return s->ops->audit_each_after(s, after_id, limit, fn, ctx, err);
}

enum gw_code gw_store_audit_newest(struct gw_store *s, int64_t *out_id, struct gw_error *err)
{
    return s->ops->audit_newest(s, out_id, err);
}

enum gw_code gw_store_audit_get(struct gw_store *s, const struct gw_uuid *writer, uint64_t sequence,
                                struct gw_audit_row *out, struct gw_error *err)
{
    if (sequence > INT64_MAX)
        return gw_fail(err, GW_ENOTFOUND, "no row has so large a number");
    return s->ops->audit_get(s, writer, sequence, out, err);
}

enum gw_code gw_store_audit_prune(struct gw_store *s, int64_t before_ms, size_t limit, struct gw_audit_pruned *out,
                                  struct gw_error *err)
{
    return s->ops->audit_prune(s, before_ms, limit, out, err);
}

enum gw_code gw_store_audit_open_put(struct gw_store *s, const struct gw_audit_row *r, struct gw_error *err)
{
    GW_TRY(check_audit(r, err));
    return s->ops->audit_open_put(s, r, err);
}

enum gw_code gw_store_audit_open_take(struct gw_store *s, const struct gw_uuid *writer,
                                      const struct gw_uuid *request_id, struct gw_audit_row *out, struct gw_error *err)
{
    return s->ops->audit_open_take(s, writer, request_id, out, err);
}

enum gw_code gw_store_audit_open_each_writer(struct gw_store *s, gw_journal_writer_fn fn, void *ctx,
                                             struct gw_error *err)
{
    return s->ops->audit_open_each_writer(s, fn, ctx, err);
}

enum gw_code gw_store_journal_file_put(struct gw_store *s, struct gw_str name, const struct gw_uuid *writer,
                                       uint64_t offset, struct gw_error *err)
{
    if (name.len == 0 || name.len > GW_JOURNAL_FILE_NAME_MAX || offset > INT64_MAX)
        return gw_fail(err, GW_EINVAL, "a journal file has no name, too long a one, or is too long");
    return s->ops->journal_file_put(s, name, writer, offset, err);
}

enum gw_code gw_store_journal_file_get(struct gw_store *s, struct gw_str name, uint64_t *out_offset,
                                       struct gw_error *err)
{
    return s->ops->journal_file_get(s, name, out_offset, err);
}

enum gw_code gw_store_journal_file_delete(struct gw_store *s, struct gw_str name, struct gw_error *err)
{
    return s->ops->journal_file_delete(s, name, err);
}

enum gw_code gw_store_journal_writer_put(struct gw_store *s, const struct gw_uuid *writer, uint64_t lost,
                                         struct gw_error *err)
{
    if (lost > INT64_MAX)
        return gw_fail(err, GW_EINVAL, "no writer has lost so many events");
    return s->ops->journal_writer_put(s, writer, lost, err);
}

enum gw_code gw_store_journal_writer_get(struct gw_store *s, const struct gw_uuid *writer, uint64_t *out_lost,
                                         struct gw_error *err)
{
    return s->ops->journal_writer_get(s, writer, out_lost, err);
}

enum gw_code gw_store_journal_writer_delete(struct gw_store *s, const struct gw_uuid *writer, struct gw_error *err)
{
    return s->ops->journal_writer_delete(s, writer, err);
}

enum gw_code gw_store_journal_writer_each(struct gw_store *s, gw_journal_writer_fn fn, void *ctx, struct gw_error *err)
{
    return s->ops->journal_writer_each(s, fn, ctx, err);
}
