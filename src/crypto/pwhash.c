/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stored string decides the work of a verification, so it is parsed here and its costs are bounded before a library
 * sees it. Both libraries then hash with the string's own parameters.
 */
#include "crypto/pwhash.h"

#include <argon2.h>
#include <crypt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/secret.h"

#define SALT_BYTES 16
#define TAG_BYTES 32
#define MAX_MEMORY_KIB (1024 * 1024)
#define MAX_PASSES 64
#define MAX_LANES 16 /* each is a thread */

#define BCRYPT_LEN 60
#define BCRYPT_PREFIX_LEN 7 /* $2b$12$ */
#define BCRYPT_MIN_COST 4
#define BCRYPT_MAX_COST 15
#define BCRYPT_MAX_BYTES 72 /* of the password; the algorithm never looks at more */

enum kind { KIND_UNKNOWN, KIND_ARGON2ID, KIND_BCRYPT };

/* "m=19456" with the name "m=" and the bounds 1..max. */
static bool parse_cost(struct gw_str piece, struct gw_str name, uint32_t max, uint32_t *out)
{
    int64_t value;
    if (!gw_str_starts(piece, name) || !gw_str_to_i64(gw_str_sub(piece, name.len, piece.len), &value))
        return false;
    if (value < 1 || value > max)
        return false;
    *out = (uint32_t)value;
    return true;
}

/* $argon2id$v=19$m=19456,t=2,p=1$SALT$TAG. The library judges salt and tag. */
static bool parse_argon2id(struct gw_str hash, struct gw_pwhash_params *out)
{
    struct gw_pwhash_params p;
    struct gw_str rest = hash, costs, piece;
    if (hash.len >= GW_PWHASH_LEN || !gw_str_starts(hash, GW_STR("$argon2id$v=19$")))
        return false;
    rest = gw_str_sub(hash, strlen("$argon2id$v=19$"), hash.len);
    if (!gw_str_split(&rest, '$', &costs))
        return false;
    if (!gw_str_split(&costs, ',', &piece) || !parse_cost(piece, GW_STR("m="), MAX_MEMORY_KIB, &p.memory_kib))
        return false;
    if (!gw_str_split(&costs, ',', &piece) || !parse_cost(piece, GW_STR("t="), MAX_PASSES, &p.passes))
        return false;
    if (!gw_str_split(&costs, ',', &piece) || !parse_cost(piece, GW_STR("p="), MAX_LANES, &p.lanes))
        return false;
    if (costs.ptr != NULL) /* a fourth member, such as data= */
        return false;
    if (!gw_str_split(&rest, '$', &piece) || piece.len == 0 || rest.len == 0 || gw_str_find(rest, '$') != rest.len)
        return false;
    *out = p;
    return true;
}

/* $2b$12$ and 53 characters of salt and tag. */
static bool is_bcrypt(struct gw_str hash)
{
    if (hash.len != BCRYPT_LEN || hash.ptr[0] != '$' || hash.ptr[1] != '2' || hash.ptr[3] != '$' || hash.ptr[6] != '$')
        return false;
    if (hash.ptr[2] != 'a' && hash.ptr[2] != 'b' && hash.ptr[2] != 'y')
        return false;
    int tens = hash.ptr[4] - '0', ones = hash.ptr[5] - '0';
    if (tens < 0 || tens > 9 || ones < 0 || ones > 9)
        return false;
    int cost = 10 * tens + ones;
    if (cost < BCRYPT_MIN_COST || cost > BCRYPT_MAX_COST)
        return false;
    for (size_t i = BCRYPT_PREFIX_LEN; i < BCRYPT_LEN; i++) {
        char c = hash.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '.' && c <= '9')))
            return false;
    }
    return true;
}

static enum kind kind_of(struct gw_str hash, struct gw_pwhash_params *out_params)
{
    if (parse_argon2id(hash, out_params))
        return KIND_ARGON2ID;
    return is_bcrypt(hash) ? KIND_BCRYPT : KIND_UNKNOWN;
}

