/* SPDX-License-Identifier: GPL-3.0-or-later
 * settings.c - answers questions about the settings.
 *
 * Owns: nothing. Thread: any; pure. Fails: never.
 */
#include "model/settings.h"

bool port_set_has(const struct port_set *s, uint16_t port)
{
	for (uint8_t i = 0; i < s->n; i++)
		if (port >= s->r[i].first && port <= s->r[i].last)
			return true;
	return false;
}
