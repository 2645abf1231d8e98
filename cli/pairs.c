/* SPDX-License-Identifier: Apache-2.0 */
#include "pairs.h"
#include "base/encode.h"
#include "base/file.h"
#include "control/run_dir.h"
#include "crypto/certificate.h"
#include "crypto/mac.h"
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ARENA_MAX_BYTES ((size_t)64 * 1024)
#define IN_USE_MAX_BYTES ((size_t)64 * 1024)

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

size_t gw_pairs_count(const struct gw_settings *s)
{
    return s->tls_second_certificate.len > 0 ? 2 : 1;
}

static enum gw_code check_kinds(const struct files *files, const struct pair *pairs, struct gw_error *err)
{
    if (!gw_chain_same_kind(pairs[0].chain, pairs[1].chain))
        return GW_OK;
    return gw_fail(err, GW_EINVAL,
                   "%s and %s have keys of the same kind: of two certificates one is for ECDSA and one for RSA",
                   files[0].certificate, files[1].certificate);
}

static enum gw_code read_all(const struct gw_settings *s, const struct files *files, const char *home,
                             struct pair *pairs, struct gw_pairs *out, struct gw_error *err)
{
    struct gw_str texts[GW_PAIRS_MAX] = {GW_STR_NULL, GW_STR_NULL};
    size_t count = gw_pairs_count(s);
    for (size_t i = 0; i < count; i++) {
        GW_TRY(read_pair(&files[i], home, &pairs[i], err));
        GW_TRY(take(s, &files[i], &pairs[i], out, err));
        texts[i] = gw_buf_str(&out->text[i]);
    }
    if (count == 2)
        GW_TRY(check_kinds(files, pairs, err));
    return gw_sha256_pieces(texts, count, out->digest);
}

/* ---- clients' certificates ---- */

