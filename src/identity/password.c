/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Characters are UTF-8 code points. The blocklist is one buffer of lower-case lines and a sorted array of spans into it. What
 * speaks against a password is gathered in a table, so that the user hears all of it at once.
 */
#include "identity/password.h"

#include "base/file.h"
#include "config/shipped.h"
#include "crypto/pwhash.h"
#include "crypto/secret.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKLIST_MAX_BYTES (16u << 20)
#define PATH_BYTES (64u << 10)
#define COMMENT "#!comment:"
#define MAX_CHARACTERS 128
/* A shorter name says nothing: "al" stands in every tenth pass phrase. */
#define NAME_MIN_BYTES 3
#define FAULTS_MAX_BYTES 400

struct profile {
    size_t min_characters;
    bool composed; /* of upper case, lower case, digit and special */
};

static const struct profile profiles[] = {
    [GW_PASSWORD_GUIDE] = {.min_characters = 8, .composed = true},
    [GW_PASSWORD_NIST] = {.min_characters = 15, .composed = false}, /* SP 800-63B-4 section 3.1.1.2 */
};

struct gw_password_rules {
    const struct profile *profile;
    struct gw_buf text;     /* the blocklist, lower case */
    struct gw_str *blocked; /* sorted */
    size_t blocked_count;
};

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static int compare(const void *left, const void *right)
{
    const struct gw_str *a = left, *b = right;
    size_t shared = a->len < b->len ? a->len : b->len;
    int order = memcmp(a->ptr, b->ptr, shared);
    return order != 0 ? order : (a->len > b->len) - (a->len < b->len);
}

/* ---- the blocklist ---- */

static void note_line(struct gw_password_rules *r, struct gw_str line)
{
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    if (line.len > 0 && !gw_str_starts(line, GW_STR(COMMENT)))
        r->blocked[r->blocked_count++] = line;
}

static enum gw_code load_blocklist(struct gw_password_rules *r, const char *path, struct gw_error *err)
{
    GW_TRY(gw_file_read(path, &r->text, err));
    size_t lines = 1;
    for (size_t i = 0; i < r->text.len; i++) {
        r->text.ptr[i] = lower(r->text.ptr[i]);
        lines += r->text.ptr[i] == '\n';
    }
    r->blocked = calloc(lines, sizeof(*r->blocked));
    if (r->blocked == NULL)
        return gw_fail(err, GW_ENOMEM, "password blocklist");
    struct gw_str rest = gw_buf_str(&r->text), line;
    while (gw_str_split(&rest, '\n', &line))
        note_line(r, line);
    if (r->blocked_count == 0)
        return gw_fail(err, GW_EINVAL, "%s: the password blocklist is empty", path);
    qsort(r->blocked, r->blocked_count, sizeof(*r->blocked), compare);
    return GW_OK;
}

static enum gw_code load_shipped(struct gw_password_rules *r, struct gw_error *err)
{
    gw_auto(gw_arena) struct gw_arena arena;
    gw_arena_init(&arena, PATH_BYTES);
    const char *path = NULL;
    GW_TRY(gw_shipped_file(GW_SHIPPED_DATA, "passwords/blocklist.txt", &arena, &path, err));
    return load_blocklist(r, path, err);
}

enum gw_code gw_password_rules_new(enum gw_password_profile profile, const char *blocklist,
                                   struct gw_password_rules **out, struct gw_error *err)
{
    assert((size_t)profile < sizeof(profiles) / sizeof(profiles[0]));
    struct gw_password_rules *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return gw_fail(err, GW_ENOMEM, "password rules");
    r->profile = &profiles[profile];
    gw_buf_init(&r->text, BLOCKLIST_MAX_BYTES);
    enum gw_code code = blocklist != NULL ? load_blocklist(r, blocklist, err) : load_shipped(r, err);
    if (code != GW_OK) {
        gw_password_rules_free(r);
        return code;
    }
    *out = r;
    return GW_OK;
}

void gw_password_rules_free(struct gw_password_rules *r)
{
    if (r == NULL)
        return;
    free(r->blocked);
    gw_buf_done(&r->text);
    free(r);
}

/* ---- a password ---- */

struct measure {
    size_t characters;
    bool upper, lower, digit, special;
};

/* False: not UTF-8, or with control characters, which no keyboard sends and a terminal would act on. */
static bool measure(struct gw_str password, struct measure *out)
{
    struct measure m = {0};
    while (password.len > 0) {
        size_t len = gw_str_utf8(password);
        char c = *password.ptr;
        if (len == 0 || (c >= 0 && c < ' ') || c == 0x7f)
            return false;
        if (c >= 'A' && c <= 'Z')
            m.upper = true;
        else if (c >= 'a' && c <= 'z')
            m.lower = true;
        else if (c >= '0' && c <= '9')
            m.digit = true;
        else
            m.special = true;
        m.characters++;
        password = gw_str_sub(password, len, password.len - len);
    }
    *out = m;
    return true;
}

static bool contains_nocase(struct gw_str text, struct gw_str part)
{
    for (size_t at = 0; at + part.len <= text.len; at++) {
        if (gw_str_eq_nocase(gw_str_sub(text, at, part.len), part))
            return true;
    }
    return false;
}

static bool contains_name(struct gw_str password, struct gw_str name)
{
    return name.len >= NAME_MIN_BYTES && contains_nocase(password, name);
}

static bool is_blocked(const struct gw_password_rules *r, struct gw_str password)
{
    char folded[GW_PASSWORD_MAX_BYTES];
    if (password.len > sizeof(folded))
        return false; /* refused for its length */
    for (size_t i = 0; i < password.len; i++)
        folded[i] = lower(password.ptr[i]);
    struct gw_str key = {folded, password.len};
    bool found = bsearch(&key, r->blocked, r->blocked_count, sizeof(key), compare) != NULL;
    gw_wipe(folded, sizeof(folded));
    return found;
}

static void add_fault(struct gw_buf *faults, bool applies, const char *text)
{
    if (!applies)
        return;
    if (faults->len > 0)
        gw_buf_add(faults, GW_STR(", "));
    gw_buf_add(faults, gw_str(text));
}

enum gw_code gw_password_check(const struct gw_password_rules *r, struct gw_str password, struct gw_str username,
                               struct gw_str email, struct gw_error *err)
{
    struct measure m;
    if (!measure(password, &m))
        return gw_fail(err, GW_EINVAL, "The password must be text without control characters.");
    bool composed = r->profile->composed;
    struct gw_str mailbox = gw_str_sub(email, 0, gw_str_find(email, '@'));
    const struct {
        bool applies;
        const char *text;
    } rows[] = {
        {m.characters < r->profile->min_characters,
         composed ? "have 8 or more characters" : "have 15 or more characters"},
        {m.characters > MAX_CHARACTERS, "have 128 or fewer characters"},
        {composed && !m.upper, "have an upper-case letter"},
        {composed && !m.lower, "have a lower-case letter"},
        {composed && !m.digit, "have a digit"},
        {composed && !m.special, "have a special character"},
        {contains_name(password, username), "not contain the user name"},
        {contains_name(password, mailbox), "not contain the e-mail address"},
        {is_blocked(r, password), "not be one that is commonly used"},
    };
    gw_auto(gw_buf) struct gw_buf faults;
    gw_buf_init(&faults, FAULTS_MAX_BYTES);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        add_fault(&faults, rows[i].applies, rows[i].text);
    GW_TRY(gw_buf_check(&faults, err));
    if (faults.len > 0)
        return gw_fail(err, GW_EINVAL, "The password must %s.", faults.ptr);
    return GW_OK;
}
