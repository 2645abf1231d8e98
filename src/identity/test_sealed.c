/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/sealed.h"

#include "crypto/keyring.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <signal.h>
#include <sys/resource.h>

#define NOW_S 1800000000
#define MANY (3 * GW_SEALED_BATCH + 5)
#define MARK "planted-secret-4f1c"

struct world {
    char dir[32];
    struct gw_fake_clock clock;
    struct gw_secret *kek;
    struct gw_store *store;
    struct gw_sealed *sealed;
    struct gw_error err;
};

/* ---- memory that runs out: the n-th allocation from now fails, once ---- */

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif

static __thread long fail_at = -1; /* -1: never */

#ifdef SANITIZED
#define CAN_FAIL 0 /* a sanitizer's own malloc may not be replaced */
#else
#define CAN_FAIL 1
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t count, size_t n);
void *__libc_realloc(void *p, size_t n);
__attribute__((visibility("default"))) void *malloc(size_t n)
{
    return fail_at >= 0 && fail_at-- == 0 ? NULL : __libc_malloc(n);
}
__attribute__((visibility("default"))) void *calloc(size_t count, size_t n)
{
    return fail_at >= 0 && fail_at-- == 0 ? NULL : __libc_calloc(count, n);
}
__attribute__((visibility("default"))) void *realloc(void *p, size_t n)
{
    return fail_at >= 0 && fail_at-- == 0 ? NULL : __libc_realloc(p, n);
}
#endif

/* ---- the world ---- */

static void path_of(const struct world *w, const char *name, char dst[64])
{
    snprintf(dst, 64, "%s/%s", w->dir, name);
}

static enum gw_code open_sealed(struct world *w, struct gw_sealed **out)
{
    const struct gw_sealed_options o = {w->store, w->kek, &w->clock.clock, gw_system_random()};
    return gw_sealed_open(&o, out, &w->err);
}

static void close_all(struct world *w)
{
    gw_sealed_free(gw_take(&w->sealed));
    gw_store_close(gw_take(&w->store));
}

static void open_all(struct world *w)
{
    char path[64];
    path_of(w, "x.db", path);
    assert_int_equal(gw_store_open_sqlite(path, &w->store, &w->err), GW_OK);
    if (open_sealed(w, &w->sealed) != GW_OK)
        fail_msg("%s", w->err.msg);
}

