/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A secret lives in a mapping of its own: guard page, data, guard page. The bytes end where the data pages end, so that reading
 * past them faults. The data pages are read-only once filled; hence a forked worker shares the very pages that its parent
 * locked, although mlock itself is not inherited. mlock may fail for RLIMIT_MEMLOCK: that is put up with, for a key that might be
 * swapped is better than no gateway. MADV_WIPEONFORK is not used: workers need the keys after the fork.
 */
#include "crypto/secret.h"

#include "base/file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIN_DISTINCT_BYTES 10

struct gw_secret {
    char *map;
    size_t map_size, page;
    struct gw_str bytes; /* inside map */
};

void gw_wipe(void *p, size_t n)
{
    OPENSSL_cleanse(p, n);
}

bool gw_bytes_eq(const void *a, size_t a_len, const void *b, size_t b_len)
{
    return a_len == b_len && (a_len == 0 || CRYPTO_memcmp(a, b, a_len) == 0);
}

/* ---- life ---- */

enum gw_code gw_secret_new(struct gw_str bytes, struct gw_secret **out, struct gw_error *err)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t data_size = (bytes.len / page + 1) * page;
    gw_auto(gw_secret) struct gw_secret *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for a secret");
    char *map = mmap(NULL, data_size + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return gw_fail(err, GW_ENOMEM, "no memory for a secret");
    *s = (struct gw_secret){.map = map, .map_size = data_size + 2 * page, .page = page};
    char *data = map + page;
    if (mprotect(data, data_size, PROT_READ | PROT_WRITE) != 0)
        return gw_fail(err, GW_ENOMEM, "no memory for a secret");
    (void)mlock(data, data_size); /* see above */
    if (madvise(data, data_size, MADV_DONTDUMP) != 0)
        return gw_fail(err, GW_EBACKEND, "cannot keep a secret out of core dumps: %s", strerror(errno));
    char *at = data + data_size - bytes.len;
    if (bytes.len > 0)
        memcpy(at, bytes.ptr, bytes.len);
    s->bytes = (struct gw_str){at, bytes.len};
    if (mprotect(data, data_size, PROT_READ) != 0)
        return gw_fail(err, GW_EBACKEND, "cannot protect a secret: %s", strerror(errno));
    *out = gw_take(&s);
    return GW_OK;
}

void gw_secret_free(struct gw_secret *s)
{
    if (s == NULL)
        return;
    if (s->map != NULL) {
        char *data = s->map + s->page;
        size_t data_size = s->map_size - 2 * s->page;
        if (mprotect(data, data_size, PROT_READ | PROT_WRITE) == 0)
            gw_wipe(data, data_size);
        munmap(s->map, s->map_size);
    }
    free(s);
}

struct gw_str gw_secret_bytes(const struct gw_secret *s)
{
    return s->bytes;
}

bool gw_secret_eq(const struct gw_secret *a, const struct gw_secret *b)
{
    return gw_bytes_eq(a->bytes.ptr, a->bytes.len, b->bytes.ptr, b->bytes.len);
}

/* ---- strength ---- */

/*
 * Phrases that published examples and boilerplates use for JWT_SECRET, reduced to lower-case letters and digits; longer before
 * shorter where one holds the other. What is left of a secret without them must be long enough by itself: that catches
 * repeated, joined and padded defaults, while a random key that holds such a word by chance still passes.
 */
