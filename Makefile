# Subgate. `make demo` shows it, `make test` proves it, `make install` installs it.

BUILD   ?= build
PREFIX  ?= /usr/local
DESTDIR ?=
SANITIZE ?=
VERSION := 0.1.0

ifeq ($(origin CC),default)
CC := gcc
endif
BUILD_JOBS ?= $(shell nproc)
# V=1 shows the commands.
Q := $(if $(V),,@)
PACKAGES := libssl libcrypto hiredis libconfuse jansson libcares libmicrohttpd gnutls libseccomp libcurl cjose libidn2 \
	zlib libzstd
WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wvla -Wswitch-enum -Werror
HARDEN   := -fstack-protector-strong -fPIE -fno-plt
CFLAGS   ?= -O2 -g
PACKAGE_CFLAGS := $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
PACKAGE_LIBS := $(shell pkg-config --libs $(PACKAGES) 2>/dev/null)
ALL_CFLAGS = -std=gnu17 -D_GNU_SOURCE $(EARLY_CFLAGS) -DSUBGATE_VERSION='"$(VERSION)"' $(CFLAGS) $(WARNINGS) $(HARDEN) \
	$(SANITIZE_CFLAGS) -include proxy/base/banned.h -Iproxy -I. -I$(BUILD)/generated $(PACKAGE_CFLAGS)
ALL_LDFLAGS = -pie -Wl,--as-needed,-z,relro,-z,now $(LDFLAGS) $(SANITIZE_CFLAGS)
LIBS = $(PACKAGE_LIBS) -lunistring -lldap -llber -lev -lresolv -lpthread -lm

ifneq ($(SANITIZE),)
SANITIZE_CFLAGS := -fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all -DSUBGATE_SANITIZED=1
else
SANITIZE_CFLAGS := -D_FORTIFY_SOURCE=2
endif

SOURCES    := $(sort $(wildcard proxy/*/*.c proxy/*/*/*.c auth/*.c auth/*/*.c))
MAINS      := proxy/supervise/main.c proxy/admin/subgatectl.c
LIB_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(filter-out $(MAINS),$(SOURCES)))
SCRIPTS    := $(patsubst proxy/%.lua,$(BUILD)/generated/%.lua.h,$(sort $(wildcard proxy/*/*.lua))) \
	$(patsubst auth/%.lua,$(BUILD)/generated/auth/%.lua.h,$(sort $(wildcard auth/*.lua auth/*/*.lua))) \
	$(patsubst tests/%.lua,$(BUILD)/generated/tests/%.lua.h,$(sort $(wildcard tests/*/*.lua)))
PAGES      := $(sort $(foreach kind,html words css js svg,$(wildcard proxy/console/pages/*.$(kind))))
SCRIPTS    += $(BUILD)/generated/console/pages/all.h
UNIT_SOURCES := $(sort $(wildcard tests/unit/test_*.c))
UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(UNIT_SOURCES))

.PHONY: all scripts test unit dialog e2e lint fuzz san demo run install clean
all: $(BUILD)/subgate $(BUILD)/subgatectl

$(BUILD)/subgate: $(BUILD)/proxy/supervise/main.o $(BUILD)/libsubgate.a
	@echo "  LD  $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/subgatectl: $(BUILD)/proxy/admin/subgatectl.o $(BUILD)/libsubgate.a
	@echo "  LD  $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/libsubgate.a: $(LIB_OBJECTS)
	@echo "  AR  $@"
	@rm -f $@
	$(Q)ar rcs $@ $^

$(BUILD)/%.o: %.c | $(SCRIPTS)
	@mkdir -p $(@D)
	@echo "  CC  $<"
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# A Lua script becomes a C string literal of the same lines.
scripts: $(SCRIPTS)
LUA_TO_C = sed 's/\\/\\\\/g; s/"/\\"/g; s/^/"/; s/$$/\\n"/' $< > $@
$(BUILD)/generated/auth/%.lua.h: auth/%.lua
	@mkdir -p $(@D)
	$(Q)$(LUA_TO_C)
$(BUILD)/generated/tests/%.lua.h: tests/%.lua
	@mkdir -p $(@D)
	$(Q)$(LUA_TO_C)
$(BUILD)/generated/%.lua.h: proxy/%.lua
	@mkdir -p $(@D)
	$(Q)$(LUA_TO_C)

# What pages of the console are made of, and what they load: one header of texts.
$(BUILD)/generated/console/pages/all.h: $(PAGES) proxy/console/pages
	@mkdir -p $(@D)
	$(Q)for file in $(PAGES); do echo "PAGES_FILE(\"$${file##*/}\","; \
		sed 's/\\/\\\\/g; s/"/\\"/g; s/^/"/; s/$$/\\n"/' $$file; echo ")"; done > $@

# ---- tests

$(BUILD)/unit/%: $(BUILD)/tests/unit/%.o $(BUILD)/libsubgate.a
	@mkdir -p $(@D)
	@echo "  LD  $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS) -lcmocka -llua5.1

.SECONDARY:
include $(wildcard tests/tests.mk deploy/deploy.mk)

clean:
	rm -rf $(BUILD)

# Not those of the bare roots, which are no files of make.
-include $(shell find $(BUILD) -name 'bare-*' -prune -o -type f -name '*.d' -print 2>/dev/null)
