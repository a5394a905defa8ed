# The tests: included by the Makefile. `make test` installs what it needs and runs them all.

# Tests wait more than they work: more of them run at once than there are cores.
TEST_JOBS ?= 4
PYTEST := /usr/bin/python3 -m pytest -q -p no:cacheprovider -n $(TEST_JOBS) -W "ignore:Requiring AUTH"
FUZZ_SECONDS ?= 10
FUZZ_JOBS ?= $(shell nproc)
FUZZ_CC ?= clang
FUZZ_SOURCES := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZERS := $(patsubst tests/fuzz/%.c,%,$(FUZZ_SOURCES))

SHIFTED_CLOCK := $(BUILD)/unit/shifted_clock.so

.PHONY: check-all
test:
	deploy/packages install test
	$(MAKE) --no-print-directory lint
	$(MAKE) --no-print-directory check-all
	$(MAKE) --no-print-directory fuzz

# Everything that runs the product; `make san` runs it once more with sanitizers.
check-all: all
	$(MAKE) --no-print-directory unit
	$(MAKE) --no-print-directory dialog
	$(MAKE) --no-print-directory e2e

lint:
	tests/lint/run

# Preloaded into redis-server, where a test shifts its clock; never with sanitizers.
$(BUILD)/unit/test_quota_days $(BUILD)/unit/test_quota_budget: | $(SHIFTED_CLOCK)
$(SHIFTED_CLOCK): tests/unit/shifted_clock.c
	@mkdir -p $(@D)
	@echo "  LD  $@"
	$(Q)$(CC) -std=gnu17 -O2 $(WARNINGS) -fPIC -shared -o $@ $<

# A program's output stands in a log beside it, and is shown when it fails.
unit: $(UNIT_TESTS)
	@printf '%s\n' $(UNIT_TESTS) | xargs -P $(TEST_JOBS) -I% sh -c '% >%.log 2>&1 || { cat %.log; echo "% FAILED"; exit 1; }'
	@echo "unit: $(words $(UNIT_TESTS)) programs, $$(cat $(UNIT_TESTS:=.log) | grep -c '^\[       OK \]') tests passed"

dialog: all
	BUILD=$(abspath $(BUILD)) $(PYTEST) tests/dialog

e2e: all $(BUILD)/bench/crowd $(BUILD)/readers/judge
	BUILD=$(abspath $(BUILD)) $(PYTEST) tests/e2e

# The whole test run with AddressSanitizer and UndefinedBehaviorSanitizer; seccomp is off there only.
san:
	deploy/packages install test
	ASAN_OPTIONS=detect_leaks=1:abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1 \
		$(MAKE) --no-print-directory BUILD=$(BUILD)/san SANITIZE=address,undefined check-all

# libFuzzer, from seeds and a dictionary; FUZZ_SECONDS each, FUZZ_JOBS of them at once.
fuzz:
	@$(MAKE) --no-print-directory -j$(FUZZ_JOBS) BUILD=$(BUILD)/fuzz CC='$(FUZZ_CC)' CFLAGS='-O1 -g' WARNINGS=-Wall \
		SANITIZE=address,undefined,fuzzer-no-link \
		$(addprefix $(BUILD)/fuzz/,$(FUZZERS))
	@printf '%s\n' $(FUZZERS) | BUILD=$(BUILD) SECONDS_EACH=$(FUZZ_SECONDS) xargs -P $(FUZZ_JOBS) -n 1 tests/fuzz/run
	@echo "fuzz: $(words $(FUZZERS)) targets passed, 0 failed"

$(BUILD)/fuzz_%: $(BUILD)/tests/fuzz/fuzz_%.o $(BUILD)/libsubgate.a
	@echo "  LD  $@"
	$(Q)$(CC) -fsanitize=fuzzer $(ALL_LDFLAGS) -o $@ $^ $(LIBS) -lcmocka

# `make demo` and `make test` in a fresh root of each suite. IF_IMPOSSIBLE=pass: where there can be none, no failure.
SUITE ?= bookworm trixie
IF_IMPOSSIBLE ?= fail
.PHONY: bare
bare:
	deploy/packages install bare
	@BUILD=$(abspath $(BUILD)) IF_IMPOSSIBLE=$(IF_IMPOSSIBLE) tests/bare/run $(SUITE)

# What a message costs, into the terminal; tests/bench/README.md keeps the figures.
.PHONY: bench
bench: all $(BUILD)/bench/sink $(BUILD)/bench/load
	deploy/packages install bench
	BUILD=$(abspath $(BUILD)) /usr/bin/python3 tests/bench/bench.py

# 10,000 idle clients and 600 that are slow or stuck: what they cost, and what another client notices of them.
.PHONY: scale
scale: all $(BUILD)/bench/crowd
	deploy/packages install test
	@SUBGATE_CROWD=10000 BUILD=$(abspath $(BUILD)) /usr/bin/python3 -m pytest -q -s -p no:cacheprovider \
		tests/e2e/test_crowd.py >$(BUILD)/scale.log 2>&1 || { cat $(BUILD)/scale.log; exit 1; }
	@grep -E 'idle authenticated|a message:|passed' $(BUILD)/scale.log

# Logins of 1,000 sessions, caps under 200 clients, a relay killed amid 200 transactions of 5 MiB: the figures.
.PHONY: upstreams
upstreams: all
	deploy/packages install test
	@SUBGATE_UPSTREAMS=1 BUILD=$(abspath $(BUILD)) /usr/bin/python3 -m pytest -q -s -p no:cacheprovider \
		tests/e2e/test_upstream_load.py >$(BUILD)/upstreams.log 2>&1 || { cat $(BUILD)/upstreams.log; exit 1; }
	@grep -E 'figure:|passed' $(BUILD)/upstreams.log

$(BUILD)/bench/%: $(BUILD)/tests/bench/%.o
	@mkdir -p $(@D)
	@echo "  LD  $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lssl -lcrypto -lpthread

# Says what Subgate makes of From: fields, for tests/e2e/test_from_readers.py.
$(BUILD)/readers/%: $(BUILD)/tests/readers/%.o $(BUILD)/libsubgate.a
	@mkdir -p $(@D)
	@echo "  LD  $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)
