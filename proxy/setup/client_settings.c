/*
 * Each format is a function. All values may be hostile: in XML they are escaped, for people control bytes are replaced,
 * and into DNS goes nothing but what a host's name is made of.
 */
#include "setup/client_settings.h"

#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "base/hash.h"
#include "base/span.h"

#define UUID_SIZE 37               /* bytes: 32 digits, four dashes, a NUL */
#define IDENTITY_MAXIMUM 1024      /* bytes */
#define DOMAIN_SIZE 254            /* bytes: RFC 1035, 2.3.4, and a NUL */
#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

struct server {
	const char *host;
	int port;
	bool is_implicit;
};

struct settings {
	const char *user, *address, *host, *authentication; /* address: "" where it is not known */
	const char *password;                               /* the same */
	const json_t *servers;                              /* the best first */
	struct server smtp, imap;                           /* imap.host: NULL where it is not known */
};

static const char *text_at(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : "";
}

static struct server read_server(const json_t *row, const char *host)
{
	const char *own = text_at(row, "host");
	return (struct server){ .host = *own ? own : host,
				.port = (int)json_integer_value(json_object_get(row, "port")),
				.is_implicit = strcmp(text_at(row, "tls"), "implicit") == 0 };
}

static struct settings read_settings(const json_t *facts)
{
	struct settings settings = {
		.user = text_at(facts, "user"),
		.address = text_at(facts, "address"),
		.host = text_at(facts, "host"),
		.authentication = text_at(facts, "authentication"),
		.password = text_at(facts, "password"),
		.servers = json_object_get(facts, "servers"),
	};
	const json_t *imap = json_object_get(facts, "imap");
	settings.smtp = read_server(json_array_get(settings.servers, 0), settings.host);
	if (imap)
		settings.imap = read_server(imap, settings.host);
	return settings;
}

/* ---- for people */

static void put_text(const char *text, FILE *out)
{
	for (; *text; text++)
		fputc((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text, out);
}

static void put_line(const char *label, const char *text, FILE *out)
{
	fprintf(out, "  %-12s", label);
	put_text(text, out);
	fputc('\n', out);
}

static void put_server(const struct server *server, FILE *out)
{
	put_line("Server:", server->host, out);
	fprintf(out, "  %-12s%d\n", "Port:", server->port);
	put_line("Security:", server->is_implicit ? "SSL/TLS" : "STARTTLS", out);
}

static enum status write_text(const struct settings *settings, FILE *out)
{
	size_t i;
	const json_t *row;
	fputs("Settings for sending mail", out);
	if (*settings->address) {
		fputs(" as ", out);
		put_text(settings->address, out);
	}
	fputs("\n\nOutgoing mail (SMTP)\n", out);
	put_server(&settings->smtp, out);
	put_line("User name:", settings->user, out);
	put_line("Password:", "the app password for this device, or your own", out);
	json_array_foreach(settings->servers, i, row)
	{
		const struct server other = read_server(row, settings->host);
		if (i > 0)
			fprintf(out, "  %-12sport %d with %s\n", i == 1 ? "Or:" : "", other.port,
				other.is_implicit ? "SSL/TLS" : "STARTTLS");
	}
	if (settings->imap.host) {
		fputs("\nIncoming mail (IMAP)\n", out);
		put_server(&settings->imap, out);
		put_line("User name:", settings->user, out);
	}
	fputs("\nThe name and the password are needed for sending, too (\"my server requires authentication\").\n",
	      out);
	return STATUS_OK;
}

/* ---- XML */

/* XML 1.0, 2.2: what may not stand in a document at all is replaced; the text is UTF-8. */
static void put_xml(const char *text, FILE *out)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		if (c == '&')
			fputs("&amp;", out);
		else if (c == '<')
			fputs("&lt;", out);
		else if (c == '>')
			fputs("&gt;", out);
		else if (c == '"')
			fputs("&quot;", out);
		else if (c == '\'')
			fputs("&apos;", out);
		else if (c < 0x20 || c == 0x7f)
			fputs(REPLACEMENT, out);
		else if (c == 0xef && (unsigned char)text[1] == 0xbf && (unsigned char)text[2] >= 0xbe) {
			fputs(REPLACEMENT, out); /* U+FFFE, U+FFFF */
			text += 2;
		} else
			fputc(c, out);
	}
}

static void put_element(const char *indent, const char *name, const char *text, FILE *out)
{
	fprintf(out, "%s<%s>", indent, name);
	put_xml(text, out);
	fprintf(out, "</%s>\n", name);
}

/* ---- Apple: a profile with a payload of type com.apple.mail.managed */

static void put_key(const char *key, const char *text, FILE *out)
{
	fprintf(out, "\t\t\t<key>%s</key>\n", key);
	put_element("\t\t\t", "string", text, out);
}