static enum gw_code read_trust_file(const char *path, struct gw_buf *out, struct gw_error *err)
{
    struct gw_error why = {0};
    if (path == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for the names of certificates");
    gw_buf_init(out, GW_CHAIN_MAX_BYTES);
    enum gw_code code = gw_file_read(path, out, &why);
    return code == GW_OK ? GW_OK : gw_fail(err, code, "cannot read %s, of clients' certificates: %s", path, why.msg);
}

static enum gw_code read_authorities(const char *path, struct gw_buf *out, struct gw_error *err)
{
    gw_auto(gw_chain) struct gw_chain *all = NULL;
    struct gw_error why = {0};
    GW_TRY(read_trust_file(path, out, err));
    enum gw_code code = gw_chain_parse(gw_buf_str(out), &all, &why);
    return code == GW_OK ? GW_OK : gw_fail(err, code, "%s: %s", path, why.msg);
}

static enum gw_code read_revoked(const char *path, struct gw_buf *out, struct gw_error *err)
{
    struct gw_error why = {0};
    int64_t end_s; /* one that is over is nginx's to refuse clients by, and control's to tell of */
    GW_TRY(read_trust_file(path, out, err));
    enum gw_code code = gw_chain_check_revoked(gw_buf_str(out), &end_s, &why);
    return code == GW_OK ? GW_OK : gw_fail(err, code, "%s: %s", path, why.msg);
}

/* An identifier changes with all that a good certificate is good by. */
static enum gw_code digest_trust(const struct gw_settings *s, struct gw_pairs *p)
{
    uint8_t trust[GW_MAC_BYTES];
    char use[64], hex[2 * GW_MAC_BYTES + 1];
    (void)snprintf(use, sizeof(use), "%d %jd %zu ", s->tls_client_certificates, (intmax_t)s->tls_client_depth,
                   p->authorities.len);
    const struct gw_str texts[] = {gw_str(use), gw_buf_str(&p->authorities), gw_buf_str(&p->revoked)};
    GW_TRY(gw_sha256_pieces(texts, sizeof(texts) / sizeof(texts[0]), trust));
    gw_hex_encode(trust, sizeof(trust), hex);
    memcpy(p->trust_id, hex, GW_PAIRS_TRUST_ID_LEN);
    const struct gw_str all[] = {{(const char *)p->digest, sizeof(p->digest)}, {hex, 2 * sizeof(trust)}};
    return gw_sha256_pieces(all, sizeof(all) / sizeof(all[0]), p->digest);
}

static enum gw_code read_trust(const struct gw_settings *s, const char *home, struct gw_arena *a, struct gw_pairs *p,
                               struct gw_error *err)
{
    if (s->tls_client_certificates == GW_CLIENT_CERTIFICATES_OFF)
        return GW_OK;
    p->wants_own = s->tls_client_certificates == GW_CLIENT_CERTIFICATES_REQUIRED;
    GW_TRY(read_authorities(gw_settings_path(a, home, s->tls_client_ca), &p->authorities, err));
    if (s->tls_client_crl.len > 0)
        GW_TRY(read_revoked(gw_settings_path(a, home, s->tls_client_crl), &p->revoked, err));
    return digest_trust(s, p);
}

static enum gw_code name_files(const struct gw_settings *s, const char *home, struct gw_arena *a, struct files *out,
                               struct gw_error *err)
{
    out[0] = (struct files){gw_settings_path(a, home, s->tls_certificate), gw_settings_path(a, home, s->tls_key)};
    out[1] = (struct files){gw_settings_path(a, home, s->tls_second_certificate),
                            gw_settings_path(a, home, s->tls_second_key)};
    for (size_t i = 0; i < GW_PAIRS_MAX; i++)
        if (out[i].certificate == NULL || out[i].key == NULL)
            return gw_fail(err, GW_ENOMEM, "no memory for the names of certificates");
    return GW_OK;
}

enum gw_code gw_pairs_read(const struct gw_settings *s, const char *home, struct gw_pairs *out, struct gw_error *err)
{
    gw_auto(gw_arena) struct gw_arena a = {0};
    gw_auto(gw_pairs) struct gw_pairs p = {.count = 0};
    struct pair pairs[GW_PAIRS_MAX] = {{.chain = NULL}};
    struct files files[GW_PAIRS_MAX];
    gw_arena_init(&a, ARENA_MAX_BYTES);
    gw_buf_init(&p.firsts, GW_CHAIN_MAX_BYTES);
    GW_TRY(name_files(s, home, &a, files, err));
    enum gw_code code = read_all(s, files, home, pairs, &p, err);
    for (size_t i = 0; i < GW_PAIRS_MAX; i++)
        pair_done(&pairs[i]);
    if (code == GW_OK)
        code = read_trust(s, home, &a, &p, err);
    if (code != GW_OK)
        return code;
    *out = p;
    p = (struct gw_pairs){.count = 0};
    return GW_OK;
}

/* Each pair by itself, so that what is wrong with the first hides nothing. */
static bool check_each(const struct gw_settings *s, const struct files *files, const char *home, struct pair *pairs,
                       struct gw_pairs *p, struct gw_faults *out)
{
    bool is_sound = true;
    for (size_t i = 0; i < gw_pairs_count(s); i++) {
        struct gw_error why = {0};
        if (read_pair(&files[i], home, &pairs[i], &why) == GW_OK && take(s, &files[i], &pairs[i], p, &why) == GW_OK)
            continue;
        gw_faults_add(out, home, 0, "%s", why.msg);
        is_sound = false;
    }
    return is_sound;
}

void gw_pairs_check(const struct gw_settings *s, const char *home, struct gw_faults *out)
{
    gw_auto(gw_arena) struct gw_arena a = {0};
    gw_auto(gw_pairs) struct gw_pairs p = {.count = 0};
    struct gw_error why = {0};
    struct pair pairs[GW_PAIRS_MAX] = {{.chain = NULL}};
    struct files files[GW_PAIRS_MAX];
    gw_arena_init(&a, ARENA_MAX_BYTES);
    gw_buf_init(&p.firsts, GW_CHAIN_MAX_BYTES);
    if (name_files(s, home, &a, files, &why) != GW_OK) {
        gw_faults_add(out, home, 0, "%s", why.msg);
        return;
    }
    bool is_sound = check_each(s, files, home, pairs, &p, out);
    if (is_sound && p.count == 2 && check_kinds(files, pairs, &why) != GW_OK)
        gw_faults_add(out, home, 0, "%s", why.msg);
    for (size_t i = 0; i < GW_PAIRS_MAX; i++)
        pair_done(&pairs[i]);
    if (read_trust(s, home, &a, &p, &why) != GW_OK)
        gw_faults_add(out, home, 0, "%s", why.msg);
}

void gw_pairs_file(const char *nginx_dir, size_t i, char *dst, size_t size)
{
    (void)snprintf(dst, size, "%s/tls-%zu.pem", nginx_dir, i + 1);
}

/* Made once: whoever has read it goes on with it while workers change. */
static enum gw_code make_own(const char *nginx_dir, struct gw_error *err)
{
    char path[GW_RUN_DIR_FILE_MAX];
    gw_auto(gw_buf) struct gw_buf text = {0};
    (void)snprintf(path, sizeof(path), "%s/" GW_RUN_OWN, nginx_dir);
    if (access(path, F_OK) == 0)
        return GW_OK;
    gw_buf_init(&text, GW_CHAIN_MAX_BYTES);
    GW_TRY(gw_certificate_make_own(&text, gw_system_clock(), gw_system_random(), err));
    return gw_file_replace(path, 0640, gw_buf_str(&text), err);
}

/* Control reads them, too: it tells when they end. */
static enum gw_code write_trust(const struct gw_pairs *p, const char *nginx_dir, struct gw_error *err)
{
    char path[GW_RUN_DIR_FILE_MAX];
    (void)snprintf(path, sizeof(path), "%s/" GW_RUN_CLIENT_CA, nginx_dir);
    if (p->authorities.len > 0)
        GW_TRY(gw_file_replace(path, 0640, gw_buf_str(&p->authorities), err));
    (void)snprintf(path, sizeof(path), "%s/" GW_RUN_CLIENT_CRL, nginx_dir);
    if (p->revoked.len > 0)
        GW_TRY(gw_file_replace(path, 0640, gw_buf_str(&p->revoked), err));
    return p->wants_own ? make_own(nginx_dir, err) : GW_OK;
}

/* ---- what is in use ---- */

/* A line with the digest, and one for each setting that says what is read and how it is used. */
static enum gw_code tell(const struct gw_pairs *p, const struct gw_settings *s, struct gw_buf *out,
                         struct gw_error *err)
{
    static const char *const keys[] = {"tls.certificate",         "tls.key",         "tls.second_certificate",
                                       "tls.second_key",          "tls.client_ca",   "tls.client_crl",
                                       "tls.client_certificates", "tls.client_depth"};
    char digest[2 * sizeof(p->digest) + 1] = "";
    gw_hex_encode(p->digest, sizeof(p->digest), digest);
    gw_buf_init(out, IN_USE_MAX_BYTES);
    gw_buf_addf(out, "%s\n", digest);
    for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++)
        for (size_t i = 0; i < gw_settings_option_count; i++)
            if (strcmp(gw_settings_options[i].key, keys[k]) == 0)
                gw_options_print(&gw_settings_options[i], 1, s, out);
    return gw_buf_check(out, err);
}

