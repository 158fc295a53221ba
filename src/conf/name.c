/* SPDX-License-Identifier: GPL-3.0-or-later
 * name.c - reads one name as written in a policy or a list: its scope and its canonical form.
 *
 * Owns: nothing. Thread: any; pure. Fails: by enum. See: durward-policy(5) "NAMES OF SITES".
 */
#include "conf_int.h"

#include "conf/idn.h"

static bool has_byte(struct slice s, char c)
{
	return s.n && memchr(s.p, c, s.n);
}

enum name_read name_read(
	struct slice in, char out[static NAME_TEXT], uint8_t *len, enum name_scope *scope)
{
	*scope = SCOPE_BELOW_AND_SELF;
	if (in.n >= 1 && in.p[0] == '=') {
		*scope = SCOPE_SELF;
		in = slice_of(in.p + 1, in.n - 1);
	} else if (in.n >= 2 && in.p[0] == '*' && in.p[1] == '.') {
		*scope = SCOPE_BELOW;
		in = slice_of(in.p + 2, in.n - 2);
	}
	if (has_byte(in, '*'))
		return NAME_STAR;
	switch (idn_canonical(in, out, len)) {
	case IDN_OK:
		break;
	case IDN_ADDRESS:
		return NAME_ADDRESS;
	default:
		return NAME_MALFORMED;
	}
	if (*scope == SCOPE_BELOW_AND_SELF && !memchr(out, '.', *len))
		return NAME_SINGLE;
	return NAME_READ;
}
