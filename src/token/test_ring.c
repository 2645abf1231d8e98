/* SPDX-License-Identifier: Apache-2.0 */
/* Rotations on disk: what each leaves, and what a kill before any step leaves (in test builds, where a step can be died at). */
#include "token/ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"

#define START_S INT64_C(1800000000)

static char dir[64], path[96];
static struct gw_fake_clock fake;

static int set_up(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/test_ring.XXXXXX");
    if (mkdtemp(dir) == NULL)
        return 1;
    (void)snprintf(path, sizeof(path), "%s/token.key", dir);
    gw_fake_clock_init(&fake, START_S * 1000);
    return 0;
}

static int tear_down(void **state)
{
    char command[96];
    (void)state;
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    return system(command);
}

static struct gw_token_files files_of(enum gw_token_algorithm algorithm)
{
    return (struct gw_token_files){path, algorithm};
}

static void must(enum gw_code code, const struct gw_error *err)
{
    if (code != GW_OK)
        fail_msg("%s", err->msg);
}

static void make(const struct gw_token_files *f)
{
    struct gw_error err = {0};
    bool changed = false;
    must(gw_token_files_make_current(f, gw_system_random(), &err), &err);
    must(gw_token_files_mend(f, gw_system_random(), &changed, &err), &err);
    assert_true(changed);
}

static void rotate(const struct gw_token_files *f)
{
    struct gw_error err = {0};
    must(gw_token_files_rotate(f, &fake.clock, gw_system_random(), &err), &err);
}

/* Names of the keys as control holds them, and the same of the verifiers; empty for none. */
struct names {
    char private[GW_TOKEN_GENERATIONS][GW_TOKEN_KEY_ID_LEN + 1], public[GW_TOKEN_GENERATIONS][GW_TOKEN_KEY_ID_LEN + 1];
    int64_t previous_since_s;
};

static struct names names_of(const struct gw_token_files *f)
{
    gw_auto(gw_token_ring) struct gw_token_ring private = {0}, public = {0};
    struct gw_error err = {0};
    struct names n = {0};
    must(gw_token_ring_load(f, &private, &err), &err);
    must(gw_token_ring_load_verifiers(f, &public, &err), &err);
    for (size_t i = 0; i < GW_TOKEN_GENERATIONS; i++) {
        if (private.keys[i] != NULL)
            strcpy(n.private[i], gw_token_key_id(private.keys[i]).ptr);
        if (public.keys[i] != NULL)
            strcpy(n.public[i], gw_token_key_id(public.keys[i]).ptr);
    }
    n.previous_since_s = private.since_s[GW_TOKEN_PREVIOUS];
    return n;
}

static bool is_among(const char *id, const char (*ids)[GW_TOKEN_KEY_ID_LEN + 1])
{
    for (size_t i = 0; i < GW_TOKEN_GENERATIONS; i++)
        if (id[0] != '\0' && strcmp(id, ids[i]) == 0)
            return true;
    return false;
}

static void generations_move_by_one(void **state)
{
    (void)state;
    for (int a = GW_TOKEN_HS256; a <= GW_TOKEN_EDDSA; a++) {
        const struct gw_token_files f = files_of((enum gw_token_algorithm)a);
        make(&f);
        struct names before = names_of(&f);
        assert_string_equal(before.public[GW_TOKEN_PREVIOUS], "");
        gw_fake_clock_advance(&fake, 5000);
        rotate(&f);
        struct names after = names_of(&f);
        assert_string_equal(after.private[GW_TOKEN_PREVIOUS], before.private[GW_TOKEN_CURRENT]);
        assert_string_equal(after.private[GW_TOKEN_CURRENT], before.private[GW_TOKEN_NEXT]);
        assert_false(is_among(after.private[GW_TOKEN_NEXT], before.private));
        assert_memory_equal(after.private, after.public, sizeof(after.private));
        assert_int_equal(after.previous_since_s, gw_clock_real_s(&fake.clock));
        tear_down(NULL);
        set_up(NULL);
    }
}

static void another_rotation_drops_the_oldest_and_may_be_repeated(void **state)
{
    (void)state;
    const struct gw_token_files f = files_of(GW_TOKEN_EDDSA);
    make(&f);
    struct names first = names_of(&f);
    rotate(&f);
    rotate(&f);
    struct names third = names_of(&f);
    assert_string_equal(third.public[GW_TOKEN_PREVIOUS], first.public[GW_TOKEN_NEXT]);
    assert_false(is_among(first.public[GW_TOKEN_CURRENT], third.public));
    assert_int_equal(gw_token_files_drop_previous(&f, NULL), GW_OK);
    assert_int_equal(gw_token_files_drop_previous(&f, NULL), GW_OK);
    assert_string_equal(names_of(&f).public[GW_TOKEN_PREVIOUS], "");
}

