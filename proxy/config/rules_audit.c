/* Where the audit goes beside its file. */
#include "config/load.h"
#include "config/values.h"

static enum status read_transport(struct span *text, enum config_syslog_transport *out_transport)
{
	static const struct {
		const char *scheme;
		enum config_syslog_transport transport;
	} rows[] = {
		{ "tls://", CONFIG_SYSLOG_TLS },
		{ "tcp://", CONFIG_SYSLOG_TCP },
		{ "udp://", CONFIG_SYSLOG_UDP },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct span scheme = span_of(rows[i].scheme);
		if (!span_starts_with(*text, scheme))
			continue;
		*text = span_slice(*text, scheme.size, text->size);
		*out_transport = rows[i].transport;
		return STATUS_OK;
	}
	return STATUS_INVALID;
}

static enum status read_port(struct span text, uint16_t *out_port)
{
	uint64_t port;
	TRY(span_to_u64(text, &port));
	if (port < 1 || port > 65535)
		return STATUS_INVALID;
	*out_port = (uint16_t)port;
	return STATUS_OK;
}

/* HOST:PORT, or [ADDRESS]:PORT. */
enum status config_read_place(struct span text, struct span *out_host, uint16_t *out_port)
{
	bool has_brackets = span_starts_with(text, SPAN("["));
	size_t end = span_find_byte(text, has_brackets ? ']' : ':');
	size_t colon = has_brackets ? end + 1 : end;
	struct span host = span_slice(text, has_brackets ? 1 : 0, end);
	if (colon >= text.size || text.data[colon] != ':' || !value_is_host(host))
		return STATUS_INVALID;
	TRY(read_port(span_slice(text, colon + 1, text.size), out_port));
	*out_host = host;
	return STATUS_OK;
}

enum status config_read_syslog(const char *text, struct config_syslog *out_syslog)
{
	struct config_syslog syslog;
	struct span rest = span_of(text);
	TRY(read_transport(&rest, &syslog.transport));
	TRY(config_read_place(rest, &syslog.host, &syslog.port));
	*out_syslog = syslog;
	return STATUS_OK;
}

static void check_syslog(struct load *load)
{
	const struct config_audit *audit = &load->config->audit;
	struct config_syslog syslog = { .transport = CONFIG_SYSLOG_TLS };
	bool is_given = *audit->syslog != '\0';
	if (is_given && config_read_syslog(audit->syslog, &syslog) != STATUS_OK) {
		load_fault(load, "audit", "", "syslog",
			   "\"%.80s\" is no syslog server; expected one such as \"tls://siem.example.com:6514\", or "
			   "tcp:// or udp:// with a host and a port",
			   audit->syslog);
		return;
	}
	if (*audit->syslog_ca_file && (!is_given || syslog.transport != CONFIG_SYSLOG_TLS))
		load_fault(load, "audit", "", "syslog_ca_file", "of use only with syslog = \"tls://…\"");
	if (audit->required && is_given && syslog.transport == CONFIG_SYSLOG_UDP)
		load_fault(load, "audit", "", "required",
			   "nobody knows whether a datagram arrives; expected syslog = \"tls://…\" or \"tcp://…\"");
}

void rules_check_audit(struct load *load)
{
	const struct config_audit *audit = &load->config->audit;
	check_syslog(load);
	if (audit->anchor != AUDIT_ANCHOR_NONE && !audit->chain)
		load_fault(load, "audit", "", "anchor", "there are no heads without a chain; expected chain = true");
	if (audit->anchor == AUDIT_ANCHOR_COMMAND && *audit->anchor_command == '\0')
		load_fault(load, "audit", "", "anchor_command", "no program gets the heads; expected its path");
	if (audit->anchor != AUDIT_ANCHOR_COMMAND && *audit->anchor_command)
		load_fault(load, "audit", "", "anchor_command", "of use only with anchor = \"command\"");
	if (audit->required && *audit->syslog == '\0' && !audit->stream)
		load_fault(load, "audit", "", "required",
			   "records go nowhere; expected syslog = \"…\" or stream = true");
}
