/* SPDX-License-Identifier: GPL-3.0-or-later
 * settings.h - reads /etc/durward/settings: lines of `name value`, '#' begins a comment; rows of tbl/settings.h.
 *
 * Owns: nothing. Thread: any; pure. Fails: false when there is an error in *d; it reports all errors. *out always holds
 * the defaults where the text says nothing or is wrong.
 */
#ifndef CONF_SETTINGS_H
#define CONF_SETTINGS_H

#include "base/diag.h"
#include "model/settings.h"

bool settings_parse(struct slice text, struct settings *out, struct diag *d);

/* "80 443 8000-8010" -> ranges; "none" -> empty. false: not ports, or more than SETTING_PORTS. */
bool port_set_parse(const char *text, struct port_set *out);

#endif
