# Showing and installing: included by the Makefile.

DEMO := env BUILD=$(abspath $(BUILD)) /usr/bin/python3 deploy/demo/demo.py

# Installs what it needs, builds, and shows two mails go through; leaves nothing running.
demo:
	deploy/packages install demo
	$(MAKE) --no-print-directory -j$(BUILD_JOBS) all
	@exec $(DEMO)

# The same, and stays, with the settings to type into a mail client. Ctrl-C ends it.
run:
	deploy/packages install demo
	$(MAKE) --no-print-directory -j$(BUILD_JOBS) all
	@exec $(DEMO) --stay

# Manual pages: what programs and files have of their own reference is made from that.
MAN_PAGES := $(patsubst deploy/man/%.in,$(BUILD)/man/%,$(sort $(wildcard deploy/man/*.in)))
.PHONY: man
man: $(MAN_PAGES)
$(BUILD)/man/subgatectl.8: conf/commands.md
$(BUILD)/man/subgate.conf.5: conf/options.md
$(BUILD)/man/%: deploy/man/%.in deploy/man/reference.awk
	@mkdir -p $(@D)
	$(Q)cat $(filter %.md,$^) </dev/null | awk -f deploy/man/reference.awk >$@.reference
	$(Q)sed -e 's|@VERSION@|$(VERSION)|' -e '/@REFERENCE@/{' -e 'r $@.reference' -e 'd' -e '}' $< >$@

INTO = $(DESTDIR)$(PREFIX)

install: all man
	install -d $(INTO)/sbin $(INTO)/bin $(INTO)/share/doc/subgate/examples
	install -m 0755 $(BUILD)/subgate $(INTO)/sbin/subgate
	install -m 0755 $(BUILD)/subgatectl $(INTO)/bin/subgatectl
	install -m 0755 deploy/verify/subgate-audit-verify $(INTO)/bin/subgate-audit-verify
	install -m 0644 README.md conf/subgate.conf conf/options.md conf/commands.md \
		conf/audit.md conf/webhook.md conf/setup.md $(INTO)/share/doc/subgate
	install -m 0644 conf/examples/*.conf $(INTO)/share/doc/subgate/examples
	install -d $(INTO)/share/doc/subgate/examples/notify
	install -m 0644 conf/examples/notify/*.txt $(INTO)/share/doc/subgate/examples/notify
	install -d $(INTO)/share/man/man5 $(INTO)/share/man/man8
	install -m 0644 $(filter %.5,$(MAN_PAGES)) $(INTO)/share/man/man5
	install -m 0644 $(filter %.8,$(MAN_PAGES)) $(INTO)/share/man/man8
	install -d $(INTO)/share/bash-completion/completions $(INTO)/lib/systemd/system
	install -m 0644 deploy/completion/subgatectl $(INTO)/share/bash-completion/completions/subgatectl
	sed 's|@PREFIX@|$(PREFIX)|g' deploy/systemd/subgate.service.in >$(INTO)/lib/systemd/system/subgate.service
