# shakeout: `make help` lists the targets.
#
# Switches (make VAR=value):
#   PREFIX        where `make install` puts things; the command looks for the library below it (/usr/local)
#   LIBDIR        the directory of the library (PREFIX/lib/shakeout)
#   BINDIR        the directory of the command (PREFIX/bin)
#   MANDIR, BASHDIR, ZSHDIR  where the manual and the completion of bash and zsh go (PREFIX/share/...)
#   DESTDIR       staging directory of a package build (none)
#   BUILD         where everything that is built goes (build)
#   WERROR        1 makes warnings errors; CI sets it, users of other compilers are not bothered (0)
#   SAN           sanitizers of the library, as in -fsanitize=$(SAN); needs a BUILD of its own (none)
#   DEPS          0 keeps demo, check, lint and bench from installing Debian packages (1)
#   JOBS          how many tests run at once; they mostly sleep (twice the processors and two; with a
#                 sanitizer the processors and one)
#   FILTER        a regular expression: only the tests with such a name (all)
#   BATS          the bats files that check-asan and check-tsan run (all)
#   FUZZ_SECONDS  how long each fuzz target runs (5)
#   STRESS_SECONDS  how long clients come in make stress, to each server (120)
#   REQUIRE_ALL   1 makes a test that is skipped for a missing package a failure; CI sets it (0)
#   V             1 shows the whole commands (0)
#   CC, CFLAGS, CPPFLAGS, LDFLAGS as everywhere; gcc and clang both work.

VERSION      := 0.1.0
PREFIX       ?= /usr/local
LIBDIR       ?= $(PREFIX)/lib/shakeout
BINDIR       ?= $(PREFIX)/bin
MANDIR       ?= $(PREFIX)/share/man
BASHDIR      ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR       ?= $(PREFIX)/share/zsh/site-functions
DESTDIR      ?=
BUILD        ?= build
WERROR       ?= 0
SAN          ?=
DEPS         ?= 1
BATS         ?= bats
FUZZ_SECONDS ?= 5
STRESS_SECONDS ?= 120
FILTER       ?=
REQUIRE_ALL  ?= 0
JOBS         ?= $(shell expr 2 \* $$(nproc) + 2)
CFLAGS       ?= -O2 -g
FUZZ_CC      ?= clang
V            ?= 0

ifneq ($(V),1)
say = @echo '  $(1) $(patsubst $(BUILD)/%,%,$@)';
endif

# ---- Flags ---------------------------------------------------------------------------------------

# $(call supported,FLAG...): those of the flags that this compiler knows.
supported = $(foreach f,$(1),$(shell $(CC) -Werror $(f) -c -x c /dev/null -o /dev/null 2>/dev/null && echo $(f)))

WARN := -Wall -Wextra -Wformat=2 -Wconversion -Wsign-conversion -Wshadow -Wstrict-prototypes \
        -Wmissing-prototypes -Wold-style-definition -Wpointer-arith -Wcast-qual -Wwrite-strings \
        -Wundef -Wvla -Wimplicit-fallthrough -Werror=format-security -Werror=implicit \
        -Werror=incompatible-pointer-types -Werror=int-conversion -Werror=return-type \
        $(call supported,-Wtrampolines -Wbidi-chars=any -Wduplicated-cond -Wlogical-op)
ifeq ($(WERROR),1)
WARN += -Werror
endif
# The sanitizers' rewriting makes gcc warn of conversions that are not in the source, and of what a
# function reads that glibc declares as written only (poll).
SAN_WARN := $(filter-out -Wconversion -Wsign-conversion,$(WARN)) $(call supported,-Wno-maybe-uninitialized)

# The OpenSSF compiler options hardening guide, as far as the compiler knows it. Not taken from it:
# -fexceptions, which would make the library need libgcc_s for clean-up code that it does not have.
ifeq ($(SAN),)
HARDEN := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong \
          -fno-delete-null-pointer-checks -fno-strict-overflow -fno-strict-aliasing \
          $(call supported,-fstack-clash-protection -ftrivial-auto-var-init=zero \
            -fstrict-flex-arrays=3 -fcf-protection=full -mbranch-protection=standard)
LDHARDEN := -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,-z,text -Wl,-z,defs -Wl,--as-needed \
            -Wl,--no-copy-dt-needed-entries
