/* Reads a certificate for what is wrong with it, in the order in which an administrator would mend it. */
#include "net/tls_blame.h"

#include <openssl/x509v3.h>
#include <time.h>

#define NAMES_SHOWN 3

static bool is_for(X509 *certificate, const char *host)
{
	return X509_check_host(certificate, host, 0, 0, NULL) == 1 || X509_check_ip_asc(certificate, host, 0) == 1;
}

/* Appends the common name of an issuer or a subject. */
static enum status append_common_name(const X509_NAME *name, struct buf *out)
{
	char text[128] = "";
	if (X509_NAME_get_text_by_NID(name, NID_commonName, text, sizeof(text)) < 0)
		return buf_append(out, SPAN("no name"));
	return buf_printf(out, "\"%s\"", text);
}

static enum status append_name(const GENERAL_NAME *name, struct buf *out)
{
	const ASN1_OCTET_STRING *address = name->d.iPAddress;
	const unsigned char *bytes = ASN1_STRING_get0_data(address);
	if (name->type == GEN_DNS)
		return buf_printf(out, "\"%.*s\"", ASN1_STRING_length(name->d.dNSName),
				  (const char *)ASN1_STRING_get0_data(name->d.dNSName));
	if (name->type == GEN_IPADD && ASN1_STRING_length(address) == 4)
		return buf_printf(out, "%u.%u.%u.%u", bytes[0], bytes[1], bytes[2], bytes[3]);
	return buf_append(out, SPAN("another kind of name"));
}

static enum status append_names(const X509 *certificate, struct buf *out)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	int count = names ? sk_GENERAL_NAME_num(names) : 0;
	enum status status = count ? STATUS_OK : append_common_name(X509_get_subject_name(certificate), out);
	for (int i = 0; i < count && i < NAMES_SHOWN && status == STATUS_OK; i++) {
		if (i > 0)
			status = buf_append(out, SPAN(", "));
		if (status == STATUS_OK)
			status = append_name(sk_GENERAL_NAME_value(names, i), out);
	}
	if (status == STATUS_OK && count > NAMES_SHOWN)
		status = buf_append(out, SPAN(" and others"));
	GENERAL_NAMES_free(names);
	return status;
}

static enum status append_time(const char *what, const ASN1_TIME *time, struct buf *out)
{
	struct tm parts = { 0 };
	char text[32] = "at another time";
	if (ASN1_TIME_to_tm(time, &parts) == 1)
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
	return buf_printf(out, "its certificate %s %s", what, text);
}

static enum status blame_certificate(X509 *certificate, const char *host, struct buf *out)
{
	if (X509_cmp_current_time(X509_get0_notAfter(certificate)) <= 0)
		return append_time("expired at", X509_get0_notAfter(certificate), out);
	if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0)
		return append_time("is not valid before", X509_get0_notBefore(certificate), out);
	if (!is_for(certificate, host)) {
		TRY(buf_append(out, SPAN("its certificate is for ")));
		TRY(append_names(certificate, out));
		return buf_printf(out, ", not for \"%s\"", host);
	}
	TRY(buf_append(out, SPAN("its certificate comes from ")));
	TRY(append_common_name(X509_get_issuer_name(certificate), out));
	return buf_append(out, SPAN(", which is not trusted"));
}

enum status tls_blame_certificate(struct span der, const char *host, struct buf *out)
{
	const unsigned char *at = (const unsigned char *)der.data;
	X509 *certificate = d2i_X509(NULL, &at, (long)der.size);
	if (certificate == NULL)
		return buf_append(out, SPAN("its certificate is none"));
	enum status status = blame_certificate(certificate, host, out);
	X509_free(certificate);
	return status;
}
