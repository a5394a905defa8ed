# The tests: included by the Makefile. `make test` installs what it needs and runs them all.

# Tests wait more than they work, and those of e2e most of all: more of them run at once than there are cores.
TEST_JOBS ?= 4
E2E_JOBS ?= $(shell expr 3 '*' $(TEST_JOBS))
# Wide enough that the last lines say why a test failed, and without warnings that would push them away.
PYTEST := COLUMNS=300 /usr/bin/python3 -m pytest -q -p no:cacheprovider --disable-warnings
# 1: what failed is run once more, after the others. CI does so, and prints what needed it; nobody else does.
RERUNS ?= 0
FUZZ_SECONDS ?= 10
FUZZ_JOBS ?= $(shell nproc)
FUZZ_CC ?= clang
FUZZ_SOURCES := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZERS := $(patsubst tests/fuzz/%.c,%,$(FUZZ_SOURCES))
REPLAYS := $(patsubst tests/fuzz/fuzz_%.c,$(BUILD)/replay/%,$(FUZZ_SOURCES))

SHIFTED_CLOCK := $(BUILD)/unit/shifted_clock.so

.PHONY: check-all
test:
	deploy/packages install test
	$(MAKE) --no-print-directory lint
	$(MAKE) --no-print-directory -j$(BUILD_JOBS) check-all
	$(MAKE) --no-print-directory fuzz

# Everything that runs the product; `make san` runs it once more with sanitizers.
check-all: all
	$(MAKE) --no-print-directory unit
	$(MAKE) --no-print-directory replay
	$(MAKE) --no-print-directory simulate SEEDS=20
	$(MAKE) --no-print-directory dialog
	$(MAKE) --no-print-directory e2e

lint:
	tests/lint/run

# Preloaded into redis-server, where a test shifts its clock; never with sanitizers.
$(UNIT_TESTS): | $(SHIFTED_CLOCK)
$(SHIFTED_CLOCK): tests/unit/shifted_clock.c tests/harness/shifted_time.h
	@mkdir -p $(@D)
	@echo "  LD  $@"
	$(Q)$(CC) -std=gnu17 -O2 $(WARNINGS) -I. -fPIC -shared -o $@ $<

# Likewise in front of Subgate's own processes (harness/stepped_clock.py).
STEPPED_CLOCK := $(BUILD)/e2e/stepped_clock.so
$(STEPPED_CLOCK): tests/e2e/stepped_clock.c tests/harness/shifted_time.h
	@mkdir -p $(@D)
	@echo "  LD  $@"
	$(Q)$(CC) -std=gnu17 -D_GNU_SOURCE -O2 $(WARNINGS) -I. -fPIC -shared -o $@ $<

# Lua's headers name what banned.h bans, and so come before it.
WITH_LUA := $(BUILD)/tests/unit/test_%.o $(BUILD)/tests/simulate/%.o $(BUILD)/tests/bench/scores%o
$(WITH_LUA): EARLY_CFLAGS = -include lua5.1/lauxlib.h -include lua5.1/lualib.h

# They are begun first, so that none is alone at the end.
UNIT_LONGEST = $(filter $(addprefix $(BUILD)/unit/test_,supervise_process auth_guess_rules audit_records gate_memory \
	relay_memory auth_login auth_ldap_failover relay_upstream_share role_gate_calls net_tls_witness),$(UNIT_TESTS))
# A program's output stands in a log beside it, and is shown when it fails.
unit: $(UNIT_TESTS)
	@printf '%s\n' $(UNIT_LONGEST) $(filter-out $(UNIT_LONGEST),$(UNIT_TESTS)) | xargs -P $(TEST_JOBS) -I% \
		sh -c 'for i in $$(seq 0 $(RERUNS)); do % >%.log 2>&1 && exit; cat %.log; echo "% FAILED"; done; exit 1'
	@passed=$$(cat $(UNIT_TESTS:=.log) | grep -c '^\[       OK \]'); \
		echo "unit: $(words $(UNIT_TESTS)) programs, $$passed tests passed"