static void restart(struct world *w)
{
    close_all(w);
    open_all(w);
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    strcpy(w->dir, "/tmp/gw-sealed-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    gw_fake_clock_init(&w->clock, NOW_S * INT64_C(1000));
    assert_int_equal(gw_secret_new(GW_STR("kT7vX2mQ9sLw4cZr8bNf3hJd6gYp1aEu"), &w->kek, NULL), GW_OK);
    open_all(w);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    const char *const files[] = {"x.db", "x.db-wal", "x.db-shm"};
    close_all(w);
    gw_secret_free(w->kek);
    for (size_t i = 0; i < 3; i++) {
        char path[64];
        path_of(w, files[i], path);
        unlink(path);
    }
    assert_int_equal(rmdir(w->dir), 0);
    free(w);
    return 0;
}

static struct gw_str name_of(unsigned n)
{
    static __thread char name[32];
    return (struct gw_str){name, (size_t)snprintf(name, sizeof(name), "users/%06u/totp", n)};
}

static struct gw_str secret_of(unsigned n)
{
    static __thread char text[48];
    return (struct gw_str){text, (size_t)snprintf(text, sizeof(text), MARK "-%u", n)};
}

static void put(struct world *w, unsigned n)
{
    if (gw_sealed_put(w->sealed, name_of(n), secret_of(n), 0, &w->err) != GW_OK)
        fail_msg("%s", w->err.msg);
}

static enum gw_code get(struct world *w, struct gw_str name, struct gw_buf *out)
{
    gw_buf_init(out, 8192);
    return gw_sealed_get(w->sealed, name, out, &w->err);
}

static void assert_holds(struct world *w, unsigned n)
{
    gw_auto(gw_buf) struct gw_buf out = {0};
    if (get(w, name_of(n), &out) != GW_OK)
        fail_msg("%u: %s", n, w->err.msg);
    assert_true(gw_str_eq(gw_buf_str(&out), secret_of(n)));
}

static uint32_t rotate(struct world *w)
{
    uint32_t id = 0;
    if (gw_sealed_rotate(w->sealed, &id, &w->err) != GW_OK)
        fail_msg("%s", w->err.msg);
    return id;
}

static struct gw_sealed_turn tend(struct world *w, size_t batches)
{
    struct gw_sealed_turn t;
    if (gw_sealed_tend(w->sealed, batches, &t, &w->err) != GW_OK)
        fail_msg("%s", w->err.msg);
    return t;
}

/* "1:opening:5 2:sealing:0 " */
static void assert_keys(struct world *w, const char *want)
{
    static const char *const states[] = {"sealing", "opening", "retired"};
    struct gw_data_key *keys = NULL;
    size_t count = 0, n = 0;
    char text[512] = "";
    assert_int_equal(gw_sealed_keys(w->sealed, &keys, &count, &w->err), GW_OK);
    for (size_t i = 0; i < count; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%u:%s:%d ", keys[i].id, states[keys[i].state],
                              (int)keys[i].rows);
    free(keys);
    assert_string_equal(text, want);
}

/* ---- secrets ---- */

static void a_secret_outlives_a_restart_and_the_files_do_not_show_it(void **state)
{
    struct world *w = *state;
    const char *const files[] = {"x.db", "x.db-wal"};
    static char bytes[4 * 1024 * 1024];
    gw_auto(gw_buf) struct gw_buf empty = {0};
    put(w, 1);
    assert_int_equal(gw_sealed_put(w->sealed, GW_STR("empty"), GW_STR_NULL, 0, &w->err), GW_OK);
    for (size_t i = 0; i < 2; i++) {
        char path[64];
        path_of(w, files[i], path);
        FILE *f = fopen(path, "r");
        assert_non_null(f);
        size_t n = fread(bytes, 1, sizeof(bytes), f);
        assert_true(n > 0 && n < sizeof(bytes));
        assert_null(memmem(bytes, n, MARK, strlen(MARK)));
        fclose(f);
    }
    restart(w);
    assert_holds(w, 1);
    assert_int_equal(get(w, GW_STR("empty"), &empty), GW_OK);
    assert_int_equal(empty.len, 0);
}

static void a_secret_is_replaced_deleted_and_expires(void **state)
{
    struct world *w = *state;
    gw_auto(gw_buf) struct gw_buf a = {0}, b = {0}, c = {0}, d = {0};
    const struct gw_str name = GW_STR("grace/1/token");
    assert_int_equal(get(w, name, &a), GW_ENOTFOUND);
    assert_int_equal(gw_sealed_put(w->sealed, name, GW_STR("old"), 0, NULL), GW_OK);
    assert_int_equal(gw_sealed_put(w->sealed, name, GW_STR("new"), NOW_S + 10, NULL), GW_OK);
    assert_int_equal(get(w, name, &b), GW_OK);
    assert_true(gw_str_eq(gw_buf_str(&b), GW_STR("new")));
    gw_fake_clock_advance(&w->clock, 10000);
    assert_int_equal(get(w, name, &c), GW_ENOTFOUND);
    assert_keys(w, "1:sealing:1 ");
    assert_int_equal(gw_sealed_purge(w->sealed, NULL), GW_OK);
    assert_keys(w, "1:sealing:0 ");
    put(w, 1);
    assert_int_equal(gw_sealed_delete(w->sealed, name_of(1), NULL), GW_OK);
    assert_int_equal(gw_sealed_delete(w->sealed, name_of(1), NULL), GW_OK);
    assert_int_equal(get(w, name_of(1), &d), GW_ENOTFOUND);
}

static void a_put_goes_with_its_transaction(void **state)
{
    struct world *w = *state;
    gw_auto(gw_buf) struct gw_buf out = {0};
    assert_int_equal(gw_store_begin(w->store, &w->err), GW_OK);
    put(w, 1);
    gw_store_rollback(w->store);
    assert_int_equal(get(w, name_of(1), &out), GW_ENOTFOUND);
    assert_int_equal(gw_store_begin(w->store, &w->err), GW_OK);
    put(w, 1);
    assert_int_equal(gw_store_commit(w->store, &w->err), GW_OK);
    assert_holds(w, 1);
}

static void what_does_not_fit_is_refused(void **state)
{
    struct world *w = *state;
    static char large[GW_SEALED_MAX_BYTES + 1], name[GW_SEALED_NAME_MAX + 1];
    memset(name, 'n', sizeof(name));
    assert_int_equal(gw_sealed_put(w->sealed, GW_STR("n"), (struct gw_str){large, sizeof(large)}, 0, NULL), GW_ELIMIT);
    assert_int_equal(gw_sealed_put(w->sealed, GW_STR("n"), (struct gw_str){large, sizeof(large) - 1}, 0, NULL), GW_OK);
    assert_int_equal(gw_sealed_put(w->sealed, (struct gw_str){name, sizeof(name)}, GW_STR("x"), 0, NULL), GW_EINVAL);
    assert_int_equal(gw_sealed_put(w->sealed, (struct gw_str){name, sizeof(name) - 1}, GW_STR("x"), 0, NULL), GW_OK);
    assert_int_equal(gw_sealed_put(w->sealed, GW_STR("n\0m"), GW_STR("x"), 0, NULL), GW_EINVAL);
    assert_int_equal(gw_sealed_put(w->sealed, GW_STR(""), GW_STR("x"), 0, NULL), GW_EINVAL);
}

/* ---- who edits the database ---- */

static struct gw_sealed_row row_of(struct world *w, unsigned n)
{
    struct gw_sealed_row r;
    assert_int_equal(gw_store_sealed_get(w->store, name_of(n), NOW_S, &r, &w->err), GW_OK);
    return r;
}

static void put_row(struct world *w, const struct gw_sealed_row *r)
{
    assert_int_equal(gw_store_sealed_put(w->store, r, &w->err), GW_OK);
}

static void assert_cannot_be_opened(struct world *w, unsigned n)
{
    gw_auto(gw_buf) struct gw_buf out = {0};
    assert_int_equal(get(w, name_of(n), &out), GW_ECRYPTO);
    assert_int_equal(out.len, 0);
    assert_null(strstr(w->err.msg, MARK));
}

static void a_moved_or_changed_row_is_an_error_and_shows_nothing(void **state)
{
    struct world *w = *state;
    put(w, 1);
    put(w, 2);
    struct gw_sealed_row r = row_of(w, 1), moved = r;
    (void)gw_str_copy(name_of(2), moved.name, sizeof(moved.name));
    put_row(w, &moved);
    assert_cannot_be_opened(w, 2);
    assert_holds(w, 1);
    r.envelope[r.envelope_len - 1] ^= 1;
    put_row(w, &r);
    assert_cannot_be_opened(w, 1);
    rotate(w);
    put(w, 3);
    r = row_of(w, 3);
    r.key_id = 1; /* key 2 would be retired under it */
    put_row(w, &r);
    assert_cannot_be_opened(w, 3);
}

static void another_kek_is_denied_and_changes_nothing(void **state)
{
    struct world *w = *state;
    gw_auto(gw_secret) struct gw_secret *right = w->kek;
    gw_auto(gw_sealed) struct gw_sealed *s = NULL;
    put(w, 1);
    assert_int_equal(gw_secret_new(GW_STR("Zq3_wX9vB-7nM1sK5dF8gH2jL6pO0iUy"), &w->kek, NULL), GW_OK);
    assert_int_equal(open_sealed(w, &s), GW_EDENIED);
    assert_non_null(strstr(w->err.msg, "key-encryption key"));
    gw_secret_free(w->kek);
    w->kek = gw_take(&right);
    restart(w);
    assert_holds(w, 1);
    assert_keys(w, "1:sealing:1 ");
}

static void another_kek_is_taken_while_there_is_no_secret(void **state)
{
    struct world *w = *state;
    put(w, 1);
    rotate(w);
    assert_int_equal(gw_sealed_delete(w->sealed, name_of(1), NULL), GW_OK);
    close_all(w);
    gw_secret_free(gw_take(&w->kek));
    assert_int_equal(gw_secret_new(GW_STR("Zq3_wX9vB-7nM1sK5dF8gH2jL6pO0iUy"), &w->kek, NULL), GW_OK);
    open_all(w);
    assert_keys(w, "1:retired:0 2:retired:0 3:sealing:0 ");
    put(w, 1);
    assert_holds(w, 1);
}

/* ---- rotation ---- */

static void rotation_moves_every_secret_and_retires_the_old_key(void **state)
{
    struct world *w = *state;
    for (unsigned n = 0; n < MANY; n++)
        put(w, n);
    assert_int_equal(gw_sealed_put(w->sealed, GW_STR("expiring"), GW_STR("x"), NOW_S + 5, NULL), GW_OK);
    assert_int_equal(rotate(w), 2);
    put(w, 0); /* is by the new one at once */
    assert_keys(w, "1:opening:101 2:sealing:1 ");
    for (unsigned n = 0; n < MANY; n++)
        assert_holds(w, n);
    struct gw_sealed_turn t = tend(w, 1);
    assert_int_equal(t.moved, GW_SEALED_BATCH);
    assert_int_equal(t.retired, 0);
    t = tend(w, 100);
    assert_int_equal(t.moved, MANY - GW_SEALED_BATCH);
    assert_int_equal(t.retired, 1);
    assert_keys(w, "1:retired:0 2:sealing:102 ");
    assert_int_equal(tend(w, 100).moved, 0);
    for (unsigned n = 0; n < MANY; n++)
        assert_holds(w, n);
    struct gw_sealed_row r;
    assert_int_equal(gw_store_sealed_get(w->store, GW_STR("expiring"), NOW_S, &r, NULL), GW_OK);
    assert_int_equal(r.expires_s, NOW_S + 5);
    restart(w);
    for (unsigned n = 0; n < MANY; n++)
        assert_holds(w, n);
    assert_int_equal(rotate(w), 3);
}

static void a_move_goes_on_after_a_restart_and_over_several_keys(void **state)
{
    struct world *w = *state;
    for (unsigned n = 0; n < MANY; n++) {
        put(w, n);
        if (n == MANY / 2)
            rotate(w);
    }
    rotate(w);
    assert_int_equal(tend(w, 1).moved, GW_SEALED_BATCH);
    restart(w);
    size_t moved = 0, retired = 0;
    for (int i = 0; i < 20; i++) {
        struct gw_sealed_turn t = tend(w, 1);
        moved += t.moved;
        retired += t.retired != 0;
    }
    assert_int_equal(moved, MANY - GW_SEALED_BATCH);
    assert_int_equal(retired, 2);
    assert_keys(w, "1:retired:0 2:retired:0 3:sealing:101 ");
    for (unsigned n = 0; n < MANY; n++)
        assert_holds(w, n);
}

static void a_secret_that_cannot_be_opened_keeps_its_key_and_hinders_no_other(void **state)
{
    struct world *w = *state;
    struct gw_sealed_turn t;
    for (unsigned n = 0; n < MANY; n++)
        put(w, n);
    struct gw_sealed_row r = row_of(w, 3);
    r.envelope[20] ^= 1;
    put_row(w, &r);
    rotate(w);
    put(w, MANY);
    rotate(w);
    assert_int_equal(gw_sealed_tend(w->sealed, 100, &t, &w->err), GW_ECRYPTO);
    assert_non_null(strstr(w->err.msg, "1 secrets of data key 1"));
    assert_int_equal(t.moved, MANY - 1);
    t = tend(w, 100); /* silent from now on, and the next key's turn */
    assert_int_equal(t.moved, 1);
    assert_int_equal(t.retired, 2);
    assert_int_equal(tend(w, 100).moved, 0);
    assert_keys(w, "1:opening:1 2:retired:0 3:sealing:101 ");
    assert_int_equal(gw_sealed_delete(w->sealed, name_of(3), NULL), GW_OK);
    rotate(w);
    t = tend(w, 100);
    assert_keys(w, "1:retired:0 2:retired:0 3:retired:0 4:sealing:101 ");
}

static void too_many_keys_in_use_are_refused(void **state)
{
    struct world *w = *state;
    uint32_t id;
    for (unsigned n = 1; n < GW_KEYRING_KEYS_MAX; n++)
        rotate(w);
    assert_int_equal(gw_sealed_rotate(w->sealed, &id, &w->err), GW_ELIMIT);
    put(w, 1);
    tend(w, 1);
    assert_int_equal(rotate(w), GW_KEYRING_KEYS_MAX + 1);
    assert_holds(w, 1);
}

static void a_key_near_its_limit_of_nonces_is_replaced_and_none_is_counted_low(void **state)
{
    struct world *w = *state;
    put(w, 1);
    assert_int_equal(gw_store_data_key_reserve(w->store, 1, GW_KEYRING_SEALS_MAX / 2, NULL), GW_OK);
    restart(w);
    struct gw_sealed_turn t = tend(w, 10);
    assert_int_equal(t.made, 2);
    assert_int_equal(t.moved, 1);
    assert_int_equal(t.retired, 1);
    assert_holds(w, 1);
    /* All used up: nothing is sealed until a turn has made another key. */
    assert_int_equal(gw_store_data_key_reserve(w->store, 2, GW_KEYRING_SEALS_MAX, NULL), GW_OK);
    restart(w);
    assert_int_equal(gw_sealed_put(w->sealed, name_of(2), GW_STR("x"), 0, NULL), GW_ELIMIT);
    assert_int_equal(tend(w, 1).made, 3);
    put(w, 2);
}

struct use {
    struct world *w;
    unsigned from;
    bool failed;
};
#define EACH 60

/* As on a full disk: no file grows. The store stays open, for its own file would have to. */
static void open_on_a_full_disk(struct world *w, enum gw_code *opened, enum gw_code *sealed)
{
    struct rlimit limit;
    gw_sealed_free(gw_take(&w->sealed));
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &(struct rlimit){.rlim_max = limit.rlim_max}), 0);
    *opened = open_sealed(w, &w->sealed);
    *sealed = *opened == GW_OK ? gw_sealed_put(w->sealed, name_of(2), secret_of(2), 0, &w->err) : GW_EINTERNAL;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_full_disk_keeps_nothing_shut_and_no_nonce_is_drawn_that_is_not_counted(void **state)
{
    struct world *w = *state;
    enum gw_code opened, sealed;
    put(w, 1);
    open_on_a_full_disk(w, &opened, &sealed);
    assert_int_equal(opened, GW_OK);
    assert_int_not_equal(sealed, GW_OK);
    assert_holds(w, 1);
    /* Room alone is not enough: the bound must stand in the database first. */
    assert_int_not_equal(gw_sealed_put(w->sealed, name_of(2), secret_of(2), 0, &w->err), GW_OK);
    tend(w, 1);
    put(w, 2);
    restart(w);
    assert_holds(w, 1);
    assert_holds(w, 2);
}

