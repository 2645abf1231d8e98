/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One reader a type, in a table indexed by the type. A reader gets the scalar's text; lists go through read_list.
 */
#include "config/option_value.h"

#include "base/origin.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What every reader needs. */
struct input {
    const struct gw_option *row;
    const char *file;
    unsigned line;
    struct gw_arena *arena;
    struct gw_faults *faults;
};

struct unit {
    const char *name;
    int64_t factor;
};
/* Largest first, so that printing takes the largest that divides. */
static const struct unit duration_units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
static const struct unit byte_units[] = {{"GiB", 1073741824}, {"MiB", 1048576}, {"KiB", 1024}, {"", 1}};
static const struct unit int_units[] = {{"", 1}};

struct measure {
    const struct unit *units;
    size_t count;
    int64_t bare; /* factor of a number without a unit */
    const char *expected;
};
static const struct measure int_measure = {int_units, 1, 1, "a whole number"};
static const struct measure byte_measure = {byte_units, 4, 1, "a size such as 512, 64KiB or 19MiB"};
static const struct measure duration_measure = {duration_units, 5, 1000,
                                                "a duration such as 250ms, 60s, 15m, 24h or 7d"};

static const struct measure *measure_of(enum gw_option_type type)
{
    switch (type) {
    case GW_OPT_INT:
        return &int_measure;
    case GW_OPT_BYTES:
        return &byte_measure;
    case GW_OPT_DURATION:
        return &duration_measure;
    case GW_OPT_STRING:
    case GW_OPT_BOOL:
    case GW_OPT_ENUM:
    case GW_OPT_CIDRS:
    case GW_OPT_STRINGS:
    case GW_OPT_ORIGINS:
        break;
    }
    return NULL;
}

static void print_measure(const struct measure *m, int64_t value, struct gw_buf *out)
{
    const struct unit *u = m->units;
    if (value == 0)
        u = &m->units[m->count - 1];
    while (value % u->factor != 0)
        u++;
    gw_buf_addf(out, "%" PRId64 "%s", value / u->factor, u->name);
}

/* ---- reading ---- */

static bool wrong(const struct input *in, struct gw_str text, const char *expected)
{
    gw_faults_add(in->faults, in->file, in->line, "%s: expected %s, not \"%.*s\"", in->row->key, expected,
                  GW_STR_ARG(text));
    return false;
}

static bool read_factor(const struct measure *m, struct gw_str unit, int64_t *out)
{
    if (unit.len == 0) {
        *out = m->bare;
        return true;
    }
    for (size_t i = 0; i < m->count; i++) {
        if (gw_str_eq(unit, gw_str(m->units[i].name))) {
            *out = m->units[i].factor;
            return true;
        }
    }
    return false;
}

static bool out_of_range(const struct input *in, const struct measure *m)
{
    gw_auto(gw_buf) struct gw_buf text;
    gw_buf_init(&text, 128);
    print_measure(m, in->row->min, &text);
    gw_buf_addf(&text, " to ");
    print_measure(m, in->row->max, &text);
    gw_faults_add(in->faults, in->file, in->line, "%s: expected %.*s", in->row->key, GW_STR_ARG(gw_buf_str(&text)));
    return false;
}

static bool parse_measure(const struct measure *m, struct gw_str text, int64_t *out)
{
    size_t digits = 0;
    while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9')
        digits++;
    int64_t number, factor;
    return gw_str_to_i64(gw_str_sub(text, 0, digits), &number) &&
           read_factor(m, gw_str_sub(text, digits, text.len), &factor) && !__builtin_mul_overflow(number, factor, out);
}

enum gw_code gw_duration_parse(struct gw_str text, int64_t *out_ms, struct gw_error *err)
{
    if (parse_measure(&duration_measure, text, out_ms))
        return GW_OK;
    return gw_fail(err, GW_EINVAL, "expected %s", duration_measure.expected);
}

static bool read_measure(const struct input *in, struct gw_str text, void *dst)
{
    const struct measure *m = measure_of(in->row->type);
    int64_t value;
    if (!parse_measure(m, text, &value))
        return wrong(in, text, m->expected);
    bool has_range = in->row->min != 0 || in->row->max != 0;
    if (has_range && (value < in->row->min || value > in->row->max))
        return out_of_range(in, m);
    memcpy(dst, &value, sizeof(value));
    return true;
}

/* YAML refuses the others, so that what is printed can be read back. */
static bool is_printable(struct gw_str s)
{
    size_t n = 1;
    for (; s.len > 0 && n > 0; s = gw_str_sub(s, n, s.len))
        n = gw_str_printable(s);
    return n > 0;
}

