/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libyaml's events built into a tree over an explicit stack, so that hostile nesting costs a fault and no C stack.
 * Each open list or map is a frame; a map's frame holds the key that waits for its value.
 */
#include "config/yaml.h"

#include "base/file.h"

#include <string.h>
#include <yaml.h>

struct frame {
    struct gw_yaml *node, *last;
    bool has_key;
    struct gw_str key;
    unsigned key_line;
};

struct builder {
    struct gw_arena *arena;
    struct gw_faults *faults;
    const char *file;
    struct frame stack[GW_YAML_DEPTH_MAX];
    size_t depth, nodes, documents;
    struct gw_yaml *root;
    bool stop; /* nothing sensible can follow */
};

static unsigned line_of(const yaml_event_t *e)
{
    return (unsigned)e->start_mark.line + 1;
}

static void give_up(struct builder *b, unsigned line, const char *what)
{
    gw_faults_add(b->faults, b->file, line, "%s", what);
    b->stop = true;
}

static struct gw_str copy_text(struct builder *b, const yaml_event_t *e)
{
    struct gw_str text = {(const char *)e->data.scalar.value, e->data.scalar.length};
    if (memchr(e->data.scalar.value, '\0', text.len) != NULL)
        gw_faults_add(b->faults, b->file, line_of(e), "a NUL byte; expected text without one");
    struct gw_str copy = GW_STR_NULL;
    if (gw_arena_str(b->arena, text, &copy) != GW_OK)
        give_up(b, line_of(e), "no memory for the file");
    return copy;
}

static void refuse_anchor_and_tag(struct builder *b, const yaml_event_t *e, const yaml_char_t *anchor,
                                  const yaml_char_t *tag)
{
    if (anchor != NULL)
        gw_faults_add(b->faults, b->file, line_of(e), "an anchor (&%s); expected plain values", (const char *)anchor);
    if (tag != NULL)
        gw_faults_add(b->faults, b->file, line_of(e), "a tag (%s); expected plain values", (const char *)tag);
}

static bool waits_for_key(const struct builder *b)
{
    if (b->depth == 0)
        return false;
    const struct frame *top = &b->stack[b->depth - 1];
    return top->node->kind == GW_YAML_MAP && !top->has_key;
}

static void take_key(struct builder *b, const yaml_event_t *e)
{
    struct frame *top = &b->stack[b->depth - 1];
    if (top->node->count == GW_YAML_KEYS_MAX) {
        give_up(b, line_of(e), "too many keys in one map");
        return;
    }
    struct gw_str key = copy_text(b, e);
    const struct gw_yaml *twin = gw_yaml_get(top->node, key);
    if (twin != NULL)
        gw_faults_add(b->faults, b->file, line_of(e), "key `%.*s` stands twice, first in line %u", GW_STR_ARG(key),
                      twin->key_line);
    top->key = key;
    top->key_line = line_of(e);
    top->has_key = true;
}

/* A new node, hung into what is open. NULL when b has given up. */
static struct gw_yaml *add_node(struct builder *b, enum gw_yaml_kind kind, const yaml_event_t *e)
{
    struct gw_yaml *node = gw_arena_calloc(b->arena, 1, sizeof(*node));
    if (node == NULL || ++b->nodes > GW_YAML_NODES_MAX) {
        give_up(b, line_of(e), "too many values, or no memory for them");
        return NULL;
    }
    node->kind = kind;
    node->line = line_of(e);
    if (b->depth == 0) {
        b->root = node;
        return node;
    }
    struct frame *top = &b->stack[b->depth - 1];
    node->key = top->key;
    node->key_line = top->key_line;
    top->has_key = false;
    top->key = GW_STR_NULL;
    if (top->last == NULL)
        top->node->first = node;
    else
        top->last->next = node;
    top->last = node;
    top->node->count++;
    return node;
}

static void on_scalar(struct builder *b, const yaml_event_t *e)
{
    refuse_anchor_and_tag(b, e, e->data.scalar.anchor, e->data.scalar.tag);
    if (waits_for_key(b)) {
        take_key(b, e);
        return;
    }
    struct gw_yaml *node = add_node(b, GW_YAML_SCALAR, e);
    if (node == NULL)
        return;
    node->text = copy_text(b, e);
    node->quoted = e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
}

static void on_alias(struct builder *b, const yaml_event_t *e)
{
    give_up(b, line_of(e), "an alias; expected the value itself");
}

