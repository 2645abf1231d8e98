/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a backend of the store supplies. store.c checks rows once for all of them and calls through this table; the contract of
 * each operation stands in store.h. A backend's own struct begins with struct gw_store.
 */
#include "store/audit.h"
#include "store/store.h"

struct gw_store_ops {
    void (*close)(struct gw_store *s);
    enum gw_code (*begin)(struct gw_store *s, struct gw_error *err);
    enum gw_code (*try_begin)(struct gw_store *s, struct gw_error *err);
    enum gw_code (*commit)(struct gw_store *s, struct gw_error *err);
    void (*rollback)(struct gw_store *s);
    void (*hold)(struct gw_store *s);
    void (*release)(struct gw_store *s);

    enum gw_code (*user_insert)(struct gw_store *s, const struct gw_user_row *u, struct gw_error *err);
    enum gw_code (*user_update)(struct gw_store *s, struct gw_user_row *u, struct gw_error *err);
    enum gw_code (*user_delete)(struct gw_store *s, const struct gw_uuid *id, struct gw_error *err);
    enum gw_code (*user_get)(struct gw_store *s, const struct gw_uuid *id, struct gw_user_row *out,
                             struct gw_error *err);
    enum gw_code (*user_by_name)(struct gw_store *s, struct gw_str username, struct gw_user_row *out,
                                 struct gw_error *err);
    enum gw_code (*user_by_email)(struct gw_store *s, struct gw_str email, struct gw_user_row *out,
                                  struct gw_error *err);
    enum gw_code (*user_count_active)(struct gw_store *s, struct gw_str role, int64_t *out, struct gw_error *err);
    enum gw_code (*user_each)(struct gw_store *s, gw_user_fn fn, void *ctx, struct gw_error *err);

    enum gw_code (*session_insert)(struct gw_store *s, const struct gw_session_row *r, struct gw_error *err);
    enum gw_code (*session_get)(struct gw_store *s, const struct gw_uuid *id, struct gw_session_row *out,
                                struct gw_error *err);
    enum gw_code (*session_delete)(struct gw_store *s, const struct gw_uuid *id, struct gw_error *err);
    enum gw_code (*session_touch)(struct gw_store *s, const struct gw_uuid *id, int64_t last_seen_s,
                                  struct gw_error *err);
    enum gw_code (*session_each)(struct gw_store *s, const struct gw_uuid *user_id, gw_session_fn fn, void *ctx,
                                 struct gw_error *err);

    enum gw_code (*refresh_insert)(struct gw_store *s, const struct gw_refresh_row *r, struct gw_error *err);
    enum gw_code (*refresh_get)(struct gw_store *s, const uint8_t hash[32], struct gw_refresh_row *out,
                                struct gw_error *err);
    enum gw_code (*refresh_newest)(struct gw_store *s, const struct gw_uuid *session_id, struct gw_refresh_row *out,
                                   struct gw_error *err);
    enum gw_code (*refresh_spend)(struct gw_store *s, const uint8_t hash[32], int64_t now_s, struct gw_error *err);
    enum gw_code (*refresh_delete)(struct gw_store *s, const struct gw_uuid *session_id, struct gw_error *err);

    enum gw_code (*known_pair_put)(struct gw_store *s, const struct gw_uuid *user_id, const struct gw_ip *address,
                                   int64_t now_s, struct gw_error *err);
    enum gw_code (*known_pair_has)(struct gw_store *s, const struct gw_uuid *user_id, const struct gw_ip *address,
                                   int64_t since_s, bool *out, struct gw_error *err);
    enum gw_code (*known_pair_purge)(struct gw_store *s, int64_t before_s, struct gw_error *err);

    enum gw_code (*revocation_insert)(struct gw_store *s, const struct gw_uuid *jti, int64_t expires_s,
                                      struct gw_error *err);
    enum gw_code (*revocation_each)(struct gw_store *s, gw_revocation_fn fn, void *ctx, struct gw_error *err);
    enum gw_code (*revocation_purge)(struct gw_store *s, int64_t now_s, struct gw_error *err);

    enum gw_code (*api_key_insert)(struct gw_store *s, const struct gw_api_key_row *r, struct gw_error *err);
    enum gw_code (*api_key_get)(struct gw_store *s, const struct gw_uuid *id, struct gw_api_key_row *out,
                                struct gw_error *err);
    enum gw_code (*api_key_by_public_id)(struct gw_store *s, struct gw_str public_id, struct gw_api_key_row *out,
                                         struct gw_error *err);
    enum gw_code (*api_key_each)(struct gw_store *s, const struct gw_uuid *user_id, gw_api_key_fn fn, void *ctx,
                                 struct gw_error *err);
    enum gw_code (*api_key_count)(struct gw_store *s, int64_t *out, struct gw_error *err);
    enum gw_code (*api_key_expire)(struct gw_store *s, const struct gw_uuid *id, int64_t expires_s,
                                   struct gw_error *err);
    enum gw_code (*api_key_touch)(struct gw_store *s, const struct gw_uuid *id, int64_t last_used_s,
                                  struct gw_error *err);
    enum gw_code (*api_key_delete)(struct gw_store *s, const struct gw_uuid *id, struct gw_error *err);