static void *use(void *arg)
{
    struct use *u = arg;
    struct gw_error err = {0};
    for (unsigned n = u->from; n < u->from + EACH && !u->failed; n++) {
        gw_auto(gw_buf) struct gw_buf out = {0};
        gw_buf_init(&out, 8192);
        u->failed = gw_sealed_put(u->w->sealed, name_of(n), secret_of(n), 0, &err) != GW_OK ||
                    gw_sealed_get(u->w->sealed, name_of(n), &out, &err) != GW_OK ||
                    !gw_str_eq(gw_buf_str(&out), secret_of(n));
    }
    return NULL;
}

static void rotation_under_use_loses_nothing(void **state)
{
    struct world *w = *state;
    struct use uses[3];
    pthread_t threads[3];
    for (size_t i = 0; i < 3; i++) {
        uses[i] = (struct use){w, (unsigned)(i * EACH), false};
        assert_int_equal(pthread_create(&threads[i], NULL, use, &uses[i]), 0);
    }
    for (int i = 0; i < 12; i++) {
        rotate(w);
        tend(w, 3);
    }
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_false(uses[i].failed);
    }
    tend(w, 100);
    restart(w);
    for (unsigned n = 0; n < 3 * EACH; n++)
        assert_holds(w, n);
}

/* ---- memory ---- */