static const char *const known_defaults[] = {
    "yoursupersecretjwtkeychangeinproduction",
    "yoursupersecretjwtkey",
    "yoursupersecretkey",
    "yoursupersecret",
    "yourjwtsecretkey",
    "yourjwtsecret",
    "yoursecretkey",
    "yoursecret",
    "mysupersecretkey",
    "mysupersecret",
    "mysecretkey",
    "mysecret",
    "supersecretkey",
    "supersecret",
    "verysecret",
    "topsecret",
    "jwtsecretkey",
    "jwtsecret",
    "tokensecret",
    "sessionsecret",
    "accesstokensecret",
    "refreshtokensecret",
    "aaitisecretkey",
    "aaitisecret",
    "aaitijwt",
    "aaiti",
    "secretkey",
    "secretsecret",
    "secret",
    "pleasechangeme",
    "changeme",
    "changethis",
    "changeit",
    "changed",
    "change",
    "replaceme",
    "replacethis",
    "replace",
    "inproduction",
    "production",
    "development",
    "default",
    "example",
    "fallback",
    "insecure",
    "placeholder",
    "yourkeyhere",
    "goeshere",
    "minimum",
    "atleast",
    "characters",
    "thisisa",
    "should",
    "keyboardcat",
    "password",
    "passw0rd",
    "qwertyuiop",
    "qwerty",
    "letmein",
    "admin",
    "token",
    "testing",
    "shhhhh",
    "todo",
    "0123456789abcdef",
    "1234567890abcdef",
    "abcdefghijklmnopqrstuvwxyz",
    "abcdefghijklmnop",
    "abcdefgh",
    "abcdef",
    "0123456789",
    "1234567890",
    "123456789",
    "12345678",
    "123456",
    "deadbeef",
    "correcthorsebatterystaple",
    "loremipsum",
    "xxxxxx",
    "aaaaaa",
    "000000",
};

/* Cuts every occurrence of word out of the n bytes at text; returns what is left. One pass, so that a cut makes no new one. */
static size_t cut_out(char *text, size_t n, const char *word)
{
    size_t word_len = strlen(word), kept = 0, at = 0;
    while (at < n) {
        if (n - at >= word_len && memcmp(text + at, word, word_len) == 0)
            at += word_len;
        else
            text[kept++] = text[at++];
    }
    return kept;
}

static bool is_known_default(struct gw_str secret)
{
    char left[GW_SECRET_MAX_BYTES];
    size_t n = 0;
    for (size_t i = 0; i < secret.len; i++)
        if (isalnum((unsigned char)secret.ptr[i]))
            left[n++] = (char)tolower((unsigned char)secret.ptr[i]);
    size_t before = n;
    for (size_t i = 0; i < sizeof(known_defaults) / sizeof(known_defaults[0]); i++)
        n = cut_out(left, n, known_defaults[i]);
    gw_wipe(left, sizeof(left));
    return n < before && n < GW_SECRET_MIN_BYTES;
}

static unsigned distinct_bytes(struct gw_str secret)
{
    bool seen[256] = {false};
    unsigned count = 0;
    for (size_t i = 0; i < secret.len; i++) {
        unsigned char c = (unsigned char)secret.ptr[i];
        count += !seen[c];
        seen[c] = true;
    }
    gw_wipe(seen, sizeof(seen));
    return count;
}

enum gw_code gw_secret_check(const struct gw_secret *s, struct gw_error *err)
{
    struct gw_str b = s->bytes;
    if (b.len > GW_SECRET_MAX_BYTES)
        return gw_fail(err, GW_EINVAL, "longer than %d bytes", GW_SECRET_MAX_BYTES);
    if (is_known_default(b))
        return gw_fail(err, GW_EINVAL, "a well-known default or made of such words");
    if (b.len < GW_SECRET_MIN_BYTES)
        return gw_fail(err, GW_EINVAL, "shorter than %d bytes", GW_SECRET_MIN_BYTES);
    if (distinct_bytes(b) < MIN_DISTINCT_BYTES)
        return gw_fail(err, GW_EINVAL, "made of fewer than %d different bytes", MIN_DISTINCT_BYTES);
    return GW_OK;
}

/* ---- files ---- */

static enum gw_code fail_open(const char *path, struct gw_error *err)
{
    switch (errno) {
    case ENOENT:
        return gw_fail(err, GW_ENOTFOUND, "%s: there is no such key file; make it with: aaiti init", path);
    case ELOOP:
        return gw_fail(err, GW_EINVAL, "%s: a key file must not be a symbolic link; name the file itself", path);
    default:
        return gw_fail(err, GW_EBACKEND, "%s: %s", path, strerror(errno));
    }
}

