/* SPDX-License-Identifier: GPL-3.0-or-later
 * assets_int.h - the table of built-in pages that web/build.mjs writes. Private to show/.
 */
#ifndef SHOW_ASSETS_INT_H
#define SHOW_ASSETS_INT_H

#include <stddef.h>

struct asset {
	const char *path, *digest; /* "/index.html"; SHA-256, hexadecimal */
	const char *raw, *raw_end, *gz, *gz_end;
};
extern const struct asset show_assets[];
extern const size_t show_n_assets;

#endif
