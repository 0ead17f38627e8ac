# How the programs of `make bench` are built: tests/bench/X.c becomes build/tests/bench/X, with what
# the test hosts share. -O2, for they are measured.

BENCH_DIR := $(BUILD)/tests/bench
BENCHES   := $(patsubst tests/bench/%.c,$(BENCH_DIR)/%,$(wildcard tests/bench/*.c))

$(BENCHES): $(BENCH_DIR)/%: tests/bench/%.c $(HOST_LIB)
	@mkdir -p $(@D)
	$(call say,CC  )$(CC) $(HOST_CFLAGS) -O2 -Itests/hosts -pie -o $@ $< $(HOST_LIB) \
	    -Wl,--as-needed -lssl -lcrypto -pthread -ldl

-include $(wildcard $(BENCH_DIR)/*.d)