static enum gw_code check_file(int fd, const char *path, struct gw_error *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return gw_fail(err, GW_EBACKEND, "%s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return gw_fail(err, GW_EINVAL, "%s: a key file must be a regular file; make one with: aaiti init", path);
    /* Root reads everybody's: nginx's master does, when control has a user of its own. */
    if (st.st_uid != 0 && geteuid() != 0 && st.st_uid != geteuid())
        return gw_fail(err, GW_EINVAL, "%s: belongs to user %u; mend it with: chown %u %s", path, st.st_uid, geteuid(),
                       path);
    if ((st.st_mode & 077) != 0)
        return gw_fail(err, GW_EINVAL, "%s: others may read or change it; mend it with: chmod 600 %s", path, path);
    return GW_OK;
}

/* Reads until dst is full or the file ends. */
static ssize_t read_all(int fd, char *dst, size_t size)
{
    size_t n = 0;
    while (n < size) {
        ssize_t got = read(fd, dst + n, size - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        n += (size_t)got;
    }
    return (ssize_t)n;
}

static enum gw_code read_secret(int fd, const char *path, struct gw_secret **out, struct gw_error *err)
{
    char text[GW_SECRET_MAX_BYTES + 2]; /* a newline, and one byte more to see that it is too long */
    ssize_t got = read_all(fd, text, sizeof(text));
    if (got < 0)
        return gw_fail(err, GW_EBACKEND, "%s: %s", path, strerror(errno));
    size_t n = (size_t)got;
    if (n > 0 && text[n - 1] == '\n')
        n--;
    enum gw_code code = gw_secret_new((struct gw_str){text, n}, out, err);
    gw_wipe(text, sizeof(text));
    return code;
}

static enum gw_code load(const char *path, struct gw_secret **out, struct gw_error *err)
{
    /* O_NONBLOCK: a FIFO put in its place must not hang the start. */
    gw_auto_fd int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return fail_open(path, err);
    GW_TRY(check_file(fd, path, err));
    return read_secret(fd, path, out, err);
}

enum gw_code gw_secret_load(const char *path, struct gw_secret **out, struct gw_error *err)
{
    gw_auto(gw_secret) struct gw_secret *s = NULL;
    GW_TRY(load(path, &s, err));
    struct gw_error why;
    if (gw_secret_check(s, &why) != GW_OK)
        return gw_fail(err, GW_EINVAL,
                       "%s: the secret is %s; put a random one there, as with: head -c 48 /dev/urandom | base64 > %s",
                       path, why.msg, path);
    *out = gw_take(&s);
    return GW_OK;
}

enum gw_code gw_secret_load_foreign(const char *path, struct gw_secret **out, struct gw_error *err)
{
    gw_auto(gw_secret) struct gw_secret *s = NULL;
    GW_TRY(load(path, &s, err));
    if (s->bytes.len == 0 || s->bytes.len > GW_SECRET_MAX_BYTES)
        return gw_fail(
            err, GW_EINVAL,
            "%s: empty or longer than %d bytes; put there what the other party expects or, where both may choose, the same "
            "random one: head -c 48 /dev/urandom | base64 > %s",
            path, GW_SECRET_MAX_BYTES, path);
    *out = gw_take(&s);
    return GW_OK;
}

enum gw_code gw_secret_create(const char *path, const struct gw_random *r, struct gw_error *err)
{
    char text[GW_BASE64URL_LEN(GW_SECRET_CREATE_BYTES) + 1];
    GW_TRY(gw_random_text(r, GW_SECRET_CREATE_BYTES, text, err));
    text[sizeof(text) - 1] = '\n'; /* in place of the NUL */
    enum gw_code code = gw_file_create(path, 0600, (struct gw_str){text, sizeof(text)}, err);
    gw_wipe(text, sizeof(text));
    return code;
}

/* ---- process ---- */

enum gw_code gw_harden_process(struct gw_error *err)
{
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return gw_fail(err, GW_EBACKEND, "cannot make the process undumpable: %s", strerror(errno));
    if (setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}) != 0)
        return gw_fail(err, GW_EBACKEND, "cannot forbid core dumps: %s", strerror(errno));
    return GW_OK;
}
