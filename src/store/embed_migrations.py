# SPDX-License-Identifier: Apache-2.0
"""Writes migrations/*.sql as C strings, in the order of their names: embed_migrations.py OUT.c 0001_x.sql 0002_y.sql …"""
import json
import os
import sys

out, files = sys.argv[1], sorted(sys.argv[2:], key=os.path.basename)
for number, name in enumerate(files, 1):
    if not os.path.basename(name).startswith(f"{number:04}_"):
        sys.exit(f"{name}: migrations are numbered without gaps; expected {number:04}_….sql")

with open(out, "w", encoding="utf-8") as c:
    c.write('#include "store/migration.h"\n\nconst char *const gw_migrations[] = {\n')
    for name in files:
        with open(name, encoding="ascii") as sql:
            c.writelines(f"    {json.dumps(line)}\n" for line in sql)
        c.write("    ,\n")
    c.write(f"}};\nconst unsigned gw_migration_count = {len(files)};\n")
