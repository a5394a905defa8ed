/* Pages of the console: templates, what they show of strangers' texts, languages, forms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "console/pages/files.h"
#include "console/pages/form.h"
#include "console/pages/languages.h"
#include "console/pages/page_private.h"
#include "console/pages/template.h"
#include "console/visit.h"

#define ROOM 65536

/* ---- templates */

static struct span find_test_words(const void *context, struct span key)
{
	static const struct {
		const char *key, *words;
	} words[] = { { "left", "{{n}} left" }, { "state.ok", "fine" }, { "loop", "{{_loop}}" } };
	(void)context;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (span_equal(key, span_of(words[i].key)))
			return span_of(words[i].words);
	return (struct span){ 0 };
}

static struct span find_test_file(const void *context, struct span name)
{
	(void)context;
	if (span_equal(name, SPAN("line")))
		return SPAN("{{n}}\n\n");
	return span_equal(name, SPAN("part")) ? SPAN("[{{n}}]") : (struct span){ 0 };
}

static const struct template_words test_words = { find_test_words, find_test_file, NULL };

static enum status render_text(const char *text, const char *data, struct buf *out_html)
{
	json_t *value = json_loads(data, JSON_DECODE_ANY, NULL);
	assert_non_null(value);
	enum status status = template_render(span_of(text), value, &test_words, out_html);
	json_decref(value);
	return status;
}

static void a_template_shows_data_and_words(void **state)
{
	(void)state;
	static const struct {
		const char *text, *data, *shown;
	} cases[] = {
		{ "plain", "{}", "plain" },
		{ "{{a}}-{{b.c}}-{{d}}", "{\"a\":\"x\",\"b\":{\"c\":7}}", "x-7-" },
		{ "{{a}}", "{\"a\":\"<b> & \\\"'\\u0007\"}", "&lt;b&gt; &amp; &quot;&#39;?" },
		{ "{{#a}}{{x}},{{/}}", "{\"a\":[{\"x\":1},{\"x\":2}]}", "1,2," },
		{ "{{#a}}{{.}};{{/}}", "{\"a\":[\"p\",\"q\"]}", "p;q;" },
		{ "{{#a}}{{x}}{{y}}{{/}}", "{\"a\":{\"x\":1},\"y\":2}", "12" },
		{ "{{#a}}{{#b}}in{{/}}{{/}}out", "{\"a\":1,\"b\":0}", "out" },
		{ "{{#a}}yes{{/}}{{^a}}no{{/}}", "{\"a\":\"\"}", "no" },
		{ "{{#a}}yes{{/}}{{^a}}no{{/}}", "{\"a\":null}", "no" },
		{ "{{#a}}yes{{/}}{{^a}}no{{/}}", "{\"a\":-1}", "yes" },
		{ "{{#a}}yes{{/}}{{^a}}no{{/}}", "{\"a\":false}", "no" },
		{ "{{#a}}yes{{/}}{{^a}}no{{/}}", "{\"a\":[]}", "no" },
		{ "{{#a=x}}is{{/}}{{^a=x}}not{{/}}", "{\"a\":\"x\"}", "is" },
		{ "{{#a=x}}is{{/}}{{^a=x}}not{{/}}", "{\"a\":\"xy\"}", "not" },
		{ "{{_left}}", "{\"n\":\"<3>\"}", "&lt;3&gt; left" },
		{ "{{_state.$s}}", "{\"s\":\"ok\"}", "fine" },
		{ "{{_state.$s}}", "{\"s\":\"<i>\"}", "&lt;i&gt;" },
		{ "{{>part}}", "{\"n\":5}", "[5]" },
		{ "<{{>line}}>", "{\"n\":5}", "<5\n>" },
		{ "?u={{a|query}}", "{\"a\":\"a b&c=\\\"\xc3\xa4\"}", "?u=a%20b%26c%3D%22%C3%A4" },
		{ "{{a|link}} {{b|link}} {{c|link}}", "{\"a\":\"https://a?b&c\",\"b\":\"javascript:b\"}",
		  "https://a?b&amp;c # #" },
		{ "{{a|time}} {{b|day}} {{c|machine}}",
		  "{\"a\":1796026530,\"b\":\"2026-11-23T08:15:30Z\",\"c\":1796026530}",
		  "2026-11-30 08:15 UTC 2026-11-23 2026-11-30T08:15:30Z" },
		{ "{{a|time}}", "{\"a\":\"<soon>\"}", "&lt;soon&gt;" },
		{ "{{a|bytes}} {{b|bytes}} {{c|bytes}}", "{\"a\":0,\"b\":1536,\"c\":20971520}", "0 B 1.5 KB 20 MB" },
		{ "{{a|count}}{{b|count}}", "{\"a\":[1,2]}", "20" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf html BUF_AUTO;
		buf_init(&html, ROOM);
		enum status status = render_text(cases[i].text, cases[i].data, &html);
		if (status != STATUS_OK || !span_equal(buf_span(&html), span_of(cases[i].shown)))
			fail_msg("%s: %s, %.*s", cases[i].text, status_text(status), SPAN_ARGS(buf_span(&html)));
	}
}

static void what_is_no_template_is_told(void **state)
{
	(void)state;
	static const char *const texts[] = { "{{#a}}",   "{{#a}}{{#b}}{{/}}", "{{/}}",   "{{}}",
					     "{{a|no}}", "{{_no}}",           "{{>no}}", "{{_loop}}" };
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct buf html BUF_AUTO;
		buf_init(&html, ROOM);
		if (render_text(texts[i], "{\"a\":1,\"b\":1}", &html) != STATUS_INVALID)
			fail_msg("%s", texts[i]);
	}
}