static enum gw_code everything(struct world *w, struct gw_sealed **s)
{
    gw_auto(gw_buf) struct gw_buf out = {0};
    struct gw_sealed_turn t;
    uint32_t id;
    gw_buf_init(&out, 8192);
    GW_TRY(open_sealed(w, s));
    GW_TRY(gw_sealed_put(*s, GW_STR("n"), GW_STR("secret"), 0, &w->err));
    GW_TRY(gw_sealed_rotate(*s, &id, &w->err));
    GW_TRY(gw_sealed_tend(*s, 100, &t, &w->err));
    return gw_sealed_get(*s, GW_STR("n"), &out, &w->err);
}

static void without_memory_calls_fail_and_nothing_is_lost(void **state)
{
    struct world *w = *state;
    long n = 0;
    put(w, 1);
    gw_sealed_free(gw_take(&w->sealed));
    if (!CAN_FAIL)
        skip();
    for (bool failed = true; failed && n < 5000; n += 5) {
        gw_auto(gw_sealed) struct gw_sealed *s = NULL;
        fail_at = n;
        enum gw_code code = everything(w, &s);
        failed = fail_at < 0;
        fail_at = -1;
        /* GW_OK: SQLite and OpenSSL do without some. */
        if (code != GW_OK && code != GW_ENOMEM && code != GW_EBACKEND && code != GW_ECRYPTO)
            fail_msg("allocation %ld: %s: %s", n, gw_code_name(code), w->err.msg);
        assert_int_equal(open_sealed(w, &w->sealed), GW_OK);
        tend(w, 100);
        assert_holds(w, 1);
        gw_sealed_free(gw_take(&w->sealed));
    }
    assert_in_range(n, 10, 4999);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_secret_outlives_a_restart_and_the_files_do_not_show_it),
        CASE(a_secret_is_replaced_deleted_and_expires),
        CASE(a_put_goes_with_its_transaction),
        CASE(what_does_not_fit_is_refused),
        CASE(a_moved_or_changed_row_is_an_error_and_shows_nothing),
        CASE(another_kek_is_denied_and_changes_nothing),
        CASE(another_kek_is_taken_while_there_is_no_secret),
        CASE(rotation_moves_every_secret_and_retires_the_old_key),
        CASE(a_move_goes_on_after_a_restart_and_over_several_keys),
        CASE(a_secret_that_cannot_be_opened_keeps_its_key_and_hinders_no_other),
        CASE(too_many_keys_in_use_are_refused),
        CASE(a_key_near_its_limit_of_nonces_is_replaced_and_none_is_counted_low),
        CASE(a_full_disk_keeps_nothing_shut_and_no_nonce_is_drawn_that_is_not_counted),
        CASE(rotation_under_use_loses_nothing),
        CASE(without_memory_calls_fail_and_nothing_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
