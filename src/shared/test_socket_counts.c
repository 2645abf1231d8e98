/* SPDX-License-Identifier: Apache-2.0 */
#include "shared/socket_counts.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define USER GW_SOCKETS_OF_USER
static const struct gw_hash_key key = {1, 2}, other_key = {3, 4};

static int share(void **state)
{
    *state = mmap(NULL, gw_socket_counts_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return *state == MAP_FAILED ? -1 : 0;
}

static int unshare_it(void **state)
{
    return munmap(*state, gw_socket_counts_bytes());
}

static bool take(const struct gw_socket_counts *c, const char *who, uint32_t most)
{
    return gw_socket_counts_take(c, USER, who, 2, most);
}

static void nobody_has_more_than_he_may(void **state)
{
    struct gw_socket_counts a, b;
    assert_true(gw_socket_counts_join(&a, *state, &key));
    assert_true(gw_socket_counts_join(&b, *state, &other_key)); /* as another worker: the key is the first one's */
    assert_int_equal(b.key.k0, key.k0);
    for (int i = 0; i < 3; i++)
        assert_true(take(i % 2 == 0 ? &a : &b, "u1", 3));
    assert_false(take(&a, "u1", 3));
    assert_false(take(&b, "u1", 3));
    assert_true(take(&a, "u2", 3));
    assert_true(take(&a, "u1", 0));
    assert_true(gw_socket_counts_take(&a, GW_SOCKETS_OF_ADDRESS, "u1", 2, 1));
    assert_int_equal(gw_socket_counts_all(&a), 5);
    gw_socket_counts_give_back(&a, USER, "u1", 2);
    gw_socket_counts_give_back(&a, USER, "u1", 2);
    assert_true(take(&b, "u1", 3));
    assert_false(take(&b, "u1", 3));
    gw_socket_counts_leave(&b);
    assert_true(take(&a, "u1", 3));
    gw_socket_counts_leave(&a);
    assert_int_equal(gw_socket_counts_all(&a), 0);
}

static void what_a_killed_worker_had_is_forgotten(void **state)
{
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    struct gw_socket_counts before;
    assert_true(gw_socket_counts_join(&before, *state, &key));
    pid_t child = fork();
    if (child == 0) {
        struct gw_socket_counts c;
        bool good = gw_socket_counts_join(&c, *state, &key) && take(&c, "u1", 2) && take(&c, "u1", 2);
        (void)!write(ready[1], good ? "y" : "n", 1);
        pause();
        _exit(0);
    }
    char answer = 0;
    assert_int_equal(read(ready[0], &answer, 1), 1);
    assert_int_equal(answer, 'y');
    struct gw_socket_counts mine, next;
    assert_true(gw_socket_counts_join(&mine, *state, &key));
    assert_false(take(&mine, "u1", 2));
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    gw_socket_counts_leave(&before);    /* a page that nobody has, before the dead one's */
    assert_false(take(&mine, "u1", 2)); /* until somebody comes */
    assert_true(gw_socket_counts_join(&next, *state, &key));
    assert_true(take(&mine, "u1", 2));
    struct gw_socket_counts heir; /* of the dead one's page */
    assert_true(gw_socket_counts_join(&heir, *state, &key));
    assert_true(take(&heir, "u1", 2));
    close(ready[0]);
    close(ready[1]);
}

static void without_memory_nothing_is_counted(void **state)
{
    (void)state;
    struct gw_socket_counts c = {.memory = NULL};
    assert_true(take(&c, "u1", 1));
    assert_true(take(&c, "u1", 1));
    gw_socket_counts_give_back(&c, USER, "u1", 2);
    assert_int_equal(gw_socket_counts_all(&c), 0);
}

static void without_a_page_nobody_opens_any(void **state)
{
    struct gw_socket_counts c;
    for (int i = 0; i < 128; i++)
        assert_true(gw_socket_counts_join(&c, *state, &key));
    assert_false(gw_socket_counts_join(&c, *state, &key));
    assert_false(take(&c, "u1", 0));
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, share, unshare_it)
    const struct CMUnitTest tests[] = {
        CASE(nobody_has_more_than_he_may),
        CASE(what_a_killed_worker_had_is_forgotten),
        CASE(without_memory_nothing_is_counted),
        CASE(without_a_page_nobody_opens_any),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