static void on_open(struct builder *b, enum gw_yaml_kind kind, const yaml_event_t *e)
{
    if (waits_for_key(b)) {
        give_up(b, line_of(e), "a list or map as a key; expected a word");
        return;
    }
    if (b->depth == GW_YAML_DEPTH_MAX) {
        give_up(b, line_of(e), "nested too deeply");
        return;
    }
    struct gw_yaml *node = add_node(b, kind, e);
    if (node != NULL)
        b->stack[b->depth++] = (struct frame){.node = node};
}

static void on_event(struct builder *b, const yaml_event_t *e)
{
    switch (e->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (++b->documents > 1)
            give_up(b, line_of(e), "a second document; expected one");
        return;
    case YAML_SCALAR_EVENT:
        on_scalar(b, e);
        return;
    case YAML_ALIAS_EVENT:
        on_alias(b, e);
        return;
    case YAML_SEQUENCE_START_EVENT:
        refuse_anchor_and_tag(b, e, e->data.sequence_start.anchor, e->data.sequence_start.tag);
        on_open(b, GW_YAML_LIST, e);
        return;
    case YAML_MAPPING_START_EVENT:
        refuse_anchor_and_tag(b, e, e->data.mapping_start.anchor, e->data.mapping_start.tag);
        on_open(b, GW_YAML_MAP, e);
        return;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        b->depth--;
        return;
    case YAML_STREAM_END_EVENT:
        b->stop = true;
        return;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        return;
    }
}

static unsigned line_of_problem(const yaml_parser_t *parser, struct gw_str text)
{
    /* A byte that is no character at all has an offset, but no mark. */
    if (parser->error != YAML_READER_ERROR)
        return (unsigned)parser->problem_mark.line + 1;
    unsigned line = 1;
    for (size_t i = 0; i < text.len && i < parser->problem_offset; i++)
        line += text.ptr[i] == '\n';
    return line;
}

static void build(struct builder *b, yaml_parser_t *parser, struct gw_str text)
{
    while (!b->stop) {
        yaml_event_t e;
        if (!yaml_parser_parse(parser, &e)) {
            gw_faults_add(b->faults, b->file, line_of_problem(parser, text), "not YAML: %s",
                          parser->problem != NULL ? parser->problem : "cannot be read");
            return;
        }
        on_event(b, &e);
        yaml_event_delete(&e);
    }
}

/* What an empty file, or one of comments only, stands for. */
static const struct gw_yaml *empty_map(struct builder *b)
{
    struct gw_yaml *map = gw_arena_calloc(b->arena, 1, sizeof(*map));
    if (map == NULL) {
        give_up(b, 0, "no memory for the file");
        return NULL;
    }
    map->kind = GW_YAML_MAP;
    map->line = 1;
    return map;
}

const struct gw_yaml *gw_yaml_parse(struct gw_arena *a, struct gw_str text, const char *file, struct gw_faults *f)
{
    if (text.len > GW_YAML_BYTES_MAX) {
        gw_faults_add(f, file, 0, "larger than %d KiB", GW_YAML_BYTES_MAX / 1024);
        return NULL;
    }
    size_t faults_before = gw_faults_count(f);
    struct builder b = {.arena = a, .faults = f, .file = file};
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) {
        gw_faults_add(f, file, 0, "no memory to read YAML");
        return NULL;
    }
    /* Stated, so that a byte order mark cannot turn the file into UTF-16. */
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)(text.len > 0 ? text.ptr : ""), text.len);
    build(&b, &parser, text);
    yaml_parser_delete(&parser);

    if (gw_faults_count(f) > faults_before)
        return NULL;
    bool is_empty = b.root == NULL || (b.root->kind == GW_YAML_SCALAR && !b.root->quoted && b.root->text.len == 0);
    return is_empty ? empty_map(&b) : b.root;
}

const struct gw_yaml *gw_yaml_load(struct gw_arena *a, const char *path, struct gw_faults *f)
{
    gw_auto(gw_buf) struct gw_buf text;
    gw_buf_init(&text, GW_YAML_BYTES_MAX);
    struct gw_error why;
    if (gw_file_read(path, &text, &why) != GW_OK) {
        gw_faults_add(f, path, 0, "%s", why.msg);
        return NULL;
    }
    return gw_yaml_parse(a, gw_buf_str(&text), path, f);
}

const struct gw_yaml *gw_yaml_get(const struct gw_yaml *map, struct gw_str key)
{
    for (const struct gw_yaml *child = map->first; child != NULL; child = child->next)
        if (gw_str_eq(child->key, key))
            return child;
    return NULL;
}
