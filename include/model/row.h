/* SPDX-License-Identifier: GPL-3.0-or-later
 * row.h - a recorded event as people see it, with its texts filled in, and the filter over such rows.
 *
 * Texts are NUL-terminated and cut to fit (on a UTF-8 boundary). They come from strangers and from the policy: whoever
 * shows them must escape them. Owns: nothing; plain values. Thread: any.
 */
#ifndef MODEL_ROW_H
#define MODEL_ROW_H

#include "model/event.h"

enum { ROW_WORD = 64, ROW_TEXT = 256 };

struct row {
	uint64_t id; /* of the record: grows by one, never used twice; 0 = not recorded */
	struct event event;
	bool ended; /* bytes and duration are known */
	/* More than 1: a sum of that many decisions of a client beyond its rows (record/recorder.h), from event.wall_ms to
	 * last_ms; what differs among them is empty. 0 counts as 1. */
	uint32_t count;
	uint64_t last_ms;
	char device[ROW_WORD];
	char list[ROW_WORD];
	char rule_id[ROW_WORD]; /* of the deciding rule, whatever its line; "" = none was given */
	char rule[ROW_TEXT];	/* the deciding line as written */
	char because[ROW_TEXT];
	char watch[ROW_TEXT];	 /* the watch line that would have decided */
	char watch_id[ROW_WORD]; /* of that line */
	uint32_t
		rule_today; /* line of that rule in the policy in force, 0 = none; when it is shown, never kept */
};

enum { FILTER_DEVICES = 64, FILTER_WAS = 32 };
struct row_filter {
	int action;				/* enum action; -1 = any */
	bool watched;				/* only rows with a watch line */
	char name[NAME_TEXT];			/* part of the name; "" = any */
	char devices[FILTER_DEVICES][ROW_WORD]; /* any of these */
	size_t n_devices;
	bool unknown_device;
	bool has_addr, has_mac; /* the client's */
	struct addr addr;
	struct mac mac;
	uint32_t rule_line;	/* 0 = any */
	char rule_id[ROW_WORD]; /* of the rule that decided, or would have; "" = any */
	/* The ids that this rule had, each in the revisions below `before`. */
	struct filter_was {
		char id[ROW_WORD];
		uint32_t before;
	} was[FILTER_WAS];
	size_t n_was;
	bool has_sport;
	uint16_t sport;		     /* the client's */
	uint64_t since_ms, until_ms; /* 0 = no bound */
	uint64_t after,
		before; /* ids, exclusive; 0 = no bound. With `after` rows come oldest first, else newest first */
	uint32_t limit; /* 0 = 100 */
};

/* An unsigned number or a bool of a row, by its place: bytes from the row's start, and 1, 2, 4 or 8 of them. What does
 * not fit loses its upper bits. */
uint64_t row_number(const struct row *r, size_t offset, size_t size);
void row_number_set(struct row *r, size_t offset, size_t size, uint64_t v);
void row_text_set(char *to, size_t size, const char *text);	   /* cut on a UTF-8 boundary */
bool row_matches(const struct row *r, const struct row_filter *f); /* ignores limit */
struct row_filter row_filter_any(void);

#endif
