/* SPDX-License-Identifier: GPL-3.0-or-later
 * conf_int.h - what the files of the policy parser share.
 *
 *   lex.c            bytes -> lines of words and quoted texts
 *   resolve.c        what is defined: who, what, hours; duplicates, cycles, the nearest word
 *   parse.c          the walk over the lines; timezone, fail, otherwise        parse_words.c   the walk over a line
 *   parse_define.c   device, person, group, list, app          parse_hours.c   hours
 *   parse_rule.c     for, allow, block, settings, options      parse_what.c    the WHATs of a rule
 *   rule_id.c        by what id a rule is known
 *   warn.c           warnings: what is no error and yet hardly meant
 *
 * The parser walks the text twice: first it notes the name of each definition, so that a name may be used before its
 * definition; then it reads each statement in full.
 */
#ifndef CONF_CONF_INT_H
#define CONF_CONF_INT_H

#include "base/arena.h"
#include "base/diag.h"
#include "conf/schema.h"
#include "model/conf.h"
#include "model/ident.h"

/* --- lex.c --- */
struct token {
	struct slice raw; /* as written, quotes included */
	uint32_t column;  /* 1-based, bytes */
	bool quoted;
};
struct lexer {
	const uint8_t *p, *end;
	struct arena *mem;
	struct diag *d;	 /* NULL: say nothing (the first walk) */
	uint32_t number; /* of the line read last */
	struct token *tokens;
	size_t n, cap;
	uint32_t end_column; /* just past the last token */
	bool broken;	     /* the line could not be read; it is reported */
	bool failed;	     /* memory */
};
void lexer_init(struct lexer *l, struct slice text, struct arena *mem, struct diag *d);
bool lexer_line(struct lexer
		*l); /* the next line with at least one token, or a broken one; false at the end */
char *lexer_text(
	struct arena *mem, struct slice raw); /* a quoted text without quotes and escapes */
bool utf8_valid(struct slice s);

/* --- resolve.c --- */
enum space { SPACE_WHO, SPACE_WHAT, SPACE_HOURS, SPACES };
struct symbol {
	struct symbol *next_hash, *next;
	struct slice name;
	enum word_id kind; /* WORD_ST_DEVICE .. WORD_ST_HOURS */
	uint32_t index;
	struct conf_pos pos; /* of its first definition */
};
struct symbols {
	struct symbol **buckets, *first, *last;
	size_t mask, n;
};

enum where { OUTSIDE, INSIDE, UNCERTAIN /* after a line that could not be read */ };
struct parser {
	struct arena *mem;
	struct conf *out;
	struct diag *d;
	struct lexer lex;
	size_t at; /* next token of lex */
	struct symbols spaces[SPACES];
	enum where where;
	bool timezone_seen, hours_seen, uncertain, oom;
	uint64_t compares; /* words held against each other for suggestions */
	uint32_t last_line;
	struct conf_block nowhere;	 /* takes the rules that stand outside */
	_Alignas(16) uint8_t spare[256]; /* what push() gives when memory is out */
};

void symbols_declare(struct parser *p, struct slice text); /* the first walk */
struct symbol *symbol_find(const struct parser *p, enum space s, struct slice name);
struct symbol *symbol_here(const struct parser *p, enum space s, const struct token *t);
bool group_cycles(struct parser *p);
/* Whether the token can name a definition; it is reported when not. */
bool fit_name(struct parser *p, const struct token *t);
const char *kind_words(enum word_id kind); /* "a device", "an app" */

/* The nearest word with one of these roles or defined in `s` (SPACES = none); NULL when nothing is known.
 * *close: near enough for a slip. */
const char *nearest(struct parser *p, struct slice word, unsigned roles, enum space s, bool *close,
	const struct schema_word **row);
/* The row a misspelt keyword was meant to be, or NULL. */
const struct schema_word *meant(struct parser *p, struct slice word, unsigned roles);

/* --- parse_words.c, parse.c --- */
const struct token *peek(const struct parser *p); /* NULL at the end of the line */
const struct token *next(struct parser *p);
void skip_line(struct parser *p);
/* An error at t; t NULL = at the end of the line. */
void error(struct parser *p, const struct token *t, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void warning(struct parser *p, struct conf_pos pos, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
struct conf_pos pos_of(const struct parser *p, const struct token *t);
const char *quote(struct parser *p, struct slice word); /* 'word', cut when long; for messages */
void unknown_word(
	struct parser *p, const struct token *t, const char *is_not, unsigned roles, enum space s);
const char *later_note(const struct schema_word *row); /* "" for a word of this version, or NULL */
void not_yet(struct parser *p, const struct token *t, const struct schema_word *w);
void expect_end(struct parser *p, const char *after);
const struct schema_word *read_value(
	struct parser *p, const char *after, unsigned roles, const char *one_of);
/* Room for one more member at the end of an array of the arena, zeroed; a spare one when memory is out. */
void *push(struct parser *p, void *array, size_t *n, size_t elem);
const char *statement_text(struct parser *p);
bool looks_like_address(struct slice s);
const struct schema_word *line_word(struct parser *p, bool *misspelt);
void read_because(struct parser *p, const struct token *option, bool block, const char **out);

/* --- parse_define.c, parse_hours.c --- */
void read_device(struct parser *p);
void read_person(struct parser *p);
void read_group(struct parser *p);
void read_list(struct parser *p);
void read_app(struct parser *p);
void read_hours(struct parser *p);

/* --- parse_rule.c, parse_what.c --- */
void read_for(struct parser *p);
void read_rule(struct parser *p, const struct schema_word *verb);
void read_setting(struct parser *p, const struct schema_word *word);
bool read_who(struct parser *p, const struct token *t, unsigned roles, struct conf_who *out);
struct read_whats {
	struct conf_what *whats;
	size_t n;
	bool any; /* something stood there, though perhaps an error */
};
/* Reads WHATs up to the first option or the end of the line. */
void read_whats(struct parser *p, struct read_whats *out);
void read_nets(struct parser *p, const struct token *net, struct cidr **nets, size_t *n);
/* true when *out is a name to be kept; false when it is wrong (reported). */
bool read_name(struct parser *p, const struct token *t, struct conf_name *out);
bool is_name_word(struct slice s);

/* --- rule_id.c --- */
/* These tokens of the line as one text: in small letters, one blank between; sorted where order means nothing. */
const char *words_key(struct parser *p, size_t first, size_t end, bool sorted);
void option_as(struct parser *p, struct conf_rule *r); /* NAME after `as`; nothing may follow */
void rule_ids(struct parser *p);		       /* gives every rule and setting its id */

/* --- name.c --- */
enum name_read {
	NAME_READ,
	NAME_ADDRESS,
	NAME_SINGLE,	/* one label and neither = nor *. */
	NAME_STAR,	/* a star elsewhere than at the front */
	NAME_MALFORMED, /* no host name */
};
enum name_read name_read(
	struct slice in, char out[static NAME_TEXT], uint8_t *len, enum name_scope *scope);

/* --- warn.c --- */
void warn_all(struct parser *p);
void warn_owned_twice(struct parser *p); /* warn_devices.c */

#endif
