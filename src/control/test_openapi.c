/* SPDX-License-Identifier: Apache-2.0 */
/* docs/openapi.json against the route table: neither may say what the other does not. */
#include "base/file.h"
#include "base/json.h"
#include "control/dispatch.h"
#include "control/form.h"
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static json_t *doc;

static int load(void **state)
{
    gw_auto(gw_buf) struct gw_buf text = {0};
    struct gw_error err = {0};
    (void)state;
    gw_buf_init(&text, 1024 * 1024);
    const struct gw_json_limits limits = {.max_bytes = 1024 * 1024, .max_depth = 32};
    if (gw_file_read(GW_SOURCE_DIR "/docs/openapi.json", &text, &err) != GW_OK ||
        gw_json_parse(gw_buf_str(&text), limits, &doc, &err) != GW_OK) {
        print_error("%s\n", err.msg);
        return 1;
    }
    return 0;
}

static int unload(void **state)
{
    (void)state;
    json_decref(doc);
    return 0;
}

static void lower(const char *method, char *dst)
{
    while ((*dst++ = (char)tolower((unsigned char)*method++)) != '\0')
        ;
}

static const json_t *operation_of(const struct gw_api_route *r)
{
    char method[16];
    lower(r->method, method);
    const json_t *operation = json_object_get(json_object_get(json_object_get(doc, "paths"), r->path), method);
    if (operation == NULL)
        fail_msg("%s %s is not documented", r->method, r->path);
    return operation;
}

static void every_route_is_documented_with_its_right(void **state)
{
    size_t count;
    const struct gw_api_route *routes = gw_api_routes(&count);
    (void)state;
    assert_true(count > 0);
    for (size_t i = 0; i < count; i++) {
        const struct gw_api_route *r = &routes[i];
        const json_t *o = operation_of(r), *permission = json_object_get(o, "x-permission");
        const char *access = json_string_value(json_object_get(o, "x-access"));
        bool is_public = r->access == GW_API_PUBLIC || r->access == GW_API_REGISTRATION;
        bool ok = (json_array_size(json_object_get(o, "security")) == 0) == is_public;
        ok = ok && (r->access == GW_API_PERMISSION) == (r->permission != NULL) &&
             (r->permission != NULL) == json_is_string(permission) &&
             (r->permission == NULL || strcmp(r->permission, json_string_value(permission)) == 0);
        ok = ok && (r->access == GW_API_OPERATOR) == (access != NULL && strcmp(access, "operator") == 0);
        ok = ok && (r->access == GW_API_REGISTRATION) == (access != NULL && strcmp(access, "registration") == 0);
        if (!ok)
            fail_msg("%s %s is documented with another right", r->method, r->path);
    }
}

static bool in_table(const char *path, const char *method)
{
    size_t count;
    char lowered[16];
    const struct gw_api_route *routes = gw_api_routes(&count);
    for (size_t i = 0; i < count; i++) {
        lower(routes[i].method, lowered);
        if (strcmp(routes[i].path, path) == 0 && strcmp(lowered, method) == 0)
            return true;
    }
    return false;
}