static void put_mail_server(const char *direction, const struct settings *settings, const struct server *server,
			    FILE *out)
{
	fprintf(out, "\t\t\t<key>%sMailServerAuthentication</key>\n\t\t\t<string>EmailAuthPassword</string>\n",
		direction);
	fprintf(out, "\t\t\t<key>%sMailServerHostName</key>\n", direction);
	put_element("\t\t\t", "string", server->host, out);
	fprintf(out, "\t\t\t<key>%sMailServerPortNumber</key>\n\t\t\t<integer>%d</integer>\n", direction, server->port);
	fprintf(out, "\t\t\t<key>%sMailServerUseSSL</key>\n\t\t\t<true/>\n", direction);
	fprintf(out, "\t\t\t<key>%sMailServerUsername</key>\n", direction);
	put_element("\t\t\t", "string", settings->user, out);
}

/* The same for the same user and server, so that a newer profile takes the older one's place. RFC 9562, 5.8 */
static enum status make_uuid(const struct settings *settings, const char *what, char out_uuid[UUID_SIZE])
{
	char text[IDENTITY_MAXIMUM], hex[HASH_SHA256_HEX_SIZE];
	unsigned char digest[HASH_SHA256_SIZE];
	int size = snprintf(text, sizeof(text), "%s\n%s\n%s", what, settings->host, settings->user);
	if (size < 0 || (size_t)size >= sizeof(text))
		return STATUS_TOO_LARGE;
	TRY(hash_sha256(span_of(text), digest));
	digest[6] = (unsigned char)((digest[6] & 0x0fU) | 0x80U);
	digest[8] = (unsigned char)((digest[8] & 0x3fU) | 0x80U);
	hash_to_hex(digest, 16, hex);
	snprintf(out_uuid, UUID_SIZE, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
	return STATUS_OK;
}

static void put_payload(const char *indent, const char *type, const char *uuid, FILE *out)
{
	fprintf(out,
		"%s<key>PayloadType</key>\n%s<string>%s</string>\n%s<key>PayloadVersion</key>\n%s<integer>1</integer>\n"
		"%s<key>PayloadIdentifier</key>\n%s<string>subgate.%s</string>\n"
		"%s<key>PayloadUUID</key>\n%s<string>%s</string>\n",
		indent, indent, type, indent, indent, indent, indent, uuid, indent, indent, uuid);
}

static enum status write_mobileconfig(const struct settings *settings, FILE *out)
{
	char mail[UUID_SIZE], profile[UUID_SIZE];
	TRY(make_uuid(settings, "mail", mail));
	TRY(make_uuid(settings, "profile", profile));
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	      "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" "
	      "\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n"
	      "<plist version=\"1.0\">\n<dict>\n\t<key>PayloadContent</key>\n\t<array>\n\t\t<dict>\n",
	      out);
	put_payload("\t\t\t", "com.apple.mail.managed", mail, out);
	put_key("PayloadDisplayName", *settings->address ? settings->address : settings->user, out);
	put_key("EmailAccountDescription", *settings->address ? settings->address : settings->host, out);
	put_key("EmailAccountType", "EmailTypeIMAP", out);
	if (*settings->address)
		put_key("EmailAddress", settings->address, out);
	put_mail_server("Incoming", settings, &settings->imap, out);
	put_mail_server("Outgoing", settings, &settings->smtp, out);
	if (*settings->password)
		put_key("OutgoingPassword", settings->password, out);
	fputs("\t\t\t<key>OutgoingPasswordSameAsIncomingPassword</key>\n\t\t\t<false/>\n\t\t</dict>\n\t</array>\n",
	      out);
	put_payload("\t", "Configuration", profile, out);
	fputs("\t<key>PayloadDisplayName</key>\n\t<string>Mail: ", out);
	put_xml(*settings->address ? settings->address : settings->user, out);
	fputs("</string>\n</dict>\n</plist>\n", out);
	return STATUS_OK;
}

/* ---- Thunderbird: clientConfig 1.1 */

static struct span domain_of(const char *address)
{
	const char *at = strrchr(address, '@');
	return at ? span_of(at + 1) : SPAN("");
}

static void put_config_server(const struct settings *settings, const char *element, const char *type,
			      const char *authentication, const struct server *server, FILE *out)
{
	char port[16];
	bool is_own_name = strcmp(settings->user, settings->address) == 0;
	snprintf(port, sizeof(port), "%d", server->port);
	fprintf(out, "    <%s type=\"%s\">\n", element, type);
	put_element("      ", "hostname", server->host, out);
	put_element("      ", "port", port, out);
	put_element("      ", "socketType", server->is_implicit ? "SSL" : "STARTTLS", out);
	put_element("      ", "authentication", authentication, out);
	put_element("      ", "username", is_own_name ? "%EMAILADDRESS%" : settings->user, out);
	fprintf(out, "    </%s>\n", element);
}

static enum status write_autoconfig(const struct settings *settings, FILE *out)
{
	char *domain = span_to_string(domain_of(settings->address));
	size_t i;
	const json_t *row;
	if (domain == NULL)
		return STATUS_NO_MEMORY;
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<clientConfig version=\"1.1\">\n  <emailProvider id=\"",
	      out);
	put_xml(domain, out);
	fputs("\">\n", out);
	put_element("    ", "domain", domain, out);
	put_element("    ", "displayName", domain, out);
	put_element("    ", "displayShortName", domain, out);
	free(domain);
	put_config_server(settings, "incomingServer", "imap", "password-cleartext", &settings->imap, out);
	json_array_foreach(settings->servers, i, row)
	{
		const struct server server = read_server(row, settings->host);
		put_config_server(settings, "outgoingServer", "smtp", settings->authentication, &server, out);
	}
	fputs("  </emailProvider>\n</clientConfig>\n", out);
	return STATUS_OK;
}