enum gw_code gw_pwhash_make(struct gw_str password, const struct gw_pwhash_params *params, const struct gw_random *r,
                            char *dst, struct gw_error *err)
{
    uint8_t salt[SALT_BYTES];
    if (password.len > GW_PASSWORD_MAX_BYTES)
        return gw_fail(err, GW_EINVAL, "a password of more than %d bytes", GW_PASSWORD_MAX_BYTES);
    if (params->memory_kib > MAX_MEMORY_KIB || params->passes > MAX_PASSES || params->lanes > MAX_LANES)
        return gw_fail(err, GW_EINVAL, "password hash costs beyond %d KiB, %d passes or %d lanes", MAX_MEMORY_KIB,
                       MAX_PASSES, MAX_LANES);
    GW_TRY(gw_random_fill(r, salt, sizeof(salt), err));
    int rc = argon2id_hash_encoded(params->passes, params->memory_kib, params->lanes, password.ptr, password.len, salt,
                                   sizeof(salt), TAG_BYTES, dst, GW_PWHASH_LEN);
    if (rc == ARGON2_MEMORY_ALLOCATION_ERROR)
        return gw_fail(err, GW_ENOMEM, "no memory to hash a password in");
    if (rc != ARGON2_OK)
        return gw_fail(err, GW_ECRYPTO, "Argon2id: %s", argon2_error_message(rc));
    return GW_OK;
}

static enum gw_code verify_argon2id(const char *hash, struct gw_str password, struct gw_error *err)
{
    int rc = argon2id_verify(hash, password.ptr, password.len);
    switch (rc) {
    case ARGON2_OK:
        return GW_OK;
    case ARGON2_VERIFY_MISMATCH:
        return gw_fail(err, GW_EDENIED, "the password is wrong");
    case ARGON2_MEMORY_ALLOCATION_ERROR:
        return gw_fail(err, GW_ENOMEM, "no memory to check a password in");
    case ARGON2_THREAD_FAIL:
        return gw_fail(err, GW_EBACKEND, "no thread to check a password in");
    default:
        return gw_fail(err, GW_EPARSE, "Argon2id: %s", argon2_error_message(rc));
    }
}

static enum gw_code verify_bcrypt(const char *hash, struct gw_str password, struct gw_error *err)
{
    /* crypt would stop at a NUL and take "right\0anything" for "right". */
    if (gw_str_find(password, '\0') != password.len)
        return gw_fail(err, GW_EDENIED, "the password is wrong");
    struct crypt_data *state = calloc(1, sizeof(*state)); /* 32 KiB: not for a stack */
    if (state == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory to check a password in");
    char phrase[BCRYPT_MAX_BYTES + 1] = "";
    bool fits = gw_str_copy(gw_str_sub(password, 0, BCRYPT_MAX_BYTES), phrase, sizeof(phrase));
    /* Not crypt_r: clang's sanitizers intercept it for glibc's struct, which is not libxcrypt's, and crash. */
    const char *got = fits ? crypt_rn(phrase, hash, state, (int)sizeof(*state)) : NULL;
    bool hashed = got != NULL && got[0] != '*'; /* "*0": a setting that libxcrypt refuses */
    bool right = hashed && gw_bytes_eq(got, strlen(got), hash, BCRYPT_LEN);
    gw_wipe(phrase, sizeof(phrase));
    gw_wipe(state, sizeof(*state));
    free(state);
    if (!hashed)
        return gw_fail(err, GW_EPARSE, "a bcrypt hash that cannot be computed");
    return right ? GW_OK : gw_fail(err, GW_EDENIED, "the password is wrong");
}

enum gw_code gw_pwhash_verify(const char *hash, struct gw_str password, struct gw_error *err)
{
    struct gw_pwhash_params params;
    switch (kind_of(gw_str(hash), &params)) {
    case KIND_ARGON2ID:
        return verify_argon2id(hash, password, err);
    case KIND_BCRYPT:
        return verify_bcrypt(hash, password, err);
    case KIND_UNKNOWN:
        break;
    }
    return gw_fail(err, GW_EPARSE, "a password hash of an unknown kind or of a cost beyond sense");
}

bool gw_pwhash_is_outdated(const char *hash, const struct gw_pwhash_params *params)
{
    struct gw_pwhash_params have;
    if (kind_of(gw_str(hash), &have) != KIND_ARGON2ID)
        return true;
    return have.memory_kib < params->memory_kib || have.passes < params->passes;
}

unsigned gw_pwhash_bcrypt_cost(const char *hash)
{
    return is_bcrypt(gw_str(hash)) ? 10 * (unsigned)(hash[4] - '0') + (unsigned)(hash[5] - '0') : 0;
}

/* A tag of zeros: bcrypt gives it for one password in 2^184. */
void gw_pwhash_bcrypt_dummy(unsigned cost, char *dst)
{
    (void)snprintf(dst, GW_PWHASH_LEN, "$2b$%02u$.....................................................", cost);
}

bool gw_pwhash_is_known(struct gw_str hash)
{
    struct gw_pwhash_params params;
    return kind_of(hash, &params) != KIND_UNKNOWN;
}
