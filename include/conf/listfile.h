/* SPDX-License-Identifier: GPL-3.0-or-later
 * listfile.h - reads the text of a subscribed list (durward-policy(5), LISTS).
 *
 * `domains` has one name a line, which means it and all below, also written `.x` (Squid); `hosts` has lines of ADDRESS NAME...,
 * which mean those names only.
 * `*.x` and `=x` mean what they mean in a policy, but a whole list of `*.x` is a "wildcard" list, whose authors mean x, too.
 * Text from '#' on is a comment. A line with an address, a single label or `*x` is broken: it is skipped and counted.
 *
 * Owns: nothing; names live in `mem`. Thread: any; pure.
 * Fails: 0; -ENOMEM when mem's limit is met; -EILSEQ when the file is no text but has NUL bytes or
 * control characters, or is a web page (out->not_text says which).
 */
#ifndef CONF_LISTFILE_H
#define CONF_LISTFILE_H

#include "base/arena.h"
#include "model/conf.h"

int listfile_parse(
	struct slice text, enum list_format format, struct arena *mem, struct list_names *out);

#endif
