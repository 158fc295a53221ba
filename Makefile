# SPDX-License-Identifier: GPL-3.0-or-later
#
#   make            build everything into build/
#   make deps       install what building and running need and is missing (Debian 12, root); make deps-test: tests, demo
#   make demo       the guided tour on real traffic, dashboard left running (root)
#   make check      every test (root); make unit | unit32 | musl | lint | lab-test | web-test for one kind
#   make programs   real programs through the gateway: Firefox, Java, PostgreSQL and others (root)
#   make SANITIZE=address,undefined | SANITIZE=thread      the same tree with sanitizers, in a folder of its own
#   make install DESTDIR= PREFIX=      make uninstall
#   make RELEASE=yes     without the checks of invariants (include/base/invariant.h), in a folder of its own
#   make WEB=no     without the web UI (no node, no npm); the API stays
CC       ?= gcc
SANITIZE ?=
RELEASE  ?= no
PREFIX   ?= /usr/local
DESTDIR  ?=
WEB      ?= yes
VERSION  := 0.1.0

comma := ,
B := build/$(notdir $(CC))$(if $(SANITIZE),-$(subst $(comma),-,$(SANITIZE)))$(if $(filter yes,$(RELEASE)),-release)

PKGS := libnetfilter_queue libnetfilter_log libnetfilter_conntrack libmnl libnl-3.0 libnl-route-3.0 libcrypto \
	libmicrohttpd sqlite3 jansson libcurl libpcap libseccomp libcap libbpf libidn2 zlib
PKG_CFLAGS = $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS   = $(shell pkg-config --libs $(PKGS) 2>/dev/null)

WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	-Wwrite-strings -Wundef -Wformat=2 -Wno-unused-parameter -Wvla
HARD := -fPIE -fstack-protector-strong -fno-strict-aliasing -fno-common
ifeq ($(SANITIZE),)
HARD += -D_FORTIFY_SOURCE=2
OPT  := -O2
else
OPT  := -O1 -fno-omit-frame-pointer -fsanitize=$(SANITIZE)
SAN_LD := -fsanitize=$(SANITIZE)
DEFS += -DDURWARD_SANITIZE='"$(SANITIZE)"'
endif
ifeq ($(RELEASE),yes)
DEFS += -DNDEBUG
endif
# files and times of 64 bits, on machines of 32, too
DEFS    += -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64 -DDURWARD_VERSION='"$(VERSION)"'
CFLAGS_  = -std=c17 -g $(OPT) $(WARN) $(HARD) $(DEFS) -Iinclude $(PKG_CFLAGS) -MMD -MP
LDFLAGS_ = -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(SAN_LD)
LIBS     = $(PKG_LIBS) -lcrypt -lpthread -lm