static enum gw_code write_in_use(const struct gw_pairs *p, const struct gw_settings *s, const char *nginx_dir,
                                 struct gw_error *err)
{
    char path[GW_RUN_DIR_FILE_MAX];
    gw_auto(gw_buf) struct gw_buf text = {0};
    (void)snprintf(path, sizeof(path), "%s/" GW_RUN_PAIRS, nginx_dir);
    GW_TRY(tell(p, s, &text, err));
    return gw_file_replace(path, 0600, gw_buf_str(&text), err);
}

enum gw_code gw_pairs_in_use(const struct gw_pairs *p, const struct gw_settings *s, const char *nginx_dir, bool *out,
                             struct gw_error *err)
{
    char path[GW_RUN_DIR_FILE_MAX];
    gw_auto(gw_buf) struct gw_buf used = {0}, ours = {0};
    (void)snprintf(path, sizeof(path), "%s/" GW_RUN_PAIRS, nginx_dir);
    gw_buf_init(&used, IN_USE_MAX_BYTES);
    GW_TRY(gw_file_read(path, &used, err));
    GW_TRY(tell(p, s, &ours, err));
    struct gw_str theirs = gw_buf_str(&used), rest = gw_buf_str(&ours), their_line, line;
    bool is_same =
        gw_str_split(&rest, '\n', &line) && gw_str_split(&theirs, '\n', &their_line) && gw_str_eq(line, their_line);
    while (gw_str_split(&rest, '\n', &line) && gw_str_split(&theirs, '\n', &their_line))
        if (!gw_str_eq(line, their_line))
            return gw_fail(err, GW_ECONFLICT, "the settings here say `%.*s`, and the running gateway goes by `%.*s`",
                           GW_STR_ARG(line), GW_STR_ARG(their_line));
    *out = is_same;
    return GW_OK;
}

enum gw_code gw_pairs_write(const struct gw_pairs *p, const struct gw_settings *s, const char *nginx_dir,
                            struct gw_error *err)
{
    char path[GW_RUN_DIR_FILE_MAX];
    for (size_t i = 0; i < p->count; i++) {
        gw_pairs_file(nginx_dir, i, path, sizeof(path));
        GW_TRY(gw_file_replace(path, 0600, gw_buf_str(&p->text[i]), err));
    }
    GW_TRY(write_trust(p, nginx_dir, err));
    /* An authority's files are often root's alone; control sends tokens to nobody but who shows one of these. */
    (void)snprintf(path, sizeof(path), "%s/" GW_RUN_CERTIFICATE, nginx_dir);
    GW_TRY(gw_file_replace(path, 0640, gw_buf_str(&p->firsts), err));
    return write_in_use(p, s, nginx_dir, err); /* last: who reads it finds the others */
}

void gw_pairs_done(struct gw_pairs *p)
{
    for (size_t i = 0; i < GW_PAIRS_MAX; i++)
        gw_buf_done(&p->text[i]);
    gw_buf_done(&p->firsts);
    gw_buf_done(&p->authorities);
    gw_buf_done(&p->revoked);
}
