/* SCRAM-SHA-256, the server's side, against a client that is played here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "with_scram.h"

#define TEXT 1024

static const unsigned char salt[SCRAM_SALT_SIZE] = "sixteen octets..";
static const struct scram_bindings bindings = {
	.exporter = "exported", .end_point = "certificate", .exporter_size = 8, .end_point_size = 11
};

static struct app_password_hash make_password(const char *normal)
{
	struct secret secret SECRET_AUTO = { 0 };
	struct app_password_hash hash = { 0 };
	memcpy(hash.salt, salt, sizeof(hash.salt));
	assert_int_equal(secret_from_span(span_of(normal), &secret), STATUS_OK);
	assert_int_equal(app_password_make_hash(&secret, &hash), STATUS_OK);
	return hash;
}

#define FIRST "AAAAABBBBBCCCCCDDDDDEEEEE"
#define FIRST_SHOWN "AAAAA-BBBBB-CCCCC-DDDDD-EEEEE"
#define SECOND "FFFFFGGGGGHHHHHIIIIIJJJJJ"

/* ---- a client */

struct played {
	struct scram *scram;
	char server_first[TEXT], client_final[2 * TEXT];
	struct secret name, authzid;
};

static void played_free(struct played *p)
{
	scram_free(&p->scram);
	secret_wipe(&p->name);
	secret_wipe(&p->authzid);
}

static void keep_text(const struct buf *text, char out_text[TEXT])
{
	snprintf(out_text, TEXT, "%.*s", SPAN_ARGS(buf_span(text)));
}

static enum status say_first(struct played *p, const char *message, bool is_plus, bool has_plus)
{
	struct buf text BUF_AUTO;
	buf_init(&text, TEXT);
	*p = (struct played){ 0 };
	assert_int_equal(scram_create(&p->scram), STATUS_OK);
	TRY(scram_take_first(p->scram, span_of(message), &bindings, is_plus, has_plus, &p->name, &p->authzid));
	TRY(scram_write_first(p->scram, salt, APP_PASSWORD_ITERATIONS, &text));
	keep_text(&text, p->server_first);
	return STATUS_OK;
}

/* The second message of a client that knows `password`; `bound` is what it believes to be bound to. */
static void write_final(struct played *p, const char *header, const char *bound, const char *bare, const char *password)
{
	unsigned char salted[HASH_SHA256_SIZE];
	scram_salt_password(password, salt, salted);
	scram_write_proof(header, bound, bare, p->server_first, salted, p->client_final, sizeof(p->client_final));
}

/* ---- what holds */

static void a_client_proves_any_of_the_passwords(void **state)
{
	struct played p;
	struct buf ours BUF_AUTO;
	const struct app_password_hash first = make_password(FIRST), second = make_password(SECOND);
	(void)state;
	buf_init(&ours, TEXT);
	assert_int_equal(say_first(&p, "n,,n=anna,r=abc", false, false), STATUS_OK);
	assert_true(span_equal(secret_reveal(&p.name), SPAN("anna")));
	assert_true(secret_is_empty(&p.authzid));
	assert_true(span_starts_with(span_of(p.server_first), SPAN("r=abc")));
	assert_non_null(strstr(p.server_first, ",i=4096"));
	write_final(&p, "n,,", "", "n=anna,r=abc", FIRST_SHOWN);
	assert_int_equal(scram_take_final(p.scram, span_of(p.client_final)), STATUS_OK);
	assert_int_equal(scram_prove(p.scram, first.stored_key), STATUS_OK);
	assert_int_equal(scram_prove(p.scram, second.stored_key), STATUS_NOT_FOUND);
	assert_true(scram_is_about(p.scram, salt, 4096));
	assert_false(scram_is_about(p.scram, salt, 4095));
	assert_false(scram_is_about(p.scram, first.stored_key, 4096));
	assert_int_equal(scram_write_final(p.scram, first.server_key, &ours), STATUS_OK);
	assert_true(span_starts_with(buf_span(&ours), SPAN("v=")));
	played_free(&p);
}