/* Not control's: tests/e2e/test_openapi.py asks the data plane for it. */
static bool is_of_data_plane(const char *path, const json_t *operation)
{
    const char *by = json_string_value(json_object_get(operation, "x-answered-by"));
    static const char *const paths[] = {"/aaiti/jwks.json", "/aaiti/metrics", "/aaiti/login", "/aaiti/logout"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        if (strcmp(path, paths[i]) == 0)
            return by != NULL && strcmp(by, "gateway") == 0;
    return false;
}

static void nothing_is_documented_that_is_not_there(void **state)
{
    const char *path, *method;
    json_t *item, *operation;
    (void)state;
    json_object_foreach (json_object_get(doc, "paths"), path, item) {
        json_object_foreach (item, method, operation) {
            if (!in_table(path, method) && !is_of_data_plane(path, operation))
                fail_msg("%s %s is documented and not there", method, path);
        }
    }
}

static const json_t *schema_of(const struct gw_api_route *r, const json_t *operation)
{
    const json_t *content = json_object_get(json_object_get(operation, "requestBody"), "content");
    const char *type = r->show != NULL ? GW_FORM_MEDIA_TYPE : "application/json";
    const json_t *schema = json_object_get(json_object_get(content, type), "schema");
    const char *ref = json_string_value(json_object_get(schema, "$ref"));
    if (ref == NULL)
        return NULL;
    const json_t *schemas = json_object_get(json_object_get(doc, "components"), "schemas");
    return json_object_get(schemas, strrchr(ref, '/') + 1);
}

static bool lists(const json_t *array, const char *text)
{
    for (size_t i = 0; i < json_array_size(array); i++) {
        if (strcmp(json_string_value(json_array_get(array, i)), text) == 0)
            return true;
    }
    return false;
}

static bool member_agrees(const struct gw_api_member *m, const json_t *schema)
{
    const json_t *p = json_object_get(json_object_get(schema, "properties"), m->name);
    const char *type = json_string_value(json_object_get(p, "type"));
    if (type == NULL || lists(json_object_get(schema, "required"), m->name) != (m->need == GW_API_REQUIRED))
        return false;
    if (m->type == GW_API_BOOL)
        return strcmp(type, "boolean") == 0;
    return strcmp(type, "string") == 0 && (size_t)json_integer_value(json_object_get(p, "minLength")) == m->min_bytes &&
           (size_t)json_integer_value(json_object_get(p, "maxLength")) == m->max_bytes;
}

static void every_body_is_documented_member_by_member(void **state)
{
    size_t count;
    const struct gw_api_route *routes = gw_api_routes(&count);
    (void)state;
    for (size_t i = 0; i < count; i++) {
        const json_t *schema = schema_of(&routes[i], operation_of(&routes[i]));
        size_t members = 0;
        if ((schema != NULL) != (routes[i].body != NULL))
            fail_msg("%s %s: one knows a body, the other does not", routes[i].method, routes[i].path);
        for (const struct gw_api_member *m = routes[i].body; m != NULL && m->name != NULL; m++, members++) {
            if (!member_agrees(m, schema))
                fail_msg("%s %s: member `%s` is documented otherwise", routes[i].method, routes[i].path, m->name);
        }
        if (schema == NULL)
            continue;
        assert_int_equal(json_object_size(json_object_get(schema, "properties")), members);
        assert_true(json_is_false(json_object_get(schema, "additionalProperties")));
    }
}

/* What a reference inside the document stands for; else what it is. */
static const json_t *resolved(const json_t *item)
{
    const char *ref = json_string_value(json_object_get(item, "$ref"));
    if (ref == NULL)
        return item;
    assert_true(strncmp(ref, "#/components/responses/", 23) == 0);
    return json_object_get(json_object_get(json_object_get(doc, "components"), "responses"), ref + 23);
}

/* Blocks and limits are before every call, whatever it is. */
static void every_call_may_be_refused_by_a_block_or_a_limit(void **state)
{
    static const char *const told[] = {"Retry-After", "RateLimit", "RateLimit-Policy"};
    const char *path, *method;
    json_t *item, *operation;
    (void)state;
    json_object_foreach (json_object_get(doc, "paths"), path, item) {
        json_object_foreach (item, method, operation) {
            const json_t *responses = json_object_get(operation, "responses");
            const char *blocked = json_string_value(json_object_get(json_object_get(responses, "403"), "$ref"));
            if (blocked == NULL || strcmp(blocked, "#/components/responses/Forbidden") != 0)
                fail_msg("%s %s: no 403 that names blocks", method, path);
            const json_t *headers = json_object_get(resolved(json_object_get(responses, "429")), "headers");
            for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++)
                if (json_object_get(headers, told[i]) == NULL)
                    fail_msg("%s %s: no 429 with %s", method, path, told[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_is_documented_with_its_right),
        cmocka_unit_test(nothing_is_documented_that_is_not_there),
        cmocka_unit_test(every_body_is_documented_member_by_member),
        cmocka_unit_test(every_call_may_be_refused_by_a_block_or_a_limit),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
