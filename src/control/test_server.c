/* SPDX-License-Identifier: Apache-2.0 */
/* The two sockets as their callers see them, and the operator's side that calls admin.sock. */
#include "control/client.h"
#include "control/server.h"
#include "control/test_home.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define ADDRESS "X-AAITI-Client-Address: 192.0.2.7\r\n"

static struct gw_test_home home;
static struct gw_app *app;
static struct gw_server *server;

static int set_up(void **state)
{
    struct gw_error err = {0};
    (void)state;
    gw_test_home_make(&home);
    app = gw_test_home_open(&home);
    if (gw_server_start(app, &server, &err) != GW_OK)
        fail_msg("%s", err.msg);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    gw_server_stop(server);
    gw_app_close(app);
    gw_test_home_remove(&home);
    return 0;
}

/* Status of the answer to raw bytes on web.sock; 0: the connection was closed without one. */
static unsigned send_raw(struct gw_str bytes)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct timeval wait = {.tv_sec = 10};
    char answer[4096];
    int64_t status = 0;
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/web.sock", home.run_dir);
    gw_auto_fd int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)), 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    while (bytes.len > 0) {
        ssize_t n = send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
        if (n <= 0)
            break;
        bytes = gw_str_sub(bytes, (size_t)n, bytes.len);
    }
    ssize_t n = recv(fd, answer, sizeof(answer), MSG_WAITALL);
    if (n > 12)
        (void)gw_str_to_i64((struct gw_str){answer + 9, 3}, &status);
    return (unsigned)status;
}

static unsigned send_text(const char *text)
{
    return send_raw(gw_str(text));
}

static void a_call_needs_the_client_address_of_the_data_plane(void **state)
{
    static const struct {
        const char *request;
        unsigned status;
    } rows[] = {
        {"GET /aaiti/v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" ADDRESS "\r\n", 401},
        {"GET /aaiti/v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 400},
        {"GET /aaiti/v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" ADDRESS ADDRESS "\r\n", 400},
        {"GET /aaiti/v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-AAITI-Client-Address: here\r\n\r\n", 400},
        {"GET /aaiti/v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-User-Id: 1\r\nX-User-Role: admin\r\n" ADDRESS
         "\r\n",
         401},
        {"GET /aaiti/v1//status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" ADDRESS "\r\n", 400},
        {"GET /aaiti/v1/users/..%2fstatus HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" ADDRESS "\r\n", 400},
        {"GET /aaiti/v1/%73tatus HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" ADDRESS "\r\n", 401},
        {"GET /aaiti/v1/none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" ADDRESS "\r\n", 404},
        {"GET /aaiti/v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" ADDRESS
         "Cookie: __Host-aaiti_session=x\r\nCookie: a=1\r\n\r\n",
         401},
        {"GET /aaiti/v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" ADDRESS
         "Cookie: __Host-aaiti_session=x\r\nCookie: a=1; __Host-aaiti_session=x\r\n\r\n",
         400},
        {"GET /aaiti/v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" ADDRESS
         "Authorization: Bearer x\r\nAuthorization: Bearer x\r\n\r\n",
         400},
        {"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 7\r\n" ADDRESS
         "\r\n{\"a\":1}",
         400},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        unsigned status = send_text(rows[i].request);
        if (status != rows[i].status)
            fail_msg("%u, not %u: %s", status, rows[i].status, rows[i].request);
    }
}

static void a_large_body_is_answered_and_the_process_lives(void **state)
{
    static const char head[] =
        "POST /api/auth/login HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 10485760\r\n" ADDRESS "\r\n";
    size_t size = sizeof(head) - 1 + 10485760;
    char *text = calloc(1, size);
    (void)state;
    assert_non_null(text);
    memcpy(text, head, sizeof(head) - 1);
    assert_int_equal(send_raw((struct gw_str){text, size}), 413);
    free(text);
    assert_int_equal(send_text("GET /aaiti/v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" ADDRESS "\r\n"),
                     401);
}

static void the_sockets_have_their_modes(void **state)
{
    static const struct {
        const char *name;
        mode_t mode;
    } rows[] = {{"web.sock", 0660}, {"admin.sock", 0600}};
    char path[128];
    struct stat st;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", home.run_dir, rows[i].name);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, rows[i].mode);
    }
}

static unsigned add(struct gw_operator *o, const char *name)
{
    gw_auto(gw_answer) struct gw_answer answer = {0};
    gw_auto_json json_t *body = json_pack("{s:s, s:s}", "username", name, "role", "trader");
    struct gw_error err = {0};
    if (gw_operator_call(o, "POST", "/aaiti/v1/users", body, &answer, &err) != GW_OK)
        fail_msg("%s", err.msg);
    return answer.status;
}

static struct gw_operator *open_operator(void)
{
    gw_auto(gw_faults) struct gw_faults *f = NULL;
    struct gw_operator *o = NULL;
    struct gw_error err = {0};
    assert_int_equal(gw_faults_new(&f, &err), GW_OK);
    if (gw_operator_open(home.path, gw_test_no_env, GW_APP_OFFLINE, f, &o, &err) != GW_OK)
        fail_msg("%s", err.msg);
    return o;
}

static void an_operator_is_answered_alike_with_control_and_without(void **state)
{
    (void)state;
    gw_auto(gw_operator) struct gw_operator *online = open_operator();
    assert_true(gw_operator_is_online(online));
    assert_int_equal(add(online, "tina"), 201);
    assert_int_equal(add(online, "tina"), 409);

    gw_server_stop(server);
    server = NULL;
    gw_app_close(app);
    app = NULL;
    gw_auto(gw_operator) struct gw_operator *offline = open_operator();
    assert_false(gw_operator_is_online(offline));
    assert_int_equal(add(offline, "tina"), 409);
    assert_int_equal(add(offline, "tom"), 201);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_call_needs_the_client_address_of_the_data_plane),
        TEST(a_large_body_is_answered_and_the_process_lives),
        TEST(the_sockets_have_their_modes),
        TEST(an_operator_is_answered_alike_with_control_and_without),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