# The relays of several nodes, with all around them, in one process and in virtual time: SEEDS runs, from FIRST on; and
# as many in which Redis loses its memory, too.
SEEDS ?= 1000
FIRST ?= 1
SIMULATE := $(BUILD)/simulate/simulate
SIMULATE_WRAPS := clock_gettime nanosleep getrandom RAND_bytes write fdatasync fsync pthread_cond_wait \
	pthread_cond_timedwait pthread_cond_signal pthread_cond_broadcast pthread_mutex_lock pthread_mutex_unlock \
	pthread_join fcntl64 fstatvfs64 time sendmsg send
.PHONY: simulate
simulate: $(SIMULATE)
	@for mode in "" -m; do \
		$(SIMULATE) $$mode -j $(TEST_JOBS) $(FIRST) $$(($(FIRST) + $(SEEDS) - 1)) >$(SIMULATE).log 2>&1 || \
			{ grep -v '^seed [0-9]*: ' $(SIMULATE).log; exit 1; }; \
		tail -n 1 $(SIMULATE).log; \
	done

$(SIMULATE): $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/simulate/*.c)) $(BUILD)/libsubgate.a
	@mkdir -p $(@D)
	@echo "  LD  $@"
	$(Q)$(CC) $(ALL_LDFLAGS) $(SIMULATE_WRAPS:%=-Wl,--wrap=%) -o $@ $^ $(LIBS) -llua5.1

# Each fuzz target once over its seeds, without libFuzzer: seconds, and a target that no longer links is seen at once.
.PHONY: replay
replay: $(REPLAYS)
	@for target in $(REPLAYS); do \
		$$target tests/fuzz/seeds/$${target##*/} >$$target.log 2>&1 || \
			{ cat $$target.log; echo "$$target FAILED"; exit 1; }; \
	done
	@passed=$$(cat $(REPLAYS:=.log) | grep -c '^\[       OK \]'); \
		echo "replay: $(words $(REPLAYS)) fuzz targets, $$passed seeds passed"

$(BUILD)/replay/%: $(BUILD)/tests/fuzz/fuzz_%.o $(BUILD)/tests/fuzz/replay.o $(BUILD)/libsubgate.a
	@mkdir -p $(@D)
	@echo "  LD  $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS) -lcmocka

# $(call run_pytest,NAME,OPTIONS): the tests in tests/NAME.
define run_pytest
@rm -f $(BUILD)/$(1).failed
@export BUILD=$(abspath $(BUILD)) FAILED=$(abspath $(BUILD)/$(1).failed) && $(PYTEST) $(2) tests/$(1) || { \
	[ $(RERUNS) != 0 ] && [ -s $(BUILD)/$(1).failed ] && sed 's/^/$(1): once more: /' $(BUILD)/$(1).failed && \
	xargs -d '\n' -a $(BUILD)/$(1).failed env -u FAILED $(PYTEST) $(2); }
endef

dialog: all
	$(call run_pytest,dialog,-n $(TEST_JOBS))

e2e: all $(BUILD)/bench/crowd $(BUILD)/readers/judge $(BUILD)/readers/names $(STEPPED_CLOCK)
	$(call run_pytest,e2e,-n $(E2E_JOBS) --dist loadgroup)

# The whole test run with AddressSanitizer and UndefinedBehaviorSanitizer; seccomp is off there only.
san:
	deploy/packages install test
	ASAN_OPTIONS=detect_leaks=1:abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1 \
		$(MAKE) --no-print-directory BUILD=$(BUILD)/san SANITIZE=address,undefined check-all

# The auth role's threads under ThreadSanitizer, in its unit tests. A thread that hangs is left behind on purpose.
.PHONY: tsan
tsan:
	deploy/packages install test
	TSAN_OPTIONS="second_deadlock_stack=1 report_thread_leaks=0" \
		$(MAKE) --no-print-directory BUILD=$(BUILD)/tsan SANITIZE=thread \
		UNIT_SOURCES="$(wildcard tests/unit/test_auth_*.c)" unit

ifeq ($(SANITIZE),thread)
$(UNIT_TESTS): $(BUILD)/tests/unit/known_join.o
endif

