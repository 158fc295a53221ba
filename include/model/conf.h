/* SPDX-License-Identifier: GPL-3.0-or-later
 * conf.h - a policy file after reading: names resolved to indexes, every item with its place.
 *
 * conf/ makes it, decide/ compiles it. All memory is one arena's; strings are NUL-terminated, canonical where they are
 * host names (model/hostname.h, IDN as A-label). Owns: nothing. Thread: any.
 */
#ifndef MODEL_CONF_H
#define MODEL_CONF_H

#include "base/addr.h"

struct conf_pos {
	uint32_t line, column, length; /* 1-based, bytes */
};

struct conf_device {
	const char *name;
	struct conf_pos pos;
	struct mac *macs;
	size_t n_macs;
	struct addr *addrs;
	size_t n_addrs;
};

enum conf_who_kind { WHO_EVERYONE, WHO_UNKNOWN, WHO_DEVICE, WHO_PERSON, WHO_GROUP };
struct conf_who {
	enum conf_who_kind kind;
	uint32_t index; /* into devices, persons or groups */
	struct conf_pos pos;
};

struct conf_person {
	const char *name;
	struct conf_pos pos;
	struct conf_who *owns; /* devices */
	size_t n_owns;
};

struct conf_group {
	const char *name;
	struct conf_pos pos;
	struct conf_who *members; /* devices, persons, groups (no cycle) */
	size_t n_members;
	struct cidr *nets;
	size_t n_nets;
};

enum name_scope {
	SCOPE_BELOW_AND_SELF /* example.com */,
	SCOPE_SELF /* =example.com */,
	SCOPE_BELOW /* *.example.com */
};
struct conf_name {
	const char *name; /* canonical; for *.zip just "zip" */
	enum name_scope scope;
	uint32_t line; /* in its file */
};

enum list_format { LIST_DOMAINS, LIST_HOSTS };
struct conf_list {
	const char *name,
		*path; /* path absolute, or relative to the policy file's folder, as written */
	enum list_format format;
	struct conf_pos pos, path_pos;
};

struct conf_app {
	const char *name;
	struct conf_pos pos;	 /* of its first line */
	struct conf_name *names; /* several `app` lines add up */
	size_t n_names;
};

struct conf_window {
	uint8_t days;	    /* bit 0 = Monday .. bit 6 = Sunday: days on which it starts */
	uint16_t start_min; /* 0..1439 */
	uint16_t end_min;   /* start+1 .. start+1440; above 1440 = on the next day */
};
struct conf_hours {
	const char *name;
	struct conf_pos pos;
	struct conf_window *windows;
	size_t n_windows;
};

enum port_kind { PORT_PORTS, PORT_ANY, PORT_PROTO };
struct conf_port {
	uint8_t kind;  /* PORT_PORTS: tcp/25 or a range; PORT_ANY: tcp/ *; PORT_PROTO: icmp, esp */
	uint8_t proto; /* IPPROTO_*; IPPROTO_ICMP stands for ICMP and ICMPv6 */
	uint16_t first, last;
};

enum what_kind {
	WHAT_EVERYTHING,
	WHAT_NAME, /* name */
	WHAT_LIST, /* index into lists */
	WHAT_APP,  /* index into apps */
	WHAT_SET,  /* index into the built-in sets (enum builtin_set) */
	WHAT_NET,  /* nets; none = matches nothing */
	WHAT_PORT, /* ports */
	WHAT_LOCAL_NETWORKS,
};
enum builtin_set {
#define BUILTIN_SET(e, w, h) SET_##e,
#include "tbl/sets.h"
#undef BUILTIN_SET
	BUILTIN_SETS
};

struct conf_what {
	enum what_kind kind;
	struct conf_pos pos;
	struct conf_name name;
	uint32_t index;
	struct cidr *nets;
	size_t n_nets;
	struct conf_port *ports;
	size_t n_ports;
};

struct conf_rule {
	uint32_t line;
	struct conf_pos pos; /* of its first word */
	const char *text;    /* the statement as written, spaces folded, comment off */
	bool watch, block, firm;
	uint8_t refuse;	     /* enum refuse (model/verdict.h) */
	const char *because; /* NULL = none */
	struct conf_what *whats;
	size_t n_whats;
	uint32_t *hours; /* indexes into hours: a union */
	size_t n_hours;
};

enum conf_answer {
	ANSWER_UNSET,
	ANSWER_ALLOW,
	ANSWER_BLOCK,
	ANSWER_TCP /* no-name */,
	ANSWER_NO_NAME /* evasive */
};
struct conf_setting {
	enum conf_answer answer;
	uint32_t line;
	const char *text;
};

struct conf_block {
	struct conf_pos pos;
	const char *text; /* "for kids" */
	struct conf_who *who;
	size_t n_who;
	struct conf_rule *rules;
	size_t n_rules;
	struct conf_setting no_name, hidden_names, evasive;
};

enum conf_fail { FAIL_UNSET, FAIL_OPEN, FAIL_CLOSED };

struct conf {
	const char *timezone; /* NULL = none stated */
	struct conf_pos timezone_pos;
	enum conf_fail fail; /* UNSET acts as CLOSED */
	uint32_t fail_line;
	struct conf_device *devices;
	struct conf_person *persons;
	struct conf_group *groups;
	struct conf_list *lists;
	struct conf_app *apps;
	struct conf_hours *hours;
	struct conf_block *blocks;
	size_t n_devices, n_persons, n_groups, n_lists, n_apps, n_hours, n_blocks;
	bool otherwise_block;
	uint32_t otherwise_line;
	const char *otherwise_text, *otherwise_because;
};

/* As many as an image holds (decide/). */
enum {
	CONF_DEVICES_MAX = 65000,
	CONF_PARTIES_MAX = 8192 /* persons and groups */,
	CONF_LISTS_MAX = 65000
};

/* The names read from one list file (conf/listfile.h), in file order. */
struct list_names {
	struct conf_name *names;
	size_t n;
	struct conf_name *exceptions; /* @@ names of adblock, later */
	size_t n_exceptions;
	uint64_t lines, broken; /* broken lines are skipped and counted */
	uint64_t
		own; /* of these: what every hosts file says of its own machine (localhost and its like) */
	uint32_t first_broken;	/* the first that is not such a line, from 1; 0 = none */
	const char *broken_why; /* ... and what is wrong with it; static */
	bool wildcard; /* every line was *.x: x itself is meant, too, and is in (scopes are changed) */
	const char *not_text; /* with -EILSEQ: why; static */
};

/* One zone's offset changes (decide/tz.h): from `from_utc` on, local = UTC + offset_s. The first row's from_utc is INT64_MIN. */
struct tz_change {
	WIDE int64_t from_utc;
	int32_t offset_s;
};
LAYOUT(struct tz_change, 16); /* rows of the policy image */

#endif
