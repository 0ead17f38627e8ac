# How the test hosts are built: tests/hosts/X.c becomes build/tests/hosts/X. What they share
# (tests/hosts/lib/) is an archive, and only the hosts that do TLS get libssl.
# Hosts stand for somebody else's programs: no hardening, no sanitizer.

HOST_DIR    := $(BUILD)/tests/hosts
HOSTS       := $(patsubst tests/hosts/%.c,$(HOST_DIR)/%,$(wildcard tests/hosts/*.c))
HOST_LIB    := $(HOST_DIR)/lib/libhost.a
HOST_CFLAGS := -std=c11 -O1 -g -pthread -fPIE $(WARN) -D_GNU_SOURCE -MMD -MP

$(HOST_DIR)/%.o: tests/hosts/%.c
	@mkdir -p $(@D)
	$(call say,CC  )$(CC) $(HOST_CFLAGS) -c -o $@ $<

$(HOST_LIB): $(patsubst tests/hosts/%.c,$(HOST_DIR)/%.o,$(wildcard tests/hosts/lib/*.c))
	@rm -f $@
	$(call say,AR  )$(AR) rcs $@ $^

# What a host loads and unloads. Tests build HOSTS, so it is one of them.
HOSTS += $(HOST_DIR)/plugin.so
$(HOST_DIR)/plugin.so: tests/hosts/plugin/gnutls.c
	@mkdir -p $(@D)
	$(call say,HOST)$(CC) $(HOST_CFLAGS) -fPIC -shared -o $@ $<

# A TLS library that no hook sees.
HOSTS += $(HOST_DIR)/loop-static
$(HOST_DIR)/loop-static: $(HOST_DIR)/loop.o $(HOST_LIB)
	$(call say,HOST)$(CC) -pie -o $@ $< $(HOST_LIB) -Wl,-Bstatic -lssl -lcrypto -Wl,-Bdynamic -pthread -ldl

$(filter-out %-static %.so,$(HOSTS)): $(HOST_DIR)/%: $(HOST_DIR)/%.o $(HOST_LIB)
	$(call say,HOST)$(CC) -pie -o $@ $< $(HOST_LIB) -Wl,--as-needed -lssl -lcrypto $(HOST_LIBS) -pthread -ldl

# By its full name: the short one comes with the header.
$(HOST_DIR)/confined: HOST_LIBS := -l:libseccomp.so.2

-include $(wildcard $(HOST_DIR)/*.d $(HOST_DIR)/lib/*.d)
