# shakeout: see README.md for what the targets are for.
#
# Switches (make VAR=value):
#   PREFIX   where `make install` puts things (default /usr/local)
#   LIBDIR   the directory of the library below it (default PREFIX/lib/shakeout)
#   DESTDIR  staging directory of a package build
#   BUILD    where everything that is built goes (default build)
#   SAN      sanitizers to build with, as in -fsanitize=$(SAN); use another BUILD with it
#   WERROR   1 makes warnings errors (CI sets it); users of other compilers are not bothered

PREFIX  ?= /usr/local
LIBDIR  ?= $(PREFIX)/lib/shakeout
BINDIR  ?= $(PREFIX)/bin
DESTDIR ?=
BUILD   ?= build
SAN     ?=
WERROR  ?= 0
VERSION := 0.1.0

CC      ?= cc
CFLAGS  ?= -O2 -g
WARN    := -Wall -Wextra -Wformat=2 -Wformat-security -Wconversion -Wsign-conversion -Wshadow \
           -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wpointer-arith \
           -Wcast-qual -Wwrite-strings -Wundef -Wvla -Wimplicit-fallthrough -Wtrampolines \
           -Wbidi-chars=any -Werror=implicit-function-declaration -Werror=incompatible-pointer-types \
           -Werror=int-conversion -Werror=return-type
ifneq ($(shell $(CC) --version 2>/dev/null | grep -c clang),0)
WARN    := $(filter-out -Wtrampolines -Wbidi-chars=any,$(WARN))
endif
ifeq ($(WERROR),1)
WARN    += -Werror
endif
# The OpenSSF compiler options guide, as far as gcc 12 and clang 14 know them.
HARDEN  := -fstack-protector-strong -fstack-clash-protection -fno-delete-null-pointer-checks \
           -fno-strict-overflow -ftrivial-auto-var-init=zero
ifeq ($(shell uname -m),x86_64)
HARDEN  += -fcf-protection=full
endif
ifeq ($(SAN),)
HARDEN  += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
else
HARDEN  := -fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer
endif
LDHARDEN := -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,-z,defs -Wl,-z,text -Wl,--as-needed
ifneq ($(SAN),)
LDHARDEN := -fsanitize=$(SAN) -Wl,-z,noexecstack
endif

CPPFLAGS += -D_GNU_SOURCE -Ishim -DSHAKEOUT_VERSION='"$(VERSION)"' -DSHAKEOUT_LIBDIR='"$(LIBDIR)"'
ALL_CFLAGS = -std=c11 $(CFLAGS) $(WARN) $(HARDEN) -fPIC -fvisibility=hidden -pthread -MMD -MP
DEPS_OK := $(BUILD)/.deps

BASE_SRC     := $(wildcard shim/base/*.c)
WIRE_SRC     := $(wildcard shim/wire/*.c)
CORE_SRC     := $(wildcard shim/core/*.c)
HOOKS_SRC    := $(wildcard shim/hooks/*.c)
LAUNCHER_SRC := $(wildcard shim/launcher/*.c)
obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))

LIB      := $(BUILD)/libshakeout.so
LAUNCHER := $(BUILD)/shakeout

.PHONY: all clean
all: $(LIB) $(LAUNCHER)

$(BUILD)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<

# -z nodelete: OpenSSL keeps our callbacks' addresses, so the code must stay mapped for ever.
$(LIB): $(call obj,$(BASE_SRC) $(WIRE_SRC) $(CORE_SRC) $(HOOKS_SRC)) shim/exports.map
	$(CC) $(CFLAGS) -shared -o $@ $(filter %.o,$^) -Wl,-soname,libshakeout.so \
	    -Wl,--version-script=shim/exports.map -Wl,-z,nodelete $(LDHARDEN) $(LDFLAGS) -pthread -ldl

$(LAUNCHER): $(call obj,$(LAUNCHER_SRC) $(BASE_SRC))
	$(CC) $(CFLAGS) -pie -o $@ $^ $(LDHARDEN) $(LDFLAGS) -pthread -ldl

clean:
	rm -rf build dist

-include $(wildcard $(BUILD)/obj/shim/*/*.d)
