/* SPDX-License-Identifier: GPL-3.0-or-later
 * main_int.h - what a role of `durward` is given.
 */
#ifndef MAIN_INT_H
#define MAIN_INT_H

#include "base/inherited.h"
#include "model/settings.h"

struct role_in {
	const char *settings_path; /* NULL: the default one */
	struct settings settings;
	struct inherited fds;
	bool guarded; /* --guarded */
	int argc;     /* words after the options */
	char **argv;
};

int role_dataplane(const struct role_in *in);
int role_controller(const struct role_in *in);
int role_route(const struct role_in *in);

#endif