else
# No -z defs: the sanitizer's runtime is preloaded, clang's would not even be named in the library.
HARDEN   := -fsanitize=$(SAN) -fno-sanitize-recover=undefined -fno-omit-frame-pointer
LDHARDEN := -fsanitize=$(SAN) -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack
endif

# initial-exec: thread-local data must not be allocated lazily inside a hook, which may run in a
# signal handler or in a vfork child. A preloaded library is always there at start, as it demands.
CODEGEN := -std=c11 -fPIC -fvisibility=hidden -ftls-model=initial-exec -pthread

# nodelete: OpenSSL keeps the addresses of our callbacks. nodlopen: loaded late, it would see half
# of what the program does.
LIB_LDFLAGS := -shared -Wl,-soname,libshakeout.so -Wl,--version-script=shim/exports.map \
               -Wl,-z,nodelete -Wl,-z,nodlopen

DEFINES      := -D_GNU_SOURCE -Ishim -DSHAKEOUT_VERSION='"$(VERSION)"' -DSHAKEOUT_LIBDIR='"$(LIBDIR)"'
ALL_CPPFLAGS := $(DEFINES) $(CPPFLAGS) -MMD -MP
ALL_CFLAGS   := $(CODEGEN) $(CFLAGS) $(if $(SAN),$(SAN_WARN),$(WARN)) $(HARDEN)
SAN_FLAGS    := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
UNIT_CFLAGS  := $(CODEGEN) -O1 -g $(SAN_WARN) $(SAN_FLAGS)

# ---- Files ---------------------------------------------------------------------------------------

PURE_SRC     := $(wildcard shim/base/*.c shim/wire/*.c shim/core/*.c)
LIB_SRC      := $(PURE_SRC) $(wildcard shim/hooks/*.c)
LAUNCHER_SRC := $(wildcard shim/launcher/*.c shim/base/*.c)
UNIT_SRC     := $(PURE_SRC) $(filter-out %/main.c,$(wildcard shim/launcher/*.c))
FUZZED       := $(wildcard shim/base/*.c shim/wire/*.c) shim/launcher/snapshot.c

LIB      := $(BUILD)/libshakeout.so
LAUNCHER := $(BUILD)/shakeout
UNITS    := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/test_*.c))
FUZZERS  := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/fuzz/fuzz_*.c))

obj     = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
san_obj = $(patsubst %.c,$(BUILD)/san/%.o,$(1))

# What `make lint` and `make format` look at.
C_FILES = $(shell find shim tests -name '*.[ch]')

# ---- Building ------------------------------------------------------------------------------------

.PHONY: all manual
all: $(LIB) $(LAUNCHER) manual
.DELETE_ON_ERROR:

# Rewritten when a flag changes, so that everything is built again then.
FLAGS := $(BUILD)/flags
.PHONY: FORCE
$(FLAGS): FORCE
	$(shell mkdir -p $(@D))$(file >$@.new,$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(LDFLAGS) $(LDHARDEN) $(LIB_LDFLAGS))
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

$(BUILD)/obj/%.o: %.c $(FLAGS)
	@mkdir -p $(@D)
	$(call say,CC  )$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<

$(LIB): $(call obj,$(LIB_SRC)) shim/exports.map
	$(call say,LINK)$(CC) $(CFLAGS) $(LIB_LDFLAGS) $(LDHARDEN) $(LDFLAGS) -o $@ $(filter %.o,$^) -pthread -ldl

$(LAUNCHER): $(call obj,$(LAUNCHER_SRC))
	$(call say,LINK)$(CC) $(CFLAGS) -pie $(LDHARDEN) $(LDFLAGS) -o $@ $^ -pthread -ldl

# The manual, with the path of the library that is installed.
MANUAL := $(BUILD)/man/shakeout.1 $(BUILD)/man/shakeout.7
manual: $(MANUAL)

$(BUILD)/man/%: shim/man/% $(FLAGS)
	@mkdir -p $(@D)
	$(call say,MAN )sed 's,/usr/local/lib/shakeout,$(LIBDIR),g' $< >$@

# Unit tests, with the sanitizers; the archive gives each program only what it needs.
$(BUILD)/san/%.o: %.c $(FLAGS)
	@mkdir -p $(@D)
	$(call say,CC  )$(CC) $(ALL_CPPFLAGS) $(UNIT_CFLAGS) -c -o $@ $<

$(BUILD)/san/libpure.a: $(call san_obj,$(UNIT_SRC))
	@rm -f $@
	$(call say,AR  )$(AR) rcs $@ $^

# Functions that a test puts its own in the place of: its __wrap_X() for X() (ld(1), --wrap).
$(BUILD)/tests/unit/test_sources: private WRAPPED := clock_gettime getpeername
$(BUILD)/tests/unit/test_evict: private WRAPPED := examine_early
$(BUILD)/tests/unit/test_session: private WRAPPED := kernel_look pthread_create
$(BUILD)/tests/unit/test_examine: private WRAPPED := kernel_look

$(BUILD)/tests/unit/%: $(BUILD)/san/tests/unit/%.o $(BUILD)/san/libpure.a
	@mkdir -p $(@D)
	$(call say,LINK)$(CC) $(SAN_FLAGS) $(addprefix -Xlinker --wrap=,$(WRAPPED)) -o $@ $^ \
	    -lcmocka -pthread -ldl

# The one with many threads has ThreadSanitizer instead. It does not know fences (-Wno-tsan); those of
# core only order what the word of a record decides anyway.
THREADED := $(addprefix shim/core/,conn.c fdmap.c pending.c)
$(BUILD)/tests/unit/test_threads: tests/unit/test_threads.c $(THREADED) $(wildcard shim/*/*.h) $(FLAGS)
	@mkdir -p $(@D)
	$(call say,TSAN)$(CC) $(DEFINES) $(CODEGEN) -O1 -g $(SAN_WARN) $(call supported,-Wno-tsan) \
	    -fsanitize=thread -o $@ tests/unit/test_threads.c $(THREADED) -lcmocka