# libFuzzer, from seeds and a dictionary; FUZZ_SECONDS each, FUZZ_JOBS of them at once.
fuzz:
	@$(MAKE) --no-print-directory -j$(FUZZ_JOBS) BUILD=$(BUILD)/fuzz CC='$(FUZZ_CC)' CFLAGS='-O1 -g' \
		WARNINGS=-Wall SANITIZE=address,undefined,fuzzer-no-link \
		$(addprefix $(BUILD)/fuzz/,$(FUZZERS))
	@printf '%s\n' $(FUZZERS) | \
		BUILD=$(BUILD) SECONDS_EACH=$(FUZZ_SECONDS) xargs -P $(FUZZ_JOBS) -n 1 tests/fuzz/run
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

# What a message costs with Subgate, nginx and Dovecot, into the terminal; tests/bench/README.md keeps the figures.
.PHONY: bench bench-quick
bench bench-quick: all $(BUILD)/bench/sink $(BUILD)/bench/load
	deploy/packages install bench
	BUILD=$(abspath $(BUILD)) /usr/bin/python3 tests/bench/bench.py $(if $(filter bench-quick,$@),--quick)

# Whether a message costs the same, however much there is of everything else. TABLES: "connections recipients …".
.PHONY: growth
growth: all $(BUILD)/bench/sink $(BUILD)/bench/load
	deploy/packages install bench
	@BUILD=$(abspath $(BUILD)) /usr/bin/python3 tests/bench/growth.py $(TABLES)

# Instructions of a message's way, held to those kept for this compiler; RECORD=1 keeps what they are now.
.PHONY: instructions
instructions: $(BUILD)/replay/gate $(BUILD)/bench/sessions $(SIMULATE)
	@BUILD=$(abspath $(BUILD)) /usr/bin/python3 tests/bench/instructions.py $(if $(RECORD),--record)

# What a login by app password costs, among 200,000 of them.
.PHONY: logins
logins: all $(BUILD)/bench/logins
	deploy/packages install test
	@BUILD=$(abspath $(BUILD)) /usr/bin/python3 tests/bench/logins.py

# What subgatectl audit search, show and report take over 1 GB.
.PHONY: searches
searches: all
	@BUILD=$(abspath $(BUILD)) /usr/bin/python3 tests/bench/searches.py

# What each page of the console takes with 10,000 users and 1 GB of audit, 50 browsers, and mail beside them.
.PHONY: pages
pages: all $(BUILD)/bench/sink $(BUILD)/bench/load
	deploy/packages install test
	@BUILD=$(abspath $(BUILD)) /usr/bin/python3 tests/bench/pages.py

# 10,000 idle clients and 600 that are slow or stuck: what they cost, and what another client notices of them.
.PHONY: scale
scale: all $(BUILD)/bench/crowd
	deploy/packages install test
	@SUBGATE_CROWD=10000 BUILD=$(abspath $(BUILD)) /usr/bin/python3 -m pytest -q -s -p no:cacheprovider \
		tests/e2e/test_crowd.py >$(BUILD)/scale.log 2>&1 || { cat $(BUILD)/scale.log; exit 1; }
	@grep -E 'idle authenticated|a message:|passed' $(BUILD)/scale.log

# OpenLDAP, Active Directory and 389 Directory Server: which case holds at which of them.
.PHONY: directories
directories: all
	deploy/packages install test
	@SUBGATE_DIRECTORIES=1 BUILD=$(abspath $(BUILD)) $(PYTEST) -n $(E2E_JOBS) --dist loadgroup \
		tests/e2e/test_companies.py tests/e2e/test_people.py tests/e2e/test_directory_test.py

# Who may run which command in the console's API: the table, as it was tried.
.PHONY: roles
roles: all
	deploy/packages install test
	@BUILD=$(abspath $(BUILD)) $(PYTEST) -s tests/e2e/test_console_roles.py

