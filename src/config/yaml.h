/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A YAML file as a tree of nodes that remember their lines. Bounded in bytes, depth, nodes and keys of one map (they
 * are compared pairwise); aliases, anchors, tags, duplicate keys, non-scalar keys, a second document and NUL bytes are
 * faults. Nodes live in the caller's arena.
 */
#include "config/fault.h"
#include <gw/arena.h>

#define GW_YAML_BYTES_MAX (1024 * 1024)
#define GW_YAML_DEPTH_MAX 16
#define GW_YAML_NODES_MAX 100000
#define GW_YAML_KEYS_MAX 1000

enum gw_yaml_kind { GW_YAML_SCALAR, GW_YAML_LIST, GW_YAML_MAP };

struct gw_yaml {
    enum gw_yaml_kind kind;
    unsigned line;
    bool quoted;       /* scalar in quotes: never a null, number or boolean */
    struct gw_str key; /* in a map: this node's key */
    unsigned key_line;
    struct gw_str text;          /* scalar */
    const struct gw_yaml *first; /* list and map: children in order */
    const struct gw_yaml *next;  /* sibling */
    size_t count;
};

/* NULL with faults added when the text is not such a file. An empty file is an empty map. */
const struct gw_yaml *gw_yaml_parse(struct gw_arena *a, struct gw_str text, const char *file, struct gw_faults *f);
/* Reads and parses. A missing or unreadable file is a fault of line 0. */
const struct gw_yaml *gw_yaml_load(struct gw_arena *a, const char *path, struct gw_faults *f);
/* Child of a map, or NULL. */
const struct gw_yaml *gw_yaml_get(const struct gw_yaml *map, struct gw_str key);