static bool keep_text(const struct input *in, struct gw_str text, struct gw_str *out)
{
    if (!is_printable(text)) {
        gw_faults_add(in->faults, in->file, in->line, "%s: expected UTF-8 text without control characters",
                      in->row->key);
        return false;
    }
    if (gw_arena_str(in->arena, text, out) == GW_OK)
        return true;
    gw_faults_add(in->faults, in->file, in->line, "%s: no memory", in->row->key);
    return false;
}

static bool read_string(const struct input *in, struct gw_str text, void *dst)
{
    int64_t length = (int64_t)text.len;
    bool has_range = in->row->min != 0 || in->row->max != 0;
    if (has_range && (length < in->row->min || length > in->row->max)) {
        gw_faults_add(in->faults, in->file, in->line, "%s: expected %" PRId64 " to %" PRId64 " bytes of text",
                      in->row->key, in->row->min, in->row->max);
        return false;
    }
    return keep_text(in, text, dst);
}

static bool read_bool(const struct input *in, struct gw_str text, void *dst)
{
    bool value = gw_str_eq(text, GW_STR("true"));
    if (!value && !gw_str_eq(text, GW_STR("false")))
        return wrong(in, text, "true or false");
    memcpy(dst, &value, sizeof(value));
    return true;
}

static void print_choices(const struct gw_option *row, const char *separator, struct gw_buf *out)
{
    for (size_t i = 0; row->choices[i] != NULL; i++)
        gw_buf_addf(out, "%s%s", i > 0 ? separator : "", row->choices[i]);
}

static bool read_enum(const struct input *in, struct gw_str text, void *dst)
{
    for (int i = 0; in->row->choices[i] != NULL; i++) {
        if (gw_str_eq(text, gw_str(in->row->choices[i]))) {
            memcpy(dst, &i, sizeof(i));
            return true;
        }
    }
    gw_auto(gw_buf) struct gw_buf choices;
    gw_buf_init(&choices, 256);
    print_choices(in->row, " or ", &choices);
    return wrong(in, text, gw_buf_str(&choices).ptr);
}

static bool read_cidr(const struct input *in, struct gw_str text, void *dst)
{
    if (gw_cidr_parse(text, dst) == GW_OK)
        return true;
    return wrong(in, text, "a network such as 10.0.0.0/8 or an address");
}

static bool read_item(const struct input *in, struct gw_str text, void *dst)
{
    return keep_text(in, text, dst);
}

static bool read_origin(const struct input *in, struct gw_str text, void *dst)
{
    const char *expected = gw_origin_fault(text);
    return expected == NULL ? keep_text(in, text, dst) : wrong(in, text, expected);
}

/* ---- lists ---- */

typedef bool (*read_fn)(const struct input *in, struct gw_str text, void *dst);

struct list {
    void *item;
    size_t count;
};
static_assert(sizeof(struct list) == sizeof(struct gw_option_cidrs) &&
                  sizeof(struct list) == sizeof(struct gw_option_strings),
              "a list of either kind is a pointer and a count");

static bool read_yaml_list(struct input in, const struct gw_yaml *value, read_fn read, size_t item_size,
                           struct list *out)
{
    char *item = out->item;
    bool good = true;
    for (const struct gw_yaml *child = value->first; child != NULL; child = child->next) {
        in.line = child->line;
        if (child->kind != GW_YAML_SCALAR)
            good = wrong(&in, GW_STR("a list or map"), "a list of plain values");
        else
            good = read(&in, child->text, item + out->count * item_size) && good;
        out->count++;
    }
    return good;
}

static bool read_commas(const struct input *in, struct gw_str text, read_fn read, size_t item_size, struct list *out)
{
    char *item = out->item;
    bool good = true;
    struct gw_str piece;
    while (text.len > 0 && gw_str_split(&text, ',', &piece)) {
        good = read(in, gw_str_trim(piece), item + out->count * item_size) && good;
        out->count++;
    }
    return good;
}

static size_t commas(struct gw_str text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++)
        n += text.ptr[i] == ',';
    return n;
}

static bool read_list(const struct input *in, const struct gw_yaml *value, void *dst)
{
    bool is_cidrs = in->row->type == GW_OPT_CIDRS;
    size_t item_size = is_cidrs ? sizeof(struct gw_cidr) : sizeof(struct gw_str);
    read_fn read = is_cidrs ? read_cidr : in->row->type == GW_OPT_ORIGINS ? read_origin : read_item;
    size_t most = value->kind == GW_YAML_LIST ? value->count : commas(value->text) + 1;
    struct list list = {gw_arena_calloc(in->arena, most + 1, item_size), 0};
    if (list.item == NULL) {
        gw_faults_add(in->faults, in->file, in->line, "%s: no memory", in->row->key);
        return false;
    }
    bool good = value->kind == GW_YAML_LIST ? read_yaml_list(*in, value, read, item_size, &list)
                                            : read_commas(in, gw_str_trim(value->text), read, item_size, &list);
    if (good)
        memcpy(dst, &list, sizeof(list));
    return good;
}

