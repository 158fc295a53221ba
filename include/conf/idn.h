/* SPDX-License-Identifier: GPL-3.0-or-later
 * idn.h - makes a host name that a person wrote canonical: UTS 46 non-transitional to A-labels, then model/hostname.h.
 *
 * ASCII labels are valid as they are, with '_', with "--" in places 3 and 4, and A-labels ("xn--") whether or not they
 * stand for something: browsers open them all, and the wire is compared as ASCII. Unicode is converted, symbols
 * included; capital sharp s becomes sharp s.
 *
 * Owns: nothing. Thread: any. Fails: by enum. Source: Unicode UTS 46. See: durward-policy(5)
 * "NAMES OF SITES"; RFC 5891.
 */
#ifndef CONF_IDN_H
#define CONF_IDN_H

#include "model/hostname.h"

enum idn {
	IDN_OK,
	IDN_EMPTY,
	IDN_ADDRESS, /* an IP literal */
	IDN_BAD,     /* no host name */
};

/* out and *len are set for OK and ADDRESS. */
enum idn idn_canonical(struct slice in, char out[static NAME_TEXT], uint8_t *len);

#endif