# Fuzz targets: libFuzzer is clang's.
$(BUILD)/tests/fuzz/%: tests/fuzz/%.c $(FUZZED) $(wildcard shim/base/*.h shim/wire/*.h) $(FLAGS)
	@mkdir -p $(@D)
	$(call say,FUZZ)$(FUZZ_CC) $(DEFINES) -std=c11 -O1 -g -fsanitize=fuzzer,address,undefined \
	    -fno-sanitize-recover=all -o $@ $< $(FUZZED) -pthread -ldl

include tests/hosts/hosts.mk
include tests/bench/bench.mk

.SECONDARY:
-include $(wildcard $(BUILD)/obj/shim/*/*.d $(BUILD)/san/shim/*/*.d $(BUILD)/san/tests/unit/*.d)

# ---- Running -------------------------------------------------------------------------------------

ifeq ($(DEPS),1)
install_deps = scripts/install-deps $(1)
else
install_deps = @:
endif
run_tests = JOBS='$(JOBS)' FILTER='$(FILTER)' FUZZ_SECONDS='$(FUZZ_SECONDS)' REQUIRE_ALL='$(REQUIRE_ALL)' tests/run

# Each target that needs packages installs them first and builds in a make of its own afterwards.
.PHONY: help demo check unit fuzz check-asan check-tsan check-servers stress bench bench-flood
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## */  make \1\t/p' Makefile | expand -t 22
	@echo; sed -n '3,/^$$/s/^# \{0,1\}//p' Makefile

demo: ## a real TLS server, telnet stalling against it, with and without the library
	$(call install_deps,demo)
	@$(MAKE) --no-print-directory all
	scripts/smoke-telnet

check: ## every test: unit, a short fuzz run, the clients against the usual servers
	$(call install_deps,check)
	@$(MAKE) --no-print-directory all units fuzzers hosts benches
	@$(run_tests) unit fuzz bats

unit: ## the unit tests
	@$(MAKE) --no-print-directory units
	@$(run_tests) unit

fuzz: ## the fuzz targets, FUZZ_SECONDS each
	@$(MAKE) --no-print-directory fuzzers
	@$(run_tests) fuzz

# A sanitizer's processes keep the processors busy.
check-asan check-tsan: JOBS := $(if $(filter file,$(origin JOBS)),$(shell expr $$(nproc) + 1),$(JOBS))

check-asan: ## the bats tests on a library built with AddressSanitizer and UBSan
	$(call install_deps,check)
	@$(MAKE) --no-print-directory all hosts benches
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/asan SAN=address,undefined all
	@TESTED_LIB='$(abspath $(BUILD)/asan/libshakeout.so)' TESTED_SAN=address $(run_tests) $(BATS)

check-tsan: ## the same with ThreadSanitizer
	$(call install_deps,check)
	@$(MAKE) --no-print-directory all hosts benches
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/tsan SAN=thread all
	@TESTED_LIB='$(abspath $(BUILD)/tsan/libshakeout.so)' TESTED_SAN=thread $(run_tests) $(BATS)

check-servers: ## every server there is a start script for, installing them all
	$(call install_deps,servers)
	@$(MAKE) --no-print-directory all hosts
	@ALL_SERVERS=1 $(run_tests) tests/servers.bats tests/recipes.bats

stress: ## thousands of random clients for two minutes against each of two servers
	$(call install_deps,check)
	@$(MAKE) --no-print-directory all hosts
	@STRESS_SECONDS='$(STRESS_SECONDS)' TEST_TIMEOUT=$$(($(STRESS_SECONDS) + 120)) $(run_tests) tests/stress.bats

bench: ## what the library costs
	$(call install_deps,bench)
	@$(MAKE) --no-print-directory all benches
	scripts/bench $(BENCH)

bench-flood: ## whether servers stay reachable in a flood (hours; BENCH=--headline: an hour, --quick: a minute)
	$(call install_deps,bench-flood)
	@$(MAKE) --no-print-directory all benches
	scripts/bench-flood $(BENCH)

.PHONY: units fuzzers hosts benches
units: $(UNITS)
fuzzers: $(FUZZERS)
hosts: $(HOSTS) benches
benches: $(BENCHES)

# ---- Source --------------------------------------------------------------------------------------

.PHONY: lint format
lint: ## clang-format, clang-tidy, cppcheck, shellcheck, mandoc
	$(call install_deps,lint)
	@scripts/lint $(DEFINES) -- $(C_FILES)

format: ## lay out every C file as .clang-format says
	clang-format -i $(C_FILES)

# ---- Installing ----------------------------------------------------------------------------------

.PHONY: install uninstall dist deb check-deb clean
install: all ## to PREFIX (/usr/local), below DESTDIR
	install -d '$(DESTDIR)$(LIBDIR)' '$(DESTDIR)$(BINDIR)' '$(DESTDIR)$(MANDIR)/man1' \
	    '$(DESTDIR)$(MANDIR)/man7' '$(DESTDIR)$(BASHDIR)' '$(DESTDIR)$(ZSHDIR)'
	install -m 644 $(LIB) '$(DESTDIR)$(LIBDIR)/libshakeout.so'
	install -m 755 $(LAUNCHER) '$(DESTDIR)$(BINDIR)/shakeout'
	install -m 644 $(BUILD)/man/shakeout.1 '$(DESTDIR)$(MANDIR)/man1/shakeout.1'
	install -m 644 $(BUILD)/man/shakeout.7 '$(DESTDIR)$(MANDIR)/man7/shakeout.7'
	install -m 644 shim/completion/shakeout.bash '$(DESTDIR)$(BASHDIR)/shakeout'
	install -m 644 shim/completion/_shakeout '$(DESTDIR)$(ZSHDIR)/_shakeout'

uninstall: ## take away what install put there
	rm -f '$(DESTDIR)$(LIBDIR)/libshakeout.so' '$(DESTDIR)$(BINDIR)/shakeout' \
	    '$(DESTDIR)$(MANDIR)/man1/shakeout.1' '$(DESTDIR)$(MANDIR)/man7/shakeout.7' \
	    '$(DESTDIR)$(BASHDIR)/shakeout' '$(DESTDIR)$(ZSHDIR)/_shakeout'
	@if [ -d '$(DESTDIR)$(LIBDIR)' ]; then rmdir --ignore-fail-on-non-empty '$(DESTDIR)$(LIBDIR)'; fi

dist: ## a source archive of the last commit in dist/
	@mkdir -p dist
	git archive --format=tar --prefix=shakeout-$(VERSION)/ HEAD | gzip -n9 >dist/shakeout-$(VERSION).tar.gz

deb: ## Debian packages in build/deb
	$(call install_deps,deb)
	scripts/make-deb '$(VERSION)' '$(BUILD)/deb'

check-deb: ## the Debian packages, installed on this machine and purged again
	$(call install_deps,check deb)
	@ALL_SERVERS=1 $(run_tests) tests/deb.bats

clean: ## remove everything that was built
	rm -rf build dist