static void a_page_that_grows_too_large_ends(void **state)
{
	(void)state;
	struct buf html BUF_AUTO;
	buf_init(&html, 16);
	assert_int_equal(render_text("{{#a}}{{.}}{{/}}", "{\"a\":[\"12345678\",\"12345678\",\"1\"]}", &html),
			 STATUS_TOO_LARGE);
}

/* ---- the pages, as they are */

static const struct pages_options serving = { .has_password = true, .url = "" };
static struct pages served = { .options = &serving };

#define EVIL "\\\"><script>alert(1)</script>'&{{x}}"

/* All that a page may show of it is a stranger's. */
static const char everything[] =
	"{\"language\":\"en\",\"here\":\"person\",\"version\":\"1\",\"is_staff\":true,\"may_test\":true,\"may_change\":"
	"true,"
	"\"done\":\"locked\",\"why\":\"" EVIL "\",\"is_empty\":true,\"has_problems\":true,\"has_dialog\":true,"
	"\"has_own_limits\":true,\"reader\":{\"user\":\"" EVIL "\",\"role\":\"" EVIL "\",\"csrf_token\":\"" EVIL "\"},"
	"\"query\":{\"user\":\"" EVIL "\"},\"form\":{\"user\":\"" EVIL "\",\"label\":\"" EVIL "\",\"relay\":\"" EVIL
	"\"},"
	"\"refusal\":{\"error\":\"" EVIL "\"},\"result\":{\"password\":\"" EVIL "\"},\"dialog\":[\"" EVIL "\"],"
	"\"problems\":[{\"kind\":\"process\",\"what\":\"" EVIL "\",\"state\":\"" EVIL "\"},"
	"{\"kind\":\"" EVIL "\",\"what\":\"\",\"state\":\"\"}],"
	"\"quota\":{\"user\":\"" EVIL "\",\"used\":1,\"limit\":5,\"left\":4,\"resets_at\":\"" EVIL
	"\",\"section\":\"" EVIL "\",\"set_by_hand\":[{\"limit\":\"" EVIL "\",\"value\":1,\"until\":7}],"
	"\"shared_quota\":{\"user\":\"" EVIL "\",\"used\":1,\"limit\":2}},"
	"\"passwords\":{\"next\":\"" EVIL "\",\"app_passwords\":[{\"id\":\"" EVIL "\",\"user\":\"" EVIL
	"\",\"label\":\"" EVIL "\",\"created\":1,\"expires\":2,\"from\":\"" EVIL
	"\",\"last_used\":3,\"last_from\":\"" EVIL "\"}]},"
	"\"sessions\":{\"next\":\"1\",\"sessions\":[{\"session\":\"" EVIL "\",\"user\":\"" EVIL "\",\"address\":\"" EVIL
	"\",\"method\":\"" EVIL "\",\"since\":5}]},"
	"\"settings\":{\"user\":\"" EVIL "\",\"host\":\"" EVIL "\",\"servers\":[{\"port\":465,\"tls\":\"" EVIL "\"}]},"
	"\"known\":{\"user\":\"" EVIL "\",\"user_id\":\"" EVIL "\",\"state\":\"" EVIL
	"\",\"locked\":\"yes\",\"reason\":\"" EVIL "\",\"groups\":[{\"group\":\"" EVIL
	"\"}],\"senders\":[{\"sender\":\"" EVIL "\"}],"
	"\"throttled\":[{\"failures\":3,\"until\":4}]},"
	"\"messages\":{\"records\":[{\"ts\":\"" EVIL "\",\"result\":\"" EVIL "\",\"mail_from\":\"" EVIL
	"\",\"rcpt_to\":[{\"address\":\"" EVIL "\",\"outcome\":\"" EVIL "\",\"text\":\"" EVIL "\"}],\"reason\":\"" EVIL
	"\"}]},\"found\":{\"more\":true,\"records\":[{\"ts\":\"" EVIL "\",\"result\":\"" EVIL "\",\"message\":\"" EVIL
	"\",\"user\":\"" EVIL "\",\"mail_from\":\"" EVIL "\",\"relay\":\"" EVIL "\",\"client_address\":\"" EVIL
	"\",\"rcpt_to\":[{\"address\":\"" EVIL "\",\"outcome\":\"" EVIL "\",\"text\":\"" EVIL
	"\"}],\"response\":{\"code\":250,\"text\":\"" EVIL "\"},\"command\":\"" EVIL "\",\"object\":\"" EVIL "\"}]},"
	"\"top\":{\"at\":\"" EVIL "\",\"sent\":\"" EVIL "\",\"today\":[{\"user\":\"" EVIL "\",\"used\":1,\"limit\":2,"
	"\"left\":1}],\"month\":[{\"user\":\"" EVIL "\",\"messages\":3}]},"
	"\"relays\":{\"relays\":[{\"name\":\"" EVIL "\",\"state\":\"" EVIL "\",\"address\":\"" EVIL
	"\",\"user\":\"" EVIL "\",\"connections\":\"" EVIL "\",\"sent_in_24_h\":\"" EVIL
	"\",\"until\":9,\"reason\":\"" EVIL "\"}]},"
	"\"status\":{\"node\":\"" EVIL "\",\"processes\":[{\"role\":\"" EVIL "\",\"state\":\"" EVIL
	"\",\"since\":\"" EVIL "\"}],\"certificates\":[{\"certificate\":\"" EVIL "\",\"expires\":\"" EVIL
	"\",\"state\":\"" EVIL "\"}]},"
	"\"throttled\":{\"next\":\"" EVIL "\",\"throttled\":[{\"user\":\"" EVIL "\",\"account\":\"" EVIL
	"\",\"failures\":3,\"until\":4}]},\"expiring\":{\"app_passwords\":[{\"user\":\"" EVIL "\",\"label\":\"" EVIL
	"\",\"expires\":6}]}}";

