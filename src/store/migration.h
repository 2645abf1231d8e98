/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The SQL of migrations/, compiled in. Migration n (from 1) takes a database of PRAGMA user_version n - 1 to n. A file that
 * has been released is never changed; a new need is a new file.
 */
extern const char *const gw_migrations[];
extern const unsigned gw_migration_count;
