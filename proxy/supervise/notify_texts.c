/* Texts of warnings: from files to one sealed descriptor. Owns nothing for longer than a call. */
#include "supervise/notify_texts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ascii.h"
#include "base/secret.h"
#include "relay/warning_text.h"
#include "supervise/memory_file.h"

#define PREFIX "quota"
#define SUFFIX ".txt"
#define LANGUAGE_MAXIMUM 35 /* bytes; RFC 5646, 4.4.1 */

/* One reading of the folder. */
struct reading {
	const struct config *config;
	FILE *faults;
	struct buf pack;
	size_t count;
};

static enum status report_fault(const struct reading *reading, const char *file, const char *what)
{
	fprintf(reading->faults, "%s:%u: notify.text: %s%s%s: %s\n", reading->config->file,
		reading->config->notify.line, reading->config->notify.text, *file ? "/" : "", file, what);
	return STATUS_INVALID;
}

/* "quota.txt" is for all languages, "quota.de.txt" for one. False: another file. */
static bool read_name(const char *name, struct span *out_language)
{
	struct span rest = span_of(name);
	if (!span_starts_with(rest, SPAN(PREFIX)) || !span_ends_with_nocase(rest, SPAN(SUFFIX)) ||
	    rest.size < sizeof(PREFIX SUFFIX) - 1)
		return false;
	rest = span_slice(rest, sizeof(PREFIX) - 1, rest.size - (sizeof(SUFFIX) - 1));
	if (!span_is_empty(rest) && (rest.data[0] != '.' || rest.size == 1 || rest.size > LANGUAGE_MAXIMUM + 1))
		return false;
	*out_language = span_slice(rest, 1, rest.size);
	for (size_t i = 0; i < out_language->size; i++)
		if (!ascii_is_alphanumeric(out_language->data[i]) && out_language->data[i] != '-')
			return false;
	return true;
}

static enum status add_text(struct reading *reading, const char *name, struct span language, struct span bytes)
{
	struct warning_text text;
	const char *fault;
	if (reading->count == WARNING_TEXTS_MAXIMUM)
		return report_fault(reading, name, "one text too many; expected 30 at most");
	if (warning_text_read(bytes, &text, &fault) != STATUS_OK)
		return report_fault(reading, name, fault);
	if (warning_texts_add(&reading->pack, language, bytes) != STATUS_OK)
		return report_fault(reading, name, "out of memory");
	reading->count++;
	return STATUS_OK;
}

static enum status read_file(struct reading *reading, int folder, const char *name, struct span language)
{
	struct secret bytes SECRET_AUTO = { 0 }; /* none, but read the same way */
	struct stat info;
	int file = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (file < 0)
		return report_fault(reading, name, strerror(errno));
	bool is_file = fstat(file, &info) == 0 && S_ISREG(info.st_mode) && info.st_size <= WARNING_TEXT_SIZE_MAXIMUM;
	enum status status = is_file ? secret_from_fd(file, &bytes) : STATUS_INVALID;
	close(file);
	if (status != STATUS_OK)
		return report_fault(reading, name, "not a file of at most 8 KiB");
	return add_text(reading, name, language, secret_reveal(&bytes));
}

static enum status read_folder(struct reading *reading, DIR *folder)
{
	enum status worst = STATUS_OK;
	struct dirent *entry;
	struct span language;
	while ((entry = readdir(folder)) != NULL) {
		if (!read_name(entry->d_name, &language))
			continue;
		enum status status = read_file(reading, dirfd(folder), entry->d_name, language);
		worst = worst == STATUS_OK ? status : worst;
	}
	if (worst == STATUS_OK && reading->count == 0)
		return report_fault(reading, "", "no text in it; expected quota.txt or quota.LANGUAGE.txt");
	return worst;
}

static enum status hand_over(struct reading *reading, struct handover *list)
{
	int sealed = -1;
	if (memory_file_seal("notify-texts", buf_span(&reading->pack), &sealed) != STATUS_OK)
		return report_fault(reading, "", strerror(errno));
	if (handover_give(list, TO(ROLE_RELAY), sealed, "notify-texts") != STATUS_OK)
		return report_fault(reading, "", "can't be handed over");
	return STATUS_OK;
}

enum status notify_texts_open(const struct config *config, FILE *faults, struct handover *list)
{
	struct reading reading = { .config = config, .faults = faults };
	if (config->notify.text[0] == '\0')
		return STATUS_OK;
	DIR *folder = opendir(config->notify.text);
	if (folder == NULL)
		return report_fault(&reading, "", strerror(errno));
	buf_init(&reading.pack, WARNING_TEXTS_MAXIMUM * (WARNING_TEXT_SIZE_MAXIMUM + 64U));
	enum status status = read_folder(&reading, folder);
	closedir(folder);
	if (status == STATUS_OK)
		status = hand_over(&reading, list);
	buf_free(&reading.pack);
	return status;
}
