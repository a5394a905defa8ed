# Showing and installing: included by the Makefile.

DEMO := env BUILD=$(abspath $(BUILD)) /usr/bin/python3 deploy/demo/demo.py

# Installs what it needs, builds, and shows two mails go through; leaves nothing running.
demo:
	deploy/packages install demo
	$(MAKE) --no-print-directory all
	@exec $(DEMO)

# The same, and stays, with the settings to type into a mail client. Ctrl-C ends it.
run:
	deploy/packages install demo
	$(MAKE) --no-print-directory all
	@exec $(DEMO) --stay

install: all
	install -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/doc/subgate/examples
	install -m 0755 $(BUILD)/subgate $(DESTDIR)$(PREFIX)/sbin/subgate
	install -m 0755 $(BUILD)/subgatectl $(DESTDIR)$(PREFIX)/bin/subgatectl
	install -m 0644 README.md conf/subgate.conf conf/options.md conf/commands.md $(DESTDIR)$(PREFIX)/share/doc/subgate
	install -m 0644 conf/examples/*.conf $(DESTDIR)$(PREFIX)/share/doc/subgate/examples
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/lib/systemd/system
	install -m 0644 deploy/completion/subgatectl $(DESTDIR)$(PREFIX)/share/bash-completion/completions/subgatectl
	sed 's|@PREFIX@|$(PREFIX)|g' deploy/systemd/subgate.service.in >$(DESTDIR)$(PREFIX)/lib/systemd/system/subgate.service