# The pages of the console in the eyes of axe-core, which npm has and Debian has not.
.PHONY: axe
axe: all
	deploy/packages install test
	npm install --silent --no-audit --no-fund --prefix $(BUILD)/axe axe-core
	@SUBGATE_AXE=$(abspath $(BUILD))/axe/node_modules/axe-core/axe.min.js BUILD=$(abspath $(BUILD)) $(PYTEST) -s \
		tests/e2e/test_console_browser.py >$(BUILD)/axe.log 2>&1 || { cat $(BUILD)/axe.log; exit 1; }
	@grep -oE 'axe: .*|[0-9]+ passed.*' $(BUILD)/axe.log | sort | uniq -c

# Logins of 1,000 sessions, caps under 200 clients, a relay killed amid 200 transactions of 5 MiB: the figures.
.PHONY: upstreams
upstreams: all
	deploy/packages install test
	@SUBGATE_UPSTREAMS=1 BUILD=$(abspath $(BUILD)) /usr/bin/python3 -m pytest -q -s -p no:cacheprovider \
		tests/e2e/test_upstream_load.py >$(BUILD)/upstreams.log 2>&1 || { cat $(BUILD)/upstreams.log; exit 1; }
	@grep -E 'figure:|passed' $(BUILD)/upstreams.log

# Three nodes and 180 sessions against one limit, ten times; two zones; clocks that step: what was accepted and counted.
.PHONY: quotas kills
quotas: all $(STEPPED_CLOCK)
	deploy/packages install test
	@SUBGATE_QUOTAS=1 BUILD=$(abspath $(BUILD)) /usr/bin/python3 -m pytest -q -s -p no:cacheprovider \
		tests/e2e/test_quota_crowd.py >$(BUILD)/quotas.log 2>&1 || { cat $(BUILD)/quotas.log; exit 1; }
	@grep -E 'figure:|passed' $(BUILD)/quotas.log

# Gates, relay and Redis killed 200 times under load, and what the books say then.
KILLS ?= 200
kills: all
	deploy/packages install test
	@SUBGATE_KILLS=$(KILLS) BUILD=$(abspath $(BUILD)) /usr/bin/python3 -m pytest -q -s -p no:cacheprovider \
		tests/e2e/test_kills.py >$(BUILD)/kills.log 2>&1 || { cat $(BUILD)/kills.log; exit 1; }
	@grep -E 'figure:|passed' $(BUILD)/kills.log

# A month of a company's mail against the score of unusual sending: false locks, and how far a thief gets.
SCORE_SEEDS ?= 1 2 3
.PHONY: scores
scores: $(BUILD)/bench/scores
	@for seed in $(SCORE_SEEDS); do $< $$seed || exit 1; done
$(BUILD)/bench/scores: $(BUILD)/tests/bench/scores.o $(BUILD)/libsubgate.a
	@mkdir -p $(@D)
	@echo "  LD  $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS) -llua5.1

$(BUILD)/bench/sessions: $(BUILD)/tests/bench/sessions.o $(BUILD)/libsubgate.a
	@mkdir -p $(@D)
	@echo "  LD  $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS) -lcmocka

# A Redis primary is killed, cut off or frozen so often, under load, and Sentinels name another.
FAILOVERS ?= 20
.PHONY: failovers
failovers: all
	deploy/packages install test
	@SUBGATE_FAILOVERS=$(FAILOVERS) BUILD=$(abspath $(BUILD)) /usr/bin/python3 -m pytest -q -s -p no:cacheprovider \
		tests/e2e/test_failovers.py >$(BUILD)/failovers.log 2>&1 || { cat $(BUILD)/failovers.log; exit 1; }
	@grep -E 'figure:|passed' $(BUILD)/failovers.log

$(BUILD)/bench/%: $(BUILD)/tests/bench/%.o
	@mkdir -p $(@D)
	@echo "  LD  $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lssl -lcrypto -lpthread

# Say what Subgate makes of From: fields and of names, for tests/e2e/test_from_readers.py and test_names.py.
$(BUILD)/readers/%: $(BUILD)/tests/readers/%.o $(BUILD)/libsubgate.a
	@mkdir -p $(@D)
	@echo "  LD  $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)
