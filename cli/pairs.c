/* SPDX-License-Identifier: Apache-2.0 */
#include "pairs.h"
#include "base/file.h"
#include "control/run_dir.h"
#include "crypto/mac.h"
#include <limits.h>
#include <stdio.h>

#define ARENA_MAX_BYTES ((size_t)64 * 1024)

struct files {
    const char *certificate, *key;
};

/* What was read of one pair. */
struct pair {
    struct gw_chain *chain;
    struct gw_buf certificates, key;
};

static void pair_done(struct pair *p)
{
    gw_chain_free(p->chain);
    gw_buf_done(&p->certificates);
    gw_buf_done(&p->key);
}

static enum gw_code read_file(const char *path, const char *home, struct gw_buf *out, struct gw_error *err)
{
    struct gw_error why = {0};
    gw_buf_init(out, GW_CHAIN_MAX_BYTES);
    enum gw_code code = gw_file_read(path, out, &why);
    return code == GW_OK ? GW_OK
                         : gw_fail(err, GW_ENOTFOUND,
                                   "cannot read %s, of the certificate and its key: %s; make a pair for development "
                                   "with: aaiti init --home %s",
                                   path, why.msg, home);
}

static enum gw_code read_pair(const struct files *f, const char *home, struct pair *out, struct gw_error *err)
{
    struct gw_error why = {0};
    GW_TRY(read_file(f->certificate, home, &out->certificates, err));
    GW_TRY(read_file(f->key, home, &out->key, err));
    enum gw_code code = gw_chain_parse(gw_buf_str(&out->certificates), &out->chain, &why);
    if (code != GW_OK)
        return gw_fail(err, code, "%s: %s", f->certificate, why.msg);
    code = gw_chain_check_key(out->chain, gw_buf_str(&out->key), &why);
    return code == GW_OK ? GW_OK : gw_fail(err, code, "%s with %s: %s", f->certificate, f->key, why.msg);
}

static enum gw_code check(const struct gw_settings *s, const struct files *f, const struct gw_chain_facts *facts,
                          struct gw_error *err)
{
    if (s->environment != GW_ENV_PRODUCTION || !facts->is_development)
        return GW_OK;
    return gw_fail(err, GW_EINVAL,
                   "%s is the development certificate, which production refuses; set tls.certificate and tls.key to "
                   "one that an authority has signed",
                   f->certificate);
}

/* A file of certificates often ends without a newline. */
static enum gw_code join(const struct pair *p, struct gw_buf *out, struct gw_error *err)
{
    gw_buf_init(out, 2 * GW_CHAIN_MAX_BYTES + 2);
    gw_buf_add(out, gw_buf_str(&p->key));
    gw_buf_addc(out, '\n');
    gw_buf_add(out, gw_buf_str(&p->certificates));
    gw_buf_addc(out, '\n');
    return gw_buf_check(out, err);
}

static enum gw_code take(const struct gw_settings *s, const struct files *f, const struct pair *p, struct gw_pairs *out,
                         struct gw_error *err)
{
    gw_auto(gw_arena) struct gw_arena a = {0};
    struct gw_chain_facts facts;
    gw_arena_init(&a, ARENA_MAX_BYTES);
    GW_TRY(gw_chain_facts(p->chain, &a, &facts, err));
    GW_TRY(check(s, f, &facts, err));
    out->names_responder = out->names_responder || facts.responder.len > 0;
    GW_TRY(gw_chain_add_first(p->chain, &out->firsts, err));
    return join(p, &out->text[out->count++], err);
}

static enum gw_code read_all(const struct gw_settings *s, const struct files *files, const char *home,
                             struct pair *pairs, struct gw_pairs *out, struct gw_error *err)
{
    struct gw_str texts[GW_PAIRS_MAX] = {GW_STR_NULL, GW_STR_NULL};
    size_t count = s->tls_second_certificate.len > 0 ? 2 : 1;
    for (size_t i = 0; i < count; i++) {
        GW_TRY(read_pair(&files[i], home, &pairs[i], err));
        GW_TRY(take(s, &files[i], &pairs[i], out, err));
        texts[i] = gw_buf_str(&out->text[i]);
    }
    if (count == 2 && gw_chain_same_kind(pairs[0].chain, pairs[1].chain))
        return gw_fail(err, GW_EINVAL,
                       "%s and %s have keys of the same kind: of two certificates one is for ECDSA and one for RSA",
                       files[0].certificate, files[1].certificate);
    return gw_sha256_pieces(texts, count, out->digest);
}

enum gw_code gw_pairs_read(const struct gw_settings *s, const char *home, struct gw_pairs *out, struct gw_error *err)
{
    gw_auto(gw_arena) struct gw_arena a = {0};
    gw_auto(gw_pairs) struct gw_pairs p = {.count = 0};
    struct pair pairs[GW_PAIRS_MAX] = {{.chain = NULL}};
    gw_arena_init(&a, ARENA_MAX_BYTES);
    gw_buf_init(&p.firsts, GW_CHAIN_MAX_BYTES);
    const struct files files[GW_PAIRS_MAX] = {
        {gw_settings_path(&a, home, s->tls_certificate), gw_settings_path(&a, home, s->tls_key)},
        {gw_settings_path(&a, home, s->tls_second_certificate), gw_settings_path(&a, home, s->tls_second_key)},
    };
    for (size_t i = 0; i < GW_PAIRS_MAX; i++)
        if (files[i].certificate == NULL || files[i].key == NULL)
            return gw_fail(err, GW_ENOMEM, "no memory for the names of certificates");
    enum gw_code code = read_all(s, files, home, pairs, &p, err);
    for (size_t i = 0; i < GW_PAIRS_MAX; i++)
        pair_done(&pairs[i]);
    if (code != GW_OK)
        return code;
    *out = p;
    p = (struct gw_pairs){.count = 0};
    return GW_OK;
}

void gw_pairs_file(const char *nginx_dir, size_t i, char *dst, size_t size)
{
    (void)snprintf(dst, size, "%s/tls-%zu.pem", nginx_dir, i + 1);
}

enum gw_code gw_pairs_write(const struct gw_pairs *p, const char *nginx_dir, struct gw_error *err)
{
    char path[GW_RUN_DIR_FILE_MAX];
    for (size_t i = 0; i < p->count; i++) {
        gw_pairs_file(nginx_dir, i, path, sizeof(path));
        GW_TRY(gw_file_replace(path, 0600, gw_buf_str(&p->text[i]), err));
    }
    /* An authority's files are often root's alone; control sends tokens to nobody but who shows one of these. */
    (void)snprintf(path, sizeof(path), "%s/" GW_RUN_CERTIFICATE, nginx_dir);
    return gw_file_replace(path, 0640, gw_buf_str(&p->firsts), err);
}

void gw_pairs_done(struct gw_pairs *p)
{
    for (size_t i = 0; i < GW_PAIRS_MAX; i++)
        gw_buf_done(&p->text[i]);
    gw_buf_done(&p->firsts);
}