static struct span find_page_words(const void *context, struct span key)
{
	return language_find(context, key);
}

static struct span find_page_file(const void *context, struct span name)
{
	char file[64];
	(void)context;
	snprintf(file, sizeof(file), "%.*s.html", SPAN_ARGS(name));
	return files_find(span_of(file));
}

static void expect_harmless(const char *name, struct span html)
{
	static const char *const evil[] = { "<script>", "\"><s", "'&" };
	for (size_t i = 0; i < sizeof(evil) / sizeof(evil[0]); i++)
		if (memmem(html.data, html.size, evil[i], strlen(evil[i])))
			fail_msg("%s shows %s as it is", name, evil[i]);
}

static void no_page_shows_a_strangers_text_as_html(void **state)
{
	(void)state;
	static const char *const accepted[] = { "en", "vi" };
	struct languages *languages = NULL;
	const char *name;
	struct span text;
	json_t *data = json_loads(everything, 0, NULL);
	assert_non_null(data);
	assert_int_equal(languages_open(&languages), STATUS_OK);
	size_t pages = 0;
	for (size_t i = 0; files_at(i, &name, &text); i++) {
		if (!span_ends_with_nocase(span_of(name), SPAN(".html")))
			continue;
		for (size_t l = 0; l < 2; l++) {
			const struct language *language = languages_choose(languages, span_of(accepted[l]));
			const struct template_words words = { find_page_words, find_page_file, language };
			struct buf html BUF_AUTO;
			buf_init(&html, 1U << 20);
			if (template_render(text, data, &words, &html) != STATUS_OK)
				fail_msg("%s is no template in %s", name, accepted[l]);
			expect_harmless(name, buf_span(&html));
			pages++;
		}
	}
	assert_true(pages >= 20);
	json_decref(data);
	languages_close(&languages);
}

