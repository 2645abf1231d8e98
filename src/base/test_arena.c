/* SPDX-License-Identifier: Apache-2.0 */
#include <gw/arena.h>

#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void pieces_are_aligned_and_apart(void **state)
{
    (void)state;
    gw_auto(gw_arena) struct gw_arena a;
    gw_arena_init(&a, 1 << 20);
    char *former = NULL;
    for (size_t size = 0; size < 300; size++) {
        char *piece = gw_arena_alloc(&a, size);
        assert_non_null(piece);
        assert_int_equal((uintptr_t)piece % alignof(max_align_t), 0);
        assert_ptr_not_equal(piece, former);
        memset(piece, 0xee, size); /* the sanitizer watches the edges */
        former = piece;
    }
}

static void a_piece_larger_than_a_chunk_is_given(void **state)
{
    (void)state;
    gw_auto(gw_arena) struct gw_arena a;
    gw_arena_init(&a, 1 << 20);
    char *large = gw_arena_alloc(&a, 500000);
    assert_non_null(large);
    memset(large, 1, 500000);
    assert_true(gw_arena_used(&a) >= 500000);
}

static void the_cap_holds(void **state)
{
    (void)state;
    gw_auto(gw_arena) struct gw_arena a;
    gw_arena_init(&a, 1000);
    assert_null(gw_arena_alloc(&a, 1001));
    assert_non_null(gw_arena_alloc(&a, 900));
    assert_null(gw_arena_alloc(&a, 200));
    assert_non_null(gw_arena_alloc(&a, 50));
    assert_true(gw_arena_used(&a) <= 1000);
}

static void sizes_that_overflow_are_refused(void **state)
{
    (void)state;
    gw_auto(gw_arena) struct gw_arena a;
    gw_arena_init(&a, SIZE_MAX);
    assert_null(gw_arena_alloc(&a, SIZE_MAX));
    assert_null(gw_arena_alloc(&a, SIZE_MAX - 64));
    assert_null(gw_arena_calloc(&a, SIZE_MAX / 2, 3));
    struct gw_str out = GW_STR("kept");
    assert_int_equal(gw_arena_str(&a, (struct gw_str){"x", SIZE_MAX}, &out), GW_ENOMEM);
    assert_string_equal(out.ptr, "kept");
}

static void calloc_zeroes(void **state)
{
    (void)state;
    char buf[256];
    memset(buf, 0xff, sizeof(buf));
    struct gw_arena a;
    gw_arena_init_over(&a, buf, sizeof(buf), NULL, NULL, 1000);
    uint64_t *numbers = gw_arena_calloc(&a, 4, sizeof(*numbers));
    assert_non_null(numbers);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(numbers[i], 0);
    gw_arena_done(&a);
}

static void str_copies_with_a_nul(void **state)
{
    (void)state;
    gw_auto(gw_arena) struct gw_arena a;
    gw_arena_init(&a, 1000);
    char text[] = "abc";
    struct gw_str out;
    assert_int_equal(gw_arena_str(&a, (struct gw_str){text, 3}, &out), GW_OK);
    text[0] = 'x';
    assert_int_equal(out.len, 3);
    assert_string_equal(out.ptr, "abc");
    assert_int_equal(gw_arena_str(&a, GW_STR_NULL, &out), GW_OK);
    assert_string_equal(out.ptr, "");
}

struct granting {
    unsigned calls, left;
    void *given[8];
};

static void *grant(void *ctx, size_t size)
{
    struct granting *g = ctx;
    if (g->left == 0)
        return NULL;
    g->left--;
    return g->given[g->calls++] = malloc(size);
}

static void grows_through_the_callback_and_fails_with_it(void **state)
{
    (void)state;
    static char buf[101];
    struct granting g = {.left = 2};
    struct gw_arena a;
    gw_arena_init_over(&a, buf + 1, sizeof(buf) - 1, grant, &g, 1 << 20); /* unaligned on purpose */
    char *piece = gw_arena_alloc(&a, 32);
    assert_true(piece >= buf && piece + 32 <= buf + sizeof(buf));
    assert_int_equal(g.calls, 0);
    assert_non_null(gw_arena_alloc(&a, 200));
    assert_int_equal(g.calls, 1);
    assert_non_null(gw_arena_alloc(&a, 100000));
    assert_int_equal(g.calls, 2);
    assert_null(gw_arena_alloc(&a, 100000));
    gw_arena_done(&a); /* frees none of it: that is the callback's owner's to do */
    for (unsigned i = 0; i < g.calls; i++)
        free(g.given[i]);
}

static void a_buffer_too_small_to_align_is_not_used(void **state)
{
    (void)state;
    static alignas(max_align_t) char buf[4];
    struct granting g = {.left = 1};
    struct gw_arena a;
    gw_arena_init_over(&a, buf + 1, 3, grant, &g, 1000);
    assert_non_null(gw_arena_alloc(&a, 1));
    assert_int_equal(g.calls, 1);
    gw_arena_done(&a);
    free(g.given[0]);
}

static void done_leaves_an_arena_that_gives_nothing(void **state)
{
    (void)state;
    struct gw_arena a;
    gw_arena_init(&a, 1000);
    assert_non_null(gw_arena_alloc(&a, 10));
    gw_arena_done(&a);
    assert_null(gw_arena_alloc(&a, 10));
    gw_arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_aligned_and_apart),
        cmocka_unit_test(a_piece_larger_than_a_chunk_is_given),
        cmocka_unit_test(the_cap_holds),
        cmocka_unit_test(sizes_that_overflow_are_refused),
        cmocka_unit_test(calloc_zeroes),
        cmocka_unit_test(str_copies_with_a_nul),
        cmocka_unit_test(grows_through_the_callback_and_fails_with_it),
        cmocka_unit_test(a_buffer_too_small_to_align_is_not_used),
        cmocka_unit_test(done_leaves_an_arena_that_gives_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
