/* SPDX-License-Identifier: GPL-3.0-or-later
 * compile_int.h - the growing sections of an image under construction, shared by the compile files.
 *
 * Owns: its buffers until build_fini(). Thread: one at a time. Fails: sticky; `err` holds the first -errno and later
 * calls do nothing.
 */
#ifndef DECIDE_COMPILE_INT_H
#define DECIDE_COMPILE_INT_H

#include "decide/compile.h"
#include "image_int.h"

struct build_part {
	uint8_t *bytes;
	uint32_t n, cap; /* elements */
};
struct build {
	const struct compile_in *in;
	struct image head;
	struct build_part part[SECTIONS];
	uint32_t *party_of_group; /* by index in conf */
	uint32_t *groups;	  /* conf indexes, inner groups before outer ones */
	uint64_t n_names;	  /* at most so many slots will be taken */
	int err;
};

/* Room for n zeroed elements at the end of a section; NULL when it failed (b->err). */
void *build_add(struct build *b, enum image_section_id s, size_t n);
uint32_t build_text(struct build *b, const char *text /* NULL = "" */);
void build_fail(struct build *b, int err);
struct img_slice build_ranges(struct build *b, const struct cidr *nets, size_t n);
uint32_t build_line(struct build *b, uint32_t line); /* index into LINES */

void compile_who(struct build *b); /* devices, persons, groups and their bits */
void compile_terms(
	struct build *b); /* the words that stand for names, in the order of their sets */
void compile_rules(struct build *b); /* lines, blocks, rules, hours; counts names and sets */
/* Once the block is laid out: every name of every set into its table. */
void compile_names(struct build *b, struct image *i, struct img_name *table);

#endif
