/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Key material: locked in memory, kept out of dumps, wiped when freed, compared in constant time. No formatter exists
 * for it. A file holds one secret as text; its bytes without the final newline are the key, as JWT_SECRET is to the
 * usual Node backend.
 */
#include "crypto/random.h"
#include <gw/cleanup.h>
#include <gw/error.h>
#include <gw/str.h>

struct gw_secret;

#define GW_SECRET_MIN_BYTES 32 /* 256 bits: RFC 8725 section 3.5 and RFC 7518 section 3.2 for HS256 */
#define GW_SECRET_MAX_BYTES 1024

/* Copies the bytes; the caller wipes its own copy. Any length from 0: strength is gw_secret_check's business. */
GW_MUST_CHECK enum gw_code gw_secret_new(struct gw_str bytes, struct gw_secret **out, struct gw_error *err);
/* Reads a regular file that nobody but its owner may read (0600 or 0400; root's and ours only, anybody's for root; no symlink), refuses a weak
 * one (gw_secret_check). err says what is wrong and the command that mends it. GW_ENOTFOUND when there is none. */
GW_MUST_CHECK enum gw_code gw_secret_load(const char *path, struct gw_secret **out, struct gw_error *err);
/* The same for what another party chose and may be short, such as a password: the file is judged, its strength is not. */
GW_MUST_CHECK enum gw_code gw_secret_load_foreign(const char *path, struct gw_secret **out, struct gw_error *err);
/* Shorter than GW_SECRET_MIN_BYTES, longer than the maximum, a known default ("change me" and its kin), or of few distinct bytes: GW_EINVAL. */
GW_MUST_CHECK enum gw_code gw_secret_check(const struct gw_secret *s, struct gw_error *err);
#define GW_SECRET_CREATE_BYTES 48 /* as 64 base64url characters */
/* Creates path (O_EXCL, 0600, fsynced) with a new random secret. GW_ECONFLICT when it exists. */
GW_MUST_CHECK enum gw_code gw_secret_create(const char *path, const struct gw_random *r, struct gw_error *err);
void gw_secret_free(struct gw_secret *s);
GW_DEFINE_AUTO_FREE(gw_secret);

/* Borrowed, as long as the secret lives. */
struct gw_str gw_secret_bytes(const struct gw_secret *s);
bool gw_secret_eq(const struct gw_secret *a, const struct gw_secret *b);

/* Constant time in the content; lengths may differ. */
bool gw_bytes_eq(const void *a, size_t a_len, const void *b, size_t b_len);
/* Cannot be optimised away. */
void gw_wipe(void *p, size_t n);
/* No core dumps, no ptrace by others, for the whole process. */
GW_MUST_CHECK enum gw_code gw_harden_process(struct gw_error *err);