#define SENT_MESSAGES 50
#define SENT_RECIPIENTS 100

/* As a search gives it back at most, of recipients whose names take five times as much in HTML. */
static json_t *found_of_ampersands(void)
{
	char address[96] = "";
	json_t *records = json_array();
	memset(address, '&', 64);
	snprintf(address + 64, sizeof(address) - 64, "@example.com");
	for (size_t i = 0; i < SENT_MESSAGES; i++) {
		json_t *recipients = json_array();
		for (size_t k = 0; k < SENT_RECIPIENTS; k++)
			json_array_append_new(recipients, json_pack("{s:s, s:i}", "address", address, "code", 250));
		json_array_append_new(records, json_pack("{s:s, s:s, s:o}", "type", "message.sent", "message", "M1",
							 "rcpt_to", recipients));
	}
	return json_pack("{s:o}", "records", records);
}

static void what_people_write_keeps_no_page_from_being_shown(void **state)
{
	(void)state;
	static const char *const paths[] = { "/mail", "/message" };
	struct languages *languages = NULL;
	assert_int_equal(languages_open(&languages), STATUS_OK);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct visit *visit = visit_create(NULL, NULL, "GET", paths[i]);
		struct page page = { .pages = &served, .kind = table_find_page(span_of(paths[i])), .code = 200 };
		page.language = languages_choose(languages, SPAN("en"));
		page.data = json_pack("{s:o}", "found", found_of_ampersands());
		page_show(&page, visit);
		assert_int_equal(visit->answer.code, 200);
		struct span html = buf_span(&visit->answer.body);
		assert_true(html.size > 400000);
		assert_non_null(memmem(html.data, html.size, "</html>", 7));
		const char *said = i == 0 ? "There may be older ones" : "There are more than are shown";
		assert_non_null(memmem(html.data, html.size, said, strlen(said)));
		json_decref(page.data);
		visit_free(&visit);
	}
	languages_close(&languages);
}

/* What is shown of it in English. */
static void expect_shown(const char *path, const char *json, const char *const *texts)
{
	struct languages *languages = NULL;
	assert_int_equal(languages_open(&languages), STATUS_OK);
	struct visit *visit = visit_create(NULL, NULL, "GET", path);
	struct page page = { .pages = &served, .kind = table_find_page(span_of(path)), .code = 200 };
	page.language = languages_choose(languages, SPAN("en"));
	page.data = json_loads(json, 0, NULL);
	assert_non_null(page.data);
	page_show(&page, visit);
	struct span html = buf_span(&visit->answer.body);
	for (; *texts; texts++)
		if (memmem(html.data, html.size, *texts, strlen(*texts)) == NULL)
			fail_msg("%s is missing: %.*s", *texts, SPAN_ARGS(html));
	json_decref(page.data);
	visit_free(&visit);
	languages_close(&languages);
}

static void the_first_page_says_what_does_not_answer(void **state)
{
	static const char relays[] = "\"relays\":{\"relays\":[{\"name\":\"gmail\",\"state\":\"ready\"}]}";
	static const char *const well[] = { "Everything runs, Redis and the directories answer", "5.0 GB free",
					    "last minute", "<dd>7</dd>", NULL };
	static const char *const bad[] = { "This needs a look", "Redis doesn't answer",
					   "The directory “corp” doesn't answer", "The directory “old” refuses", NULL };
	char json[1024];
	(void)state;
	snprintf(json, sizeof(json),
		 "{%s,\"status\":{\"traffic\":{\"ok\":7},\"services\":[{\"service\":\"redis\",\"name\":\"\",\"state\":"
		 "\"up\"},"
		 "{\"service\":\"audit_disk\",\"name\":\"\",\"state\":\"up\",\"free_bytes\":5368709120}]}}",
		 relays);
	expect_shown("/now", json, well);
	snprintf(json, sizeof(json),
		 "{%s,\"status\":{\"services\":[{\"service\":\"redis\",\"name\":\"\",\"state\":\"down\"},"
		 "{\"service\":\"directory\",\"name\":\"corp\",\"state\":\"down\"},"
		 "{\"service\":\"directory\",\"name\":\"old\",\"state\":\"refused\"}]}}",
		 relays);
	expect_shown("/now", json, bad);
}

/* ---- languages */