LAYER_DIRS := base model netfilter identify decide conf intercept act record netsetup who load fetch supervisor dataplane controller show
LIB_SRC  := $(wildcard $(addprefix src/,$(addsuffix /*.c,$(LAYER_DIRS))))
LIB_OBJ  := $(LIB_SRC:%.c=$B/%.o) $B/web/assets_data.o
MAIN_OBJ := $(patsubst %.c,$B/%.o,$(wildcard src/main/*.c))
CTL_OBJ  := $(patsubst %.c,$B/%.o,$(wildcard src/ctl/*.c))
UNIT_SRC := $(wildcard tests/unit/*/test_*.c)
UNIT_BIN := $(UNIT_SRC:tests/unit/%.c=$B/unit/%)

LIB  := $B/libdurward.a
BINS := $(if $(MAIN_OBJ),$B/durward) $(if $(CTL_OBJ),$B/durwardctl)

all: $(LIB) $(BINS)
	@$(if $(filter build/fuzz build/coverage build/unit32 build/musl,$B),:,ln -sfn $(notdir $B) build/current)

# private headers (src/<folder>/x_int.h) are found beside their own folder's files
$B/%.o: %.c | $B/.flags
	@mkdir -p $(@D)
	@echo "  CC   $<"
	@$(CC) $(CFLAGS_) -I$(dir $<) $(CFLAGS) -c -o $@ $<

# --- the web UI: built once for all variants, then a table of bytes like any other source ---
WEB_SRC  := $(shell find web/src -type f 2>/dev/null)
WEB_DATA := build/web/assets_data-$(WEB).c

# which of the two the object holds: WEB=no after a build with it builds again
$B/web/.choice: FORCE | $B/.flags
	@mkdir -p $(@D)
	@echo $(WEB) | cmp -s - $@ || echo $(WEB) >$@

$B/web/assets_data.o: $(WEB_DATA) $B/web/.choice src/show/assets_int.h | $B/.flags
	@mkdir -p $(@D)
	@echo "  CC   $<"
	@$(CC) $(CFLAGS_) -Isrc/show $(CFLAGS) -c -o $@ $<

# exactly the versions of the lock file, no install script; what is there already is not fetched again
web/node_modules/.durward: web/package.json web/package-lock.json web/.npmrc
	@command -v npm >/dev/null || { echo "make: no npm: run 'make deps', or build without the UI: make WEB=no" >&2; exit 1; }
	@echo "  NPM  web"
	@cd web && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
	@touch $@

build/web/assets_data-yes.c: $(WEB_SRC) web/build.mjs web/node_modules/.durward
	@mkdir -p $(@D)
	@echo "  WEB  $@"
	@node web/build.mjs build/web
	@mv build/web/assets_data.c $@

build/web/assets_data-no.c: Makefile
	@mkdir -p $(@D)
	@printf '#include "assets_int.h"\nconst struct asset show_assets[1];\nconst size_t show_n_assets;\n' >$@

$(LIB): $(LIB_OBJ)
	@rm -f $@
	@ar rcs $@ $(LIB_OBJ)

$B/durward: $(MAIN_OBJ) $(LIB)
	@echo "  LD   $@"
	@$(CC) $(LDFLAGS_) $(LDFLAGS) -o $@ $(MAIN_OBJ) $(LIB) $(LIBS)

$B/durwardctl: $(CTL_OBJ) $(LIB)
	@echo "  LD   $@"
	@$(CC) $(LDFLAGS_) $(LDFLAGS) -o $@ $(CTL_OBJ) $(LIB) $(LIBS)

$B/unit/%: tests/unit/%.c $(LIB)
	@mkdir -p $(@D)
	@echo "  LD   $@"
	@$(CC) $(CFLAGS_) -Itests/unit $(CFLAGS) -Wno-missing-prototypes $(LDFLAGS_) -o $@ $< $(LIB) -lcmocka $(LIBS)

# these run the program itself
$(filter $B/unit/main/%,$(UNIT_BIN)): | $B/durward

$B/.flags:
	@mkdir -p $B
	@touch $@
	@$(if $(filter build/fuzz build/coverage build/unit32 build/musl,$B),:,ln -sfn $(notdir $B) build/current)

unit: $(UNIT_BIN)
	@tests/run-unit $(UNIT_BIN)

unit-programs: $(UNIT_BIN)

# What holds on machines with another C library or 32 bits (tests/portable/run, which says where QUIC's cryptography is).
PORTABLE_DIRS := base model identify decide
PORTABLE_SRC  := $(wildcard $(addprefix src/,$(addsuffix /*.c,$(PORTABLE_DIRS)))) \
	$(addprefix src/dataplane/,quota.c flowtab.c livetab.c)
# (test_rule_moves reads policies as text: conf/ needs libidn2)
PORTABLE_TEST := $(filter-out %/test_rule_moves.c %/test_quic.c %/test_quic_conns.c %/test_quic_crypt.c %/test_quic_captures.c, \
	$(wildcard $(patsubst %,tests/unit/%/test_*.c,$(PORTABLE_DIRS)))) $(addprefix tests/unit/dataplane/test_,flowtab.c livetab.c)
PORTABLE_BIN   = $(PORTABLE_TEST:tests/unit/%.c=$B/portable/%) $(addprefix $B/portable/,$(PORTABLE_CRYPTO))

$B/libportable.a: $(PORTABLE_SRC:%.c=$B/%.o)
	@rm -f $@
	@ar rcs $@ $^

$B/portable/%: tests/unit/%.c $B/libportable.a tests/portable/cmocka.h
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS_) -Itests/portable -Itests/unit $(CFLAGS) -Wno-missing-prototypes $(LDFLAGS_) -o $@ $< $B/libportable.a $(PKG_LIBS)

portable-programs: $(PORTABLE_BIN)

unit32 musl:
	@tests/portable/run $@

# the headers of the libraries come behind musl's own
musl-headers: $(LIB_SRC:%=build/musl/headers/%) $(patsubst %,build/musl/headers/%,$(wildcard src/main/*.c src/ctl/*.c))
build/musl/headers/%: %
	@mkdir -p $(@D)
	@musl-gcc $(filter-out -D_FORTIFY_SOURCE=2,$(CFLAGS_)) -MF $@.d -MT $@ -I$(dir $<) -Itests/portable/musl \
		-idirafter /usr/include -idirafter /usr/include/$(shell gcc -print-multiarch) -fsyntax-only $<
	@touch $@

# figures, as root; see tests/README.md
$B/bench/%: tests/bench/%.c $(LIB)
	@mkdir -p $(@D)
	@echo "  LD   $@"
	@$(CC) $(CFLAGS_) -Itests/unit -Isrc/dataplane $(CFLAGS) -Wno-missing-prototypes $(LDFLAGS_) -o $@ $< $(LIB) -lcmocka $(LIBS)

bench-live: $B/bench/live
	@$<

lint:
	@tests/lint/run

deps:
	@WEB=$(WEB) tests/deps build

# with the tests' and the demo's programs: a browser, four web servers
deps-test:
	@tests/deps test

check:
	@tests/check

lab-test: all
	@tests/deps test
	@/usr/bin/python3 -m pytest -q -p no:cacheprovider tests/lab

# the controller that the browser tests ask: tests/web/backend.c
$B/tests/web/backend: tests/web/backend.c $(LIB)
	@mkdir -p $(@D)
	@echo "  LD   $@"
	@$(CC) $(CFLAGS_) $(CFLAGS) $(LDFLAGS_) $(LDFLAGS) -o $@ $< $(LIB) $(LIBS)

programs: all
	@tests/programs

web-backend: $B/tests/web/backend

web-test: all web-backend
	@tests/deps test
	@tests/web/run

# Each row of tests/catalogue.rows: what is tested where, and what the tests said. Root; KEPT=1 takes the last lab run.
catalogue: all $(UNIT_BIN)
	@tests/deps test
	@tests/catalogue $(if $(KEPT),--kept)

demo:
	@tests/demo

# transformed first flights against real servers: make evade N=50000 SEED=7
evade: all
	@tests/deps test
	@tests/evade/run $(if $(N),-n $(N)) $(if $(SEED),--seed $(SEED))

# Every tests/fuzz/fuzz_*.c, or those of FUZZ="stream conf", for FUZZ_SECONDS each, with clang's libFuzzer and
# sanitizers; inputs that crash are kept.
FUZZ_SECONDS ?= 10
fuzz:
	@$(MAKE) -s CC=clang B=build/fuzz OPT=-O1 CFLAGS="-fsanitize=fuzzer-no-link,address,undefined -U_FORTIFY_SOURCE" \
		build/fuzz/libdurward.a
	@tests/fuzz/run $(FUZZ_SECONDS) $(FUZZ)

# Lines that the unit tests run, by folder (gcov). Fails below 95 % of src/identify. -v as V=1: by file, too.
coverage:
	@find build/coverage -name '*.gcda' -delete 2>/dev/null || true
	@$(MAKE) -s CC=gcc B=build/coverage OPT=-O1 CFLAGS=--coverage LDFLAGS=--coverage unit
	@tests/coverage build/coverage $(if $(V),-v)

clean:
	rm -rf build

.PHONY: FORCE bench-live evade fuzz all unit unit-programs portable-programs unit32 musl musl-headers lint deps deps-test check catalogue lab-test web-backend web-test programs demo clean
.SECONDARY:
-include $(shell find $B -name '*.d' 2>/dev/null)

SUB := sed -e 's|@PREFIX@|$(PREFIX)|g'
MAN := $(wildcard docs/man/*.[1-8])
install: all
	install -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/durward $(DESTDIR)/etc/durward \
		$(DESTDIR)$(PREFIX)/lib/systemd/system $(DESTDIR)$(PREFIX)/lib/sysusers.d $(DESTDIR)$(PREFIX)/lib/tmpfiles.d \
		$(DESTDIR)$(PREFIX)/share/doc/durward
	install -m 755 $B/durward $(DESTDIR)$(PREFIX)/sbin/durward
	install -m 755 $B/durwardctl $(DESTDIR)$(PREFIX)/bin/durwardctl
	install -m 755 iptables/durward-rules systemd/stopped systemd/unguard $(DESTDIR)$(PREFIX)/lib/durward/
	ln -sf ../lib/durward/durward-rules $(DESTDIR)$(PREFIX)/sbin/durward-rules
	for u in durward durward-boot-guard; do $(SUB) systemd/$$u.service > $(DESTDIR)$(PREFIX)/lib/systemd/system/$$u.service; done
	install -m 644 systemd/durward.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/durward.conf
	install -m 644 systemd/durward.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/durward.conf
	install -m 644 docs/sample.policy docs/GATEWAYS.md $(DESTDIR)$(PREFIX)/share/doc/durward/
	for m in $(MAN); do install -D -m 644 $$m $(DESTDIR)$(PREFIX)/share/man/man$${m##*.}/$${m##*/}; done

# Leaves /etc/durward and /var/lib/durward: they are yours.
uninstall:
	-test -n "$(DESTDIR)" || $(PREFIX)/lib/durward/durward-rules down
	rm -f $(DESTDIR)$(PREFIX)/sbin/durward $(DESTDIR)$(PREFIX)/sbin/durward-rules $(DESTDIR)$(PREFIX)/bin/durwardctl \
		$(DESTDIR)$(PREFIX)/lib/systemd/system/durward.service $(DESTDIR)$(PREFIX)/lib/systemd/system/durward-boot-guard.service \
		$(DESTDIR)$(PREFIX)/lib/sysusers.d/durward.conf \
		$(DESTDIR)$(PREFIX)/lib/tmpfiles.d/durward.conf
	rm -rf $(DESTDIR)$(PREFIX)/lib/durward $(DESTDIR)$(PREFIX)/share/doc/durward
	for m in $(MAN); do rm -f $(DESTDIR)$(PREFIX)/share/man/man$${m##*.}/$${m##*/}; done

.PHONY: install uninstall