static void verifiers_read_no_private_key(void **state)
{
    gw_auto(gw_token_ring) struct gw_token_ring public = {0};
    char signature[GW_TOKEN_SIGNATURE_MAX];
    size_t n;
    (void)state;
    const struct gw_token_files f = files_of(GW_TOKEN_EDDSA);
    make(&f);
    assert_int_equal(unlink(path), 0); /* the seed */
    assert_int_equal(gw_token_ring_load_verifiers(&f, &public, NULL), GW_OK);
    assert_int_equal(gw_token_key_sign(public.keys[GW_TOKEN_CURRENT], GW_STR("x"), signature, &n), GW_EINVAL);
}

static void files_that_are_not_sound_are_told(void **state)
{
    gw_auto(gw_token_ring) struct gw_token_ring ring = {0};
    struct gw_error err = {0};
    char next[128];
    (void)state;
    const struct gw_token_files f = files_of(GW_TOKEN_HS256);
    assert_int_equal(gw_token_ring_load(&f, &ring, &err), GW_ENOTFOUND);
    assert_non_null(strstr(err.msg, path));
    make(&f);
    (void)snprintf(next, sizeof(next), "%s.next", path);
    assert_int_equal(chmod(next, 0644), 0);
    assert_int_equal(gw_token_ring_load(&f, &ring, &err), GW_EINVAL);
    assert_non_null(strstr(err.msg, next));
    assert_int_equal(chmod(next, 0600), 0);
    const struct gw_token_files not_eddsa = files_of(GW_TOKEN_EDDSA);
    assert_int_equal(gw_token_ring_load(&not_eddsa, &ring, &err), GW_EINVAL); /* 48 bytes are no seed */
    assert_null(ring.keys[GW_TOKEN_CURRENT]);
}

static void making_keeps_what_is_there(void **state)
{
    (void)state;
    const struct gw_token_files f = files_of(GW_TOKEN_EDDSA);
    char public[128];
    bool changed = true;
    make(&f);
    struct names before = names_of(&f);
    (void)snprintf(public, sizeof(public), "%s.pub", path);
    assert_int_equal(unlink(public), 0);
    assert_int_equal(gw_token_files_make_current(&f, gw_system_random(), NULL), GW_ECONFLICT);
    struct names after = names_of(&f);
    assert_memory_equal(before.private, after.private, sizeof(before.private));
    assert_memory_equal(before.public, after.public, sizeof(before.public));
    assert_int_equal(gw_token_files_mend(&f, gw_system_random(), &changed, NULL), GW_OK);
    assert_false(changed);
}

#ifdef GW_TEST_HOOKS
#define STEPS 8 /* more than there are */

static void rotate_and_die_before(const struct gw_token_files *f, int step)
{
    char text[16];
    int status;
    (void)snprintf(text, sizeof(text), "%d", step);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)setenv("AAITI_TEST_KILL_AT_KEY_STEP", text, 1);
        _exit(gw_token_files_rotate(f, &fake.clock, gw_system_random(), NULL) == GW_OK ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) || (WIFEXITED(status) && WEXITSTATUS(status) == 0));
}

/* What verifiers held before the kill must hold what control signs with after it; no key may be lost that signed before. */
static void a_kill_at_any_step_leaves_a_set_that_works(void **state)
{
    (void)state;
    for (int a = GW_TOKEN_HS256; a <= GW_TOKEN_EDDSA; a++) {
        for (int step = 0; step < STEPS; step++) {
            struct gw_error err = {0};
            bool changed;
            const struct gw_token_files f = files_of((enum gw_token_algorithm)a);
            make(&f);
            struct names before = names_of(&f);
            gw_fake_clock_advance(&fake, 5000);
            rotate_and_die_before(&f, step);
            struct names killed = names_of(&f); /* as nginx may read it at this moment */
            assert_true(is_among(killed.private[GW_TOKEN_CURRENT], before.public));
            assert_true(is_among(before.private[GW_TOKEN_CURRENT], killed.public));
            assert_true(is_among(killed.private[GW_TOKEN_CURRENT], killed.public));
            must(gw_token_files_mend(&f, gw_system_random(), &changed, &err), &err);
            struct names mended = names_of(&f);
            assert_string_equal(mended.private[GW_TOKEN_CURRENT], killed.private[GW_TOKEN_CURRENT]);
            assert_memory_equal(mended.private, mended.public, sizeof(mended.private));
            assert_true(is_among(before.private[GW_TOKEN_CURRENT], mended.public));
            assert_true(mended.private[GW_TOKEN_NEXT][0] != '\0');
            bool rotated = strcmp(mended.private[GW_TOKEN_CURRENT], before.private[GW_TOKEN_CURRENT]) != 0;
            assert_int_equal(mended.public[GW_TOKEN_PREVIOUS][0] != '\0', rotated);
            if (rotated)
                assert_int_equal(mended.previous_since_s, gw_clock_real_s(&fake.clock));
            tear_down(NULL);
            set_up(NULL);
        }
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(generations_move_by_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_rotation_drops_the_oldest_and_may_be_repeated, set_up, tear_down),
        cmocka_unit_test_setup_teardown(verifiers_read_no_private_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files_that_are_not_sound_are_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(making_keeps_what_is_there, set_up, tear_down),
#ifdef GW_TEST_HOOKS
        cmocka_unit_test_setup_teardown(a_kill_at_any_step_leaves_a_set_that_works, set_up, tear_down),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