static void the_browsers_language_is_spoken(void **state)
{
	(void)state;
	static const struct {
		const char *field, *code;
	} cases[] = {
		{ "", "en" },
		{ "vi", "vi" },
		{ "VI-vn", "vi" },
		{ "de, fr;q=0.9", "en" },
		{ "de, vi;q=0.5", "vi" },
		{ "en;q=0.3, vi;q=0.4", "vi" },
		{ "en;q=0.5,vi;q=0.45", "en" },
		{ "vi;q=0, en;q=0.1", "en" },
		{ "vi;q=x", "en" },
		{ "vi;q=0.1234567", "en" },
		{ "en,vi", "en" },
		{ ",,;q=1,vi", "vi" },
	};
	struct languages *languages = NULL;
	assert_int_equal(languages_open(&languages), STATUS_OK);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct span code = language_code(languages_choose(languages, span_of(cases[i].field)));
		if (!span_equal(code, span_of(cases[i].code)))
			fail_msg("%s: %.*s", cases[i].field, SPAN_ARGS(code));
	}
	const struct language *vi = languages_choose(languages, SPAN("vi"));
	assert_true(span_equal(language_find(vi, SPAN("login.button")), SPAN("Đăng nhập")));
	assert_null(language_find(vi, SPAN("login.butto")).data);
	assert_null(language_find(vi, SPAN("")).data);
	languages_close(&languages);
}

/* ---- forms */

static void a_form_is_read_whole_or_not_at_all(void **state)
{
	(void)state;
	static const struct {
		const char *body, *json; /* NULL: it is none */
	} cases[] = {
		{ "", "{}" },
		{ "a=b", "{\"a\":\"b\"}" },
		{ "a=b+c%20d&e=", "{\"a\":\"b c d\",\"e\":\"\"}" },
		{ "a", "{\"a\":\"\"}" },
		{ "a=b=c", "{\"a\":\"b=c\"}" },
		{ "a=%C3%A4", "{\"a\":\"\xc3\xa4\"}" },
		{ "&&a=1&", "{\"a\":\"1\"}" },
		{ "a=1&a=2", NULL },
		{ "=1", NULL },
		{ "a=%4", NULL },
		{ "a=%", NULL },
		{ "a=%zz", NULL },
		{ "a=%00", NULL },
		{ "a=%FF", NULL },
		{ "%FF=a", NULL },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *fields = NULL;
		enum status status = form_read(span_of(cases[i].body), &fields);
		char *json = status == STATUS_OK ? json_dumps(fields, JSON_COMPACT) : NULL;
		if ((json == NULL) != (cases[i].json == NULL) || (json && strcmp(json, cases[i].json) != 0))
			fail_msg("%s: %s, %s", cases[i].body, status_text(status), json ? json : "none");
		free(json);
		json_decref(fields);
	}
}

static void a_form_has_its_limits(void **state)
{
	(void)state;
	char body[FORM_FIELD_BYTES + 64] = "";
	json_t *fields = NULL;
	memset(body, 'a', sizeof(body) - 1);
	body[1] = '=';
	assert_int_equal(form_read(span_of(body), &fields), STATUS_TOO_LARGE);
	int at = 0;
	for (int i = 0; i <= FORM_FIELDS; i++)
		at += snprintf(body + at, sizeof(body) - (size_t)at, "f%d=1&", i);
	assert_int_equal(form_read(span_of(body), &fields), STATUS_TOO_LARGE);
	assert_null(fields);
}

static void a_form_is_known_by_its_type(void **state)
{
	(void)state;
	assert_true(form_is_type(SPAN("application/x-www-form-urlencoded")));
	assert_true(form_is_type(SPAN("Application/X-WWW-form-urlencoded; charset=UTF-8")));
	assert_false(form_is_type(SPAN("multipart/form-data")));
	assert_false(form_is_type(SPAN("")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_template_shows_data_and_words),
		cmocka_unit_test(what_is_no_template_is_told),
		cmocka_unit_test(a_page_that_grows_too_large_ends),
		cmocka_unit_test(no_page_shows_a_strangers_text_as_html),
		cmocka_unit_test(what_people_write_keeps_no_page_from_being_shown),
		cmocka_unit_test(the_first_page_says_what_does_not_answer),
		cmocka_unit_test(the_browsers_language_is_spoken),
		cmocka_unit_test(a_form_is_read_whole_or_not_at_all),
		cmocka_unit_test(a_form_has_its_limits),
		cmocka_unit_test(a_form_is_known_by_its_type),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