static void a_wrong_password_proves_nothing(void **state)
{
	struct played p;
	const struct app_password_hash first = make_password(FIRST);
	(void)state;
	assert_int_equal(say_first(&p, "n,,n=anna,r=abc", false, false), STATUS_OK);
	write_final(&p, "n,,", "", "n=anna,r=abc", FIRST);
	assert_int_equal(scram_take_final(p.scram, span_of(p.client_final)), STATUS_OK);
	assert_int_equal(scram_prove(p.scram, first.stored_key), STATUS_NOT_FOUND);
	played_free(&p);
}

/* A stolen table lets nobody in: the keys that it holds are no proof. */
static void the_stored_key_is_no_proof(void **state)
{
	struct played p;
	struct buf text BUF_AUTO;
	const struct app_password_hash first = make_password(FIRST);
	char message[TEXT];
	(void)state;
	buf_init(&text, TEXT);
	assert_int_equal(say_first(&p, "n,,n=anna,r=abc", false, false), STATUS_OK);
	assert_int_equal(base64_encode((struct span){ (const char *)first.stored_key, 32 }, &text), STATUS_OK);
	size_t nonce = span_find_byte(span_of(p.server_first), ',');
	snprintf(message, sizeof(message), "c=biws,%.*s,p=%.*s", (int)nonce, p.server_first,
		 SPAN_ARGS(buf_span(&text)));
	assert_int_equal(scram_take_final(p.scram, span_of(message)), STATUS_OK);
	assert_int_equal(scram_prove(p.scram, first.stored_key), STATUS_NOT_FOUND);
	played_free(&p);
}

/* ---- channel binding */

static const struct {
	const char *what;
	const char *header, *bound;
	bool is_plus, has_plus;
	enum status first, final;
} bound[] = {
	{ "to what TLS exports", "p=tls-exporter,,", "exported", true, true, STATUS_OK, STATUS_OK },
	{ "to the server's certificate", "p=tls-server-end-point,,", "certificate", true, true, STATUS_OK, STATUS_OK },
	{ "to another connection", "p=tls-exporter,,", "otherone", true, true, STATUS_OK, STATUS_REFUSED },
	{ "to another server", "p=tls-server-end-point,,", "other", true, true, STATUS_OK, STATUS_REFUSED },
	{ "to nothing", "p=tls-exporter,,", "", true, true, STATUS_OK, STATUS_REFUSED },
	{ "to what we don't know", "p=tls-unique,,", "", true, true, STATUS_REFUSED, STATUS_OK },
	{ "without binding, where it is wanted", "n,,", "", true, true, STATUS_INVALID, STATUS_OK },
	{ "bound, where it is not", "p=tls-exporter,,", "exported", false, true, STATUS_INVALID, STATUS_OK },
	{ "not bound, as the client can't", "n,,", "", false, true, STATUS_OK, STATUS_OK },
	{ "a client that could, and was told that we can't", "y,,", "", false, true, STATUS_REFUSED, STATUS_OK },
	{ "a client that could, and we can't", "y,,", "", false, false, STATUS_OK, STATUS_OK },
};

static void a_proof_is_bound_to_its_connection(void **state)
{
	(void)state;
	const struct app_password_hash first = make_password(FIRST);
	for (size_t i = 0; i < sizeof(bound) / sizeof(bound[0]); i++) {
		struct played p;
		char message[TEXT];
		snprintf(message, sizeof(message), "%sn=anna,r=abc", bound[i].header);
		enum status status = say_first(&p, message, bound[i].is_plus, bound[i].has_plus);
		if (status != bound[i].first)
			fail_msg("%s: first %d", bound[i].what, (int)status);
		if (status == STATUS_OK) {
			write_final(&p, bound[i].header, bound[i].bound, "n=anna,r=abc", FIRST_SHOWN);
			status = scram_take_final(p.scram, span_of(p.client_final));
			if (status != bound[i].final ||
			    (status == STATUS_OK && scram_prove(p.scram, first.stored_key) != STATUS_OK))
				fail_msg("%s: final %d", bound[i].what, (int)status);
		}
		played_free(&p);
	}
}

