/* SPDX-License-Identifier: Apache-2.0 */
#include "websocket/socket_io.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

/* In memory of its very size and one byte. */
static const char *parse(struct gw_str text, char **copy, struct gw_socket_io_packet *out)
{
    *copy = malloc(text.len + 1);
    memcpy(*copy, text.ptr, text.len);
    return gw_socket_io_parse(*copy, text.len, out);
}

static void assert_str(struct gw_str got, const char *wanted)
{
    if (!gw_str_eq(got, gw_str(wanted)))
        fail_msg("\"%.*s\", not \"%s\"", GW_STR_ARG(got), wanted);
}

static void reads_what_clients_send(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        char engine, kind;
        const char *namespace, *id, *data, *event; /* data NULL: not looked at */
        unsigned attachments;
    } rows[] = {
        {"3", '3', 0, "", "", "", "", 0},
        {"1", '1', 0, "", "", "", "", 0},
        {"40", '4', '0', "/", "", "", "", 0},
        {"40{}", '4', '0', "/", "", "{}", "", 0},
        {"40{\"token\":\"x\"}", '4', '0', "/", "", "{\"token\":\"x\"}", "", 0},
        {"40/admin,", '4', '0', "/admin", "", "", "", 0},
        {"40/admin", '4', '0', "/admin", "", "", "", 0},
        {"40/admin,{\"a\":1}", '4', '0', "/admin", "", "{\"a\":1}", "", 0},
        {"41", '4', '1', "/", "", "", "", 0},
        {"41/admin,", '4', '1', "/admin", "", "", "", 0},
        {"42[\"watch\"]", '4', '2', "/", "", NULL, "watch", 0},
        {"42[\"watch\",{\"id\":\"7\"},[1,2]]", '4', '2', "/", "", NULL, "watch", 0},
        {"4217[\"watch\",1]", '4', '2', "/", "17", NULL, "watch", 0},
        {"42/admin,0[\"watch\"]", '4', '2', "/admin", "0", NULL, "watch", 0},
        {"42[ \"wa\\u0074ch\" ,1]", '4', '2', "/", "", NULL, "watch", 0},
        {"42[\"\\ud83d\\ude00\"]", '4', '2', "/", "", NULL, "\xf0\x9f\x98\x80", 0},
        {"42[\"\"]", '4', '2', "/", "", NULL, "", 0},
        {"433[true]", '4', '3', "/", "3", "[true]", "", 0},
        {"43/admin,456[]", '4', '3', "/admin", "456", "[]", "", 0},
        {"451-[\"up\",{\"_placeholder\":true,\"num\":0}]", '4', '5', "/", "", NULL, "up", 1},
        {"452-/admin,12[\"up\"]", '4', '5', "/admin", "12", NULL, "up", 2},
        {"461-/admin,456[{}]", '4', '6', "/admin", "456", "[{}]", "", 1},
        {"450-[\"up\"]", '4', '5', "/", "", NULL, "up", 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char *copy;
        struct gw_socket_io_packet p;
        const char *fault = parse(gw_str(rows[i].text), &copy, &p);
        if (fault != NULL)
            fail_msg("%s: %s", rows[i].text, fault);
        assert_int_equal(p.engine, rows[i].engine);
        assert_int_equal(p.kind, rows[i].kind);
        assert_str(p.namespace, rows[i].namespace);
        assert_str(p.id, rows[i].id);
        assert_str(p.event, rows[i].event);
        assert_int_equal(p.attachments, rows[i].attachments);
        if (rows[i].data != NULL)
            assert_str(p.data, rows[i].data);
        free(copy);
    }
}

static void refuses_what_they_do_not(void **state)
{
    (void)state;
    static const struct gw_str rows[] = {
        GW_STR(""),
        GW_STR("0"),
        GW_STR("0{}"),
        GW_STR("2"),      /* a server's ping */
        GW_STR("2probe"), /* of an upgrade from polling */
        GW_STR("3probe"),
        GW_STR("5"),
        GW_STR("6"),
        GW_STR("7"),
        GW_STR("bAAAA"), /* binary in the clothes of a text */
        GW_STR("1now"),
        GW_STR(" 42[\"a\"]"),
        GW_STR("4"),
        GW_STR("47"),
        GW_STR("44{\"message\":\"x\"}"),
        GW_STR("4 2[\"a\"]"),
        GW_STR("40[]"),
        GW_STR("40\"x\""),
        GW_STR("407{}"),
        GW_STR("40 {}"),
        GW_STR("40/a b,"),
        GW_STR("40/admin?x=1,{}"),
        GW_STR("41[]"),
        GW_STR("42"),
        GW_STR("42[]"),
        GW_STR("42{}"),
        GW_STR("42[1]"),
        GW_STR("42[null]"),
        GW_STR("42[[\"a\"]]"),
        GW_STR("42[\"a"),
        GW_STR("42[\"\\ud83d\"]"),
        GW_STR("42[\"\\u0000\"]"),
        GW_STR("42 [\"a\"]"),
        GW_STR("42 1[\"a\"]"), /* a blank is a digit to JavaScript */
        GW_STR("421 [\"a\"]"),
        GW_STR("420x1[\"a\"]"),
        GW_STR("42-1[\"a\"]"),
        GW_STR("421234567890123456[\"a\"]"),
        GW_STR("42/admin[\"a\"]"),
        GW_STR("43[1]"),
        GW_STR("431"),
        GW_STR("431{}"),
        GW_STR("45[\"a\"]"),
        GW_STR("45-[\"a\"]"),
        GW_STR("45 -[\"a\"]"),
        GW_STR("451[\"a\"]"),
        GW_STR("4517-[\"a\"]"),
        GW_STR("4599-[\"a\"]"),
        GW_STR("451e0-[\"a\"]"),
        GW_STR("4501-[\"a\"]"),
        GW_STR("42[\"a\0\"]"),
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char *copy;
        struct gw_socket_io_packet p;
        const char *fault = parse(rows[i], &copy, &p);
        if (fault == NULL)
            fail_msg("row %zu: %.*s", i, GW_STR_ARG(rows[i]));
        free(copy);
    }
}