    enum gw_code (*reset_put)(struct gw_store *s, const struct gw_reset_row *r, struct gw_error *err);
    enum gw_code (*reset_get)(struct gw_store *s, const uint8_t code_hash[32], int64_t now_s,
                              struct gw_uuid *out_user_id, struct gw_error *err);
    enum gw_code (*reset_delete)(struct gw_store *s, const struct gw_uuid *user_id, struct gw_error *err);

    enum gw_code (*data_key_insert)(struct gw_store *s, const struct gw_data_key_row *k, struct gw_error *err);
    enum gw_code (*data_key_each)(struct gw_store *s, gw_data_key_fn fn, void *ctx, struct gw_error *err);
    enum gw_code (*data_key_reserve)(struct gw_store *s, uint32_t id, uint64_t uses, struct gw_error *err);
    enum gw_code (*data_key_retire)(struct gw_store *s, uint32_t id, int64_t now_s, struct gw_error *err);

    enum gw_code (*block_insert)(struct gw_store *s, const struct gw_block_row *b, struct gw_error *err);
    enum gw_code (*block_extend)(struct gw_store *s, const struct gw_uuid *id, int64_t expires_s, struct gw_error *err);
    enum gw_code (*block_end)(struct gw_store *s, const struct gw_uuid *id, int64_t ended_s, struct gw_error *err);
    enum gw_code (*block_get)(struct gw_store *s, const struct gw_uuid *id, struct gw_block_row *out,
                              struct gw_error *err);
    enum gw_code (*block_of_network)(struct gw_store *s, const struct gw_cidr *network, struct gw_block_row *out,
                                     struct gw_error *err);
    enum gw_code (*block_each)(struct gw_store *s, const struct gw_uuid *after, int64_t due_s, size_t count,
                               gw_block_fn fn, void *ctx, struct gw_error *err);
    enum gw_code (*block_count)(struct gw_store *s, int64_t *out, struct gw_error *err);
    enum gw_code (*block_count_earlier)(struct gw_store *s, const struct gw_cidr *network, int64_t since_s,
                                        int64_t *out, struct gw_error *err);
    enum gw_code (*block_purge)(struct gw_store *s, int64_t before_s, struct gw_error *err);

    enum gw_code (*sealed_put)(struct gw_store *s, const struct gw_sealed_row *r, struct gw_error *err);
    enum gw_code (*sealed_get)(struct gw_store *s, struct gw_str name, int64_t now_s, struct gw_sealed_row *out,
                               struct gw_error *err);
    enum gw_code (*sealed_delete)(struct gw_store *s, struct gw_str name, struct gw_error *err);
    enum gw_code (*sealed_purge)(struct gw_store *s, int64_t now_s, struct gw_error *err);
    enum gw_code (*sealed_count)(struct gw_store *s, uint32_t key_id, int64_t *out, struct gw_error *err);
    enum gw_code (*sealed_each_of_key)(struct gw_store *s, uint32_t key_id, struct gw_str after, size_t count,
                                       gw_sealed_fn fn, void *ctx, struct gw_error *err);

    enum gw_code (*audit_add)(struct gw_store *s, const struct gw_audit_row *r, struct gw_error *err);
    enum gw_code (*audit_each)(struct gw_store *s, const struct gw_audit_query *q, gw_audit_fn fn, void *ctx,
                               struct gw_error *err);
    enum gw_code (*audit_each_after)(struct gw_store *s, int64_t after_id, size_t limit, gw_audit_fn fn, void *ctx,
                                     struct gw_error *err);
    enum gw_code (*audit_newest)(struct gw_store *s, int64_t *out_id, struct gw_error *err);
    enum gw_code (*audit_get)(struct gw_store *s, const struct gw_uuid *writer, uint64_t sequence,
                              struct gw_audit_row *out, struct gw_error *err);
    enum gw_code (*audit_prune)(struct gw_store *s, int64_t before_ms, size_t limit, struct gw_audit_pruned *out,
                                struct gw_error *err);
    enum gw_code (*audit_open_put)(struct gw_store *s, const struct gw_audit_row *r, struct gw_error *err);
    enum gw_code (*audit_open_take)(struct gw_store *s, const struct gw_uuid *writer, const struct gw_uuid *request_id,
                                    struct gw_audit_row *out, struct gw_error *err);
    enum gw_code (*audit_open_each_writer)(struct gw_store *s, gw_journal_writer_fn fn, void *ctx,
                                           struct gw_error *err);

    enum gw_code (*journal_file_put)(struct gw_store *s, struct gw_str name, const struct gw_uuid *writer,
                                     uint64_t offset, struct gw_error *err);
    enum gw_code (*journal_file_get)(struct gw_store *s, struct gw_str name, uint64_t *out_offset,
                                     struct gw_error *err);
    enum gw_code (*journal_file_delete)(struct gw_store *s, struct gw_str name, struct gw_error *err);
    enum gw_code (*journal_writer_put)(struct gw_store *s, const struct gw_uuid *writer, uint64_t lost,
                                       struct gw_error *err);
    enum gw_code (*journal_writer_get)(struct gw_store *s, const struct gw_uuid *writer, uint64_t *out_lost,
                                       struct gw_error *err);
    enum gw_code (*journal_writer_delete)(struct gw_store *s, const struct gw_uuid *writer, struct gw_error *err);
    enum gw_code (*journal_writer_each)(struct gw_store *s, gw_journal_writer_fn fn, void *ctx, struct gw_error *err);
};

struct gw_store {
    const struct gw_store_ops *ops;
};