/* ---- syntax */

static const char *const broken_first[] = {
	"",
	"n",
	"n,",
	"n,,",
	"n,,n=",
	"n,,n=anna",
	"n,,n=anna,r=",
	"n,,r=abc,n=anna",
	"n,,m=x,n=anna,r=abc",
	"x,,n=a,r=b",
	"n,b=c,n=a,r=b",
	"n,a=,n=a,r=b",
	"n,,n=a=b,r=c",
	"n,,n=a=2c,r=c",
	"n,,n=,r=c",
	"n,,n=a,r=b c",
	"n,,n=a,r=\x01",
	"p=,,n=a,r=b",
};

static void a_broken_first_message_is_none(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(broken_first) / sizeof(broken_first[0]); i++) {
		struct played p;
		if (say_first(&p, broken_first[i], false, false) != STATUS_INVALID)
			fail_msg("%s", broken_first[i]);
		played_free(&p);
	}
}

static void names_are_unescaped(void **state)
{
	struct played p;
	(void)state;
	assert_int_equal(say_first(&p, "n,a=x=2Cy,n=a=3Db=2Cc,r=abc,ext=1", false, false), STATUS_OK);
	assert_true(span_equal(secret_reveal(&p.name), SPAN("a=b,c")));
	assert_true(span_equal(secret_reveal(&p.authzid), SPAN("x,y")));
	played_free(&p);
}

static const char *const broken_final[] = {
	"",
	"p=",
	"c=biws",
	"c=biws,r=%s",
	"c=biws,r=%s,p=",
	"c=biws,r=%s,p=AAAA",
	"r=%s,c=biws,p=X",
	"c=biws,r=%s,q=X",
	"c=biws,p=X,r=%s",
};

static void a_broken_final_message_proves_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(broken_final) / sizeof(broken_final[0]); i++) {
		struct played p;
		assert_int_equal(say_first(&p, "n,,n=anna,r=abc", false, false), STATUS_OK);
		if (scram_take_final(p.scram, span_of(broken_final[i])) != STATUS_INVALID)
			fail_msg("%s", broken_final[i]);
		played_free(&p);
	}
}

static void another_nonce_is_refused(void **state)
{
	struct played p;
	(void)state;
	assert_int_equal(say_first(&p, "n,,n=anna,r=abc", false, false), STATUS_OK);
	assert_int_equal(scram_take_final(p.scram, SPAN("c=biws,r=abc,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")),
			 STATUS_REFUSED);
	played_free(&p);
}

static void no_two_nonces_are_the_same(void **state)
{
	struct played p, q;
	(void)state;
	assert_int_equal(say_first(&p, "n,,n=anna,r=abc", false, false), STATUS_OK);
	assert_int_equal(say_first(&q, "n,,n=anna,r=abc", false, false), STATUS_OK);
	assert_string_not_equal(p.server_first, q.server_first);
	played_free(&p);
	played_free(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_client_proves_any_of_the_passwords),
		cmocka_unit_test(a_wrong_password_proves_nothing),
		cmocka_unit_test(the_stored_key_is_no_proof),
		cmocka_unit_test(a_proof_is_bound_to_its_connection),
		cmocka_unit_test(a_broken_first_message_is_none),
		cmocka_unit_test(names_are_unescaped),
		cmocka_unit_test(a_broken_final_message_proves_nothing),
		cmocka_unit_test(another_nonce_is_refused),
		cmocka_unit_test(no_two_nonces_are_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
