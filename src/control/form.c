/* SPDX-License-Identifier: Apache-2.0 */
/* How a field is decoded is policy/query.h's business, which refuses what two readers could take for different things. */
#include "control/form.h"
#include "crypto/secret.h"
#include "policy/path.h"
#include "policy/query.h"
#include <gw/gate.h>

bool gw_form_is_one(struct gw_str media_type)
{
    struct gw_str name = gw_str_trim(gw_str_sub(media_type, 0, gw_str_find(media_type, ';')));
    return gw_str_eq_nocase(name, GW_STR(GW_FORM_MEDIA_TYPE));
}

static bool is_member(struct gw_str raw_name, const struct gw_api_member *members)
{
    for (size_t i = 0; members[i].name != NULL; i++)
        if (gw_query_value_is(raw_name, gw_str(members[i].name)))
            return true;
    return false;
}

static enum gw_code check_names(struct gw_str body, const struct gw_api_member *members, struct gw_error *err)
{
    struct gw_str piece;
    if (body.len == 0)
        return GW_OK;
    while (gw_str_split(&body, '&', &piece))
        if (!is_member(gw_str_sub(piece, 0, gw_str_find(piece, '=')), members))
            return gw_fail(err, GW_EINVAL, "the form has a field that is not expected");
    return GW_OK;
}

/* space: holds what the longest field may become. */
static enum gw_code read_field(struct gw_str body, const char *name, char *space, size_t size, json_t *out,
                               struct gw_error *err)
{
    struct gw_arena arena;
    struct gw_str text;
    gw_arena_init_over(&arena, space, size, NULL, NULL, size);
    enum gw_code code = gw_query_get(body, gw_str(name), &arena, &text);
    if (code == GW_ENOTFOUND)
        return GW_OK;
    if (code != GW_OK)
        return gw_fail(err, code == GW_ENOMEM ? GW_EINVAL : GW_EPARSE, "/%s: stands twice or cannot be decoded", name);
    if (json_object_set_new(out, name, json_stringn(text.ptr, text.len)) != 0)
        return gw_fail(err, GW_EPARSE, "/%s: not UTF-8", name);
    return GW_OK;
}

static enum gw_code read_fields(struct gw_str body, const struct gw_api_member *members, json_t *out,
                                struct gw_error *err)
{
    char space[GW_CONTROL_BODY_MAX + 64]; /* a password among it */
    enum gw_code code = GW_OK;
    for (size_t i = 0; code == GW_OK && members[i].name != NULL; i++)
        code = read_field(body, members[i].name, space, sizeof(space), out, err);
    gw_wipe(space, sizeof(space));
    return code;
}

enum gw_code gw_form_read(struct gw_str body, const struct gw_api_member *members, json_t **out, struct gw_error *err)
{
    json_t *fields = json_object();
    if (fields == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for a form");
    enum gw_code code = body.len > GW_CONTROL_BODY_MAX ? gw_fail(err, GW_EINVAL, "the form is too long")
                                                       : check_names(body, members, err);
    if (code == GW_OK)
        code = read_fields(body, members, fields, err);
    if (code == GW_OK)
        *out = fields;
    else
        json_decref(fields);
    return code;
}
