/* SPDX-License-Identifier: GPL-3.0-or-later
 * main_int.h - what a face of `durward` is given.
 */
#ifndef MAIN_INT_H
#define MAIN_INT_H

#include "base/handoff.h"
#include "model/settings.h"

struct face_in {
	const char *settings_path; /* NULL: the default one */
	struct settings settings;
	struct handoff hands;
	bool guarded; /* --guarded */
	int argc;     /* words after the options */
	char **argv;
};

int face_gate(const struct face_in *in);
int face_desk(const struct face_in *in);
int face_route(const struct face_in *in);

#endif
