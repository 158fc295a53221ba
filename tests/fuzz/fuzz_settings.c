/* SPDX-License-Identifier: GPL-3.0-or-later
 * fuzz_settings.c - the settings file: any bytes end in settings or in errors with places.
 */
#include <stdlib.h>

#include "conf/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct settings s;
	struct diag d = {0};
	bool ok = settings_parse(slice_of(p, n), &s, &d);

	if (ok != (d.errors == 0))
		abort();
	for (size_t i = 0; i < d.n; i++)
		if (d.entries[i].line == 0)
			abort();
	diag_fini(&d);
	return 0;
}