/* ---- DNS: RFC 6186, RFC 8314 */

/* Letters, digits and dashes between dots: what can stand in a zone file without a quote, and is no address. */
static bool is_host_name(struct span name)
{
	bool has_letter = false;
	char before = '.';
	if (name.size == 0 || name.size >= DOMAIN_SIZE)
		return false;
	for (size_t i = 0; i < name.size; i++) {
		char c = name.data[i];
		bool is_well = ascii_is_alphanumeric(c) || (c == '-' && before != '.') ||
			       (c == '.' && before != '.' && before != '-');
		if (!is_well)
			return false;
		has_letter = has_letter || (ascii_is_alphanumeric(c) && !(c >= '0' && c <= '9'));
		before = c;
	}
	return has_letter && before != '.' && before != '-';
}

static const json_t *find_server(const struct settings *settings, const char *tls)
{
	size_t i;
	const json_t *row;
	json_array_foreach(settings->servers, i, row)
	{
		if (strcmp(text_at(row, "tls"), tls) == 0)
			return row;
	}
	return NULL;
}

/* A service that is not there is said to be so: the target is the root (RFC 2782). */
static void put_service(const char *service, struct span domain, unsigned priority, const json_t *row,
			const struct settings *settings, FILE *out)
{
	const struct server server = row ? read_server(row, settings->host) : (struct server){ .host = "" };
	fprintf(out, "%s._tcp.%.*s. IN SRV %u %d %d %s.\n", service, SPAN_ARGS(domain), row ? priority : 0, row ? 1 : 0,
		server.port, server.host);
}

static enum status write_dns(const struct settings *settings, FILE *out)
{
	struct span domain = domain_of(settings->address);
	fputs("; Where programs send mail (RFC 6186, RFC 8314)\n", out);
	put_service("_submissions", domain, 0, find_server(settings, "implicit"), settings, out);
	put_service("_submission", domain, 10, find_server(settings, "starttls"), settings, out);
	if (settings->imap.host) {
		fputs("; Where they read it\n", out);
		fprintf(out, "%s._tcp.%.*s. IN SRV 0 1 %d %s.\n", settings->imap.is_implicit ? "_imaps" : "_imap",
			SPAN_ARGS(domain), settings->imap.port, settings->imap.host);
	}
	fprintf(out,
		"; Thunderbird asks https://autoconfig.%.*s/mail/config-v1.1.xml: serve there what\n"
		"; `client-settings --format autoconfig` writes, on a web server of this name:\n"
		"; autoconfig.%.*s. IN CNAME ...\n"
		"; Outlook looks for a web server at autodiscover.%.*s; it has a form of its own, which is not "
		"written\n"
		"; here.\n",
		SPAN_ARGS(domain), SPAN_ARGS(domain), SPAN_ARGS(domain));
	return STATUS_OK;
}

/* ---- which */

static const struct format {
	const char *name;
	enum status (*write)(const struct settings *settings, FILE *out);
	bool needs_imap, needs_domain;
} formats[] = {
	{ "text", write_text, false, false },
	{ "mobileconfig", write_mobileconfig, true, false },
	{ "autoconfig", write_autoconfig, true, true },
	{ "dns", write_dns, false, true },
};

static const struct format *find_format(const char *name)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (strcmp(formats[i].name, *name ? name : "text") == 0)
			return &formats[i];
	return NULL;
}

static bool are_host_names(const struct settings *settings)
{
	return is_host_name(domain_of(settings->address)) && is_host_name(span_of(settings->host)) &&
	       (settings->imap.host == NULL || is_host_name(span_of(settings->imap.host)));
}

enum status client_settings_write(const json_t *facts, FILE *out, const char **out_fault)
{
	const struct format *format = find_format(text_at(facts, "format"));
	const struct settings settings = read_settings(facts);
	*out_fault = NULL;
	if (format == NULL)
		*out_fault = "no such format; expected text, mobileconfig, autoconfig or dns";
	else if (json_array_size(settings.servers) == 0)
		*out_fault = "no listener serves people with passwords from everywhere";
	else if (format->needs_imap && settings.imap.host == NULL)
		*out_fault =
			"it must name a server for incoming mail; give --imap HOST:PORT, or set client_settings.imap";
	else if (format->needs_domain && domain_of(settings.address).size == 0)
		*out_fault = "the user's mail domain is not known; give --address ADDRESS";
	else if (format->write == write_dns && !are_host_names(&settings))
		*out_fault = "DNS needs host names of letters, digits and dashes, for the servers and the mail domain";
	return *out_fault ? STATUS_INVALID : format->write(&settings, out);
}
