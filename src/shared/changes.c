/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The count goes up when the entry stands there. A reader looks at the count once more when he has read an entry: where the writer has come round to
 * it meanwhile, or is about to write it, what was read says nothing. Sequentially consistent throughout: changes are rare.
 */
#include "shared/changes.h"

void gw_changes_add(struct gw_changes *c, const struct gw_uuid *user)
{
    uint64_t count = atomic_load(&c->count), words[2] = {0, 0};
    if (user != NULL)
        memcpy(words, user->b, sizeof(words));
    for (size_t i = 0; i < 2; i++)
        atomic_store(&c->users[count % GW_CHANGES_SLOTS].words[i], words[i]);
    atomic_store(&c->count, count + 1);
}

static enum gw_changed give_up(uint64_t count, uint64_t *io_position)
{
    *io_position = count;
    return GW_CHANGED_ANYBODY;
}

enum gw_changed gw_changes_next(const struct gw_changes *c, uint64_t *io_position, struct gw_uuid *out_user)
{
    uint64_t count = atomic_load(&c->count), words[2], at = *io_position;
    if (at == count)
        return GW_CHANGED_NOBODY;
    if (at > count || count - at >= GW_CHANGES_SLOTS) /* ahead: of another segment */
        return give_up(count, io_position);
    for (size_t i = 0; i < 2; i++)
        words[i] = atomic_load(&c->users[at % GW_CHANGES_SLOTS].words[i]);
    count = atomic_load(&c->count);
    if (count - at >= GW_CHANGES_SLOTS)
        return give_up(count, io_position);
    if (words[0] == 0 && words[1] == 0)
        return give_up(count, io_position);
    *io_position = at + 1;
    memcpy(out_user->b, words, sizeof(words));
    return GW_CHANGED_USER;
}
