/* SPDX-License-Identifier: Apache-2.0 */
/* The bodies of forms: what is taken has the fields of the form and no others, as text without a NUL byte. */
#include <assert.h>
#include <string.h>

#include "control/form.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct gw_api_member members[] = {
    {.name = "username"}, {.name = "password"}, {.name = "next"}, {.name = NULL}};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gw_str body = {(const char *)data, size};
    json_t *form = NULL;
    (void)gw_form_is_one(body);
    if (gw_form_read(body, members, &form, NULL) != GW_OK)
        return 0;
    size_t known = 0;
    for (size_t i = 0; members[i].name != NULL; i++) {
        const json_t *value = json_object_get(form, members[i].name);
        known += value != NULL;
        assert(value == NULL || strlen(json_string_value(value)) == json_string_length(value));
    }
    assert(known == json_object_size(form));
    json_decref(form);
    return 0;
}