/* ---- one value ---- */

static bool is_list_type(enum gw_option_type type)
{
    return type == GW_OPT_CIDRS || type == GW_OPT_STRINGS || type == GW_OPT_ORIGINS;
}

static read_fn reader_of(enum gw_option_type type)
{
    if (measure_of(type) != NULL)
        return read_measure;
    if (type == GW_OPT_BOOL)
        return read_bool;
    return type == GW_OPT_ENUM ? read_enum : read_string;
}

bool gw_option_parse(const struct gw_option *row, const struct gw_yaml *value, const char *file, struct gw_arena *a,
                     void *dst, struct gw_faults *f)
{
    struct input in = {row, file, value->line, a, f};
    if (value->kind == GW_YAML_MAP || (value->kind == GW_YAML_LIST && !is_list_type(row->type))) {
        gw_faults_add(f, file, value->line, "%s: expected %s, not a %s", row->key,
                      is_list_type(row->type) ? "a list" : "one value", value->kind == GW_YAML_MAP ? "map" : "list");
        return false;
    }
    if (is_list_type(row->type))
        return read_list(&in, value, dst);
    /* `key:` and `key: ~` may be slips; an empty text is meant only where it is written. */
    if (!value->quoted &&
        (value->text.len == 0 || gw_str_eq(value->text, GW_STR("~")) || gw_str_eq(value->text, GW_STR("null")))) {
        gw_faults_add(f, file, value->line,
                      "%s: no value; leave the key out for the default, write \"\" for an empty text", row->key);
        return false;
    }
    bool is_bare = row->type == GW_OPT_INT || row->type == GW_OPT_BOOL;
    if (value->quoted && is_bare)
        return wrong(&in, value->text,
                     row->type == GW_OPT_INT ? "a number without quotes" : "true or false without quotes");
    return reader_of(row->type)(&in, value->text, dst);
}

/* ---- printing ---- */

static void print_cidr(const struct gw_cidr *c, struct gw_buf *out)
{
    char text[GW_IP_LEN + 1];
    gw_ip_format(&c->net, text);
    unsigned bits = gw_ip_is_v4(&c->net) && c->bits >= 96 ? c->bits - 96u : c->bits;
    gw_buf_addf(out, "\"%s/%u\"", text, bits);
}

static void print_list(const struct gw_option *row, const void *at, struct gw_buf *out)
{
    struct list list;
    memcpy(&list, at, sizeof(list));
    const struct gw_cidr *cidr = list.item;
    const struct gw_str *text = list.item;
    gw_buf_addc(out, '[');
    for (size_t i = 0; i < list.count; i++) {
        if (i > 0)
            gw_buf_addf(out, ", ");
        if (row->type == GW_OPT_CIDRS)
            print_cidr(&cidr[i], out);
        else
            gw_buf_add_json(out, text[i]);
    }
    gw_buf_addc(out, ']');
}

void gw_option_print(const struct gw_option *row, const void *base, struct gw_buf *out)
{
    const char *at = (const char *)base + row->offset;
    const struct measure *m = measure_of(row->type);
    if (m != NULL)
        print_measure(m, *(const int64_t *)(const void *)at, out);
    else if (row->type == GW_OPT_BOOL)
        gw_buf_addf(out, "%s", *(const bool *)(const void *)at ? "true" : "false");
    else if (row->type == GW_OPT_ENUM)
        gw_buf_addf(out, "%s", row->choices[*(const int *)(const void *)at]);
    else if (row->type == GW_OPT_STRING)
        gw_buf_add_json(out, *(const struct gw_str *)(const void *)at);
    else
        print_list(row, at, out);
}

void gw_option_print_type(const struct gw_option *row, struct gw_buf *out)
{
    static const char *const names[] = {
        [GW_OPT_STRING] = "text",
        [GW_OPT_INT] = "number",
        [GW_OPT_BYTES] = "size",
        [GW_OPT_DURATION] = "duration",
        [GW_OPT_BOOL] = "true/false",
        [GW_OPT_ENUM] = "one of ",
        [GW_OPT_CIDRS] = "list of networks",
        [GW_OPT_STRINGS] = "list of texts",
        [GW_OPT_ORIGINS] = "list of origins",
    };
    const struct measure *m = measure_of(row->type);
    gw_buf_addf(out, "%s", names[row->type]);
    if (row->type == GW_OPT_ENUM)
        print_choices(row, ", ", out);
    if (m == NULL || (row->min == 0 && row->max == 0))
        return;
    gw_buf_addf(out, ", ");
    print_measure(m, row->min, out);
    gw_buf_addf(out, " to ");
    print_measure(m, row->max, out);
}