/* What becomes of a CONNECT, and the token that it brought; NULL: it is refused. */
static const char *connect(const char *text, const char **out_token)
{
    static char token[64], result[256];
    char *copy;
    struct gw_socket_io_packet p;
    struct gw_str presented;
    assert_null(parse(gw_str(text), &copy, &p));
    assert_int_equal(p.kind, GW_SOCKET_IO_CONNECT);
    char *spare = malloc(p.data.len + 1);
    gw_auto(gw_buf) struct gw_buf out = {0};
    gw_buf_init(&out, 1024);
    bool good = gw_socket_io_connect(&p, GW_STR("token"), GW_STR("minted"), spare, &out, &presented);
    *out_token = presented.ptr != NULL && gw_str_copy(presented, token, sizeof(token)) ? token : NULL;
    assert_true(!good || gw_str_copy(gw_buf_str(&out), result, sizeof(result)));
    free(spare);
    free(copy);
    return good ? result : NULL;
}

static void connect_gets_the_credential_of_the_gateway(void **state)
{
    (void)state;
    static const struct {
        const char *text, *token, *becomes;
    } rows[] = {
        {"40", NULL, "40{\"token\":\"minted\"}"},
        {"40{}", NULL, "40{\"token\":\"minted\"}"},
        {"40{ }", NULL, "40{\"token\":\"minted\" }"},
        {"40{\"token\":\"own\"}", "own", "40{\"token\":\"minted\"}"},
        {"40{ \"a\" : 1.0, \"token\" : \"o\\u0077n\" ,\"b\":[\"token\"]}", "own",
         "40{ \"a\" : 1.0, \"token\" : \"minted\" ,\"b\":[\"token\"]}"},
        {"40{\"tok\\u0065n\":\"own\"}", "own", "40{\"tok\\u0065n\":\"minted\"}"},
        {"40{\"token\":null}", NULL, "40{\"token\":\"minted\"}"},
        {"40{\"token\":\"\"}", "", "40{\"token\":\"minted\"}"},
        {"40{\"a\":{\"token\":\"x\"}}", NULL, "40{\"token\":\"minted\",\"a\":{\"token\":\"x\"}}"},
        {"40/admin,{\"token\":\"own\"}", "own", "40/admin,{\"token\":\"minted\"}"},
        {"40/admin", NULL, "40/admin,{\"token\":\"minted\"}"},
        {"40{\"token\":\"a\",\"token\":\"b\"}", NULL, NULL},
        {"40{\"token\":\"a\",\"t\\u006fken\":\"b\"}", NULL, NULL},
        {"40{\"token\":1}", NULL, NULL},
        {"40{\"token\":true}", NULL, NULL},
        {"40{\"token\":{}}", NULL, NULL},
        {"40{\"token\":\"a\"", NULL, NULL},
        {"40{\"token\":\"a\"}x", NULL, NULL},
        {"40{token:1}", NULL, NULL},
        {"40{\"a\":1,}", NULL, NULL},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *token, *becomes = connect(rows[i].text, &token);
        if ((becomes == NULL) != (rows[i].becomes == NULL))
            fail_msg("%s: %s", rows[i].text, becomes != NULL ? becomes : "refused");
        if (becomes == NULL)
            continue;
        assert_string_equal(becomes, rows[i].becomes);
        assert_int_equal(token == NULL, rows[i].token == NULL);
        if (token != NULL)
            assert_string_equal(token, rows[i].token);
    }
}

static void a_refused_event_is_answered(void **state)
{
    (void)state;
    static const struct gw_socket_io_refusal refusal = {GW_STR("Forbidden"), GW_STR("forbidden"), 403};
#define PROBLEM \
    "\"type\":\"urn:aaiti:problem:forbidden\",\"title\":\"Forbidden\",\"status\":403,\"error\":\"Forbidden\"}]"
    static const char *const rows[][2] = {
        {"42[\"order\"]", "42[\"aaiti_error\",{\"event\":\"order\"," PROBLEM},
        {"42/a,[\"or\\\"der\"]", "42/a,[\"aaiti_error\",{\"event\":\"or\\\"der\"," PROBLEM},
        {"427[\"order\"]", "437[{" PROBLEM},
        {"451-/a,7[\"order\"]", "43/a,7[{" PROBLEM},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char *copy;
        struct gw_socket_io_packet p;
        assert_null(parse(gw_str(rows[i][0]), &copy, &p));
        gw_auto(gw_buf) struct gw_buf out = {0};
        gw_buf_init(&out, 1024);
        gw_socket_io_refuse(&p, &refusal, &out);
        assert_str(gw_buf_str(&out), rows[i][1]);
        free(copy);
    }
    gw_auto(gw_buf) struct gw_buf out = {0};
    gw_buf_init(&out, 1024);
    gw_socket_io_connect_error(GW_STR("/"), GW_STR("No"), &out);
    gw_socket_io_connect_error(GW_STR("/a"), GW_STR("No"), &out);
    assert_str(gw_buf_str(&out), "44{\"message\":\"No\"}44/a,{\"message\":\"No\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_clients_send),
        cmocka_unit_test(refuses_what_they_do_not),
        cmocka_unit_test(connect_gets_the_credential_of_the_gateway),
        cmocka_unit_test(a_refused_event_is_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
