/* Reads the folder, and a state file that the relay writes: its times are taken for what they are, numbers. */
#include "supervise/audit_earlier.h"

#include <fcntl.h>
#include <stdlib.h>

#include "audit/audit.h"
#include "audit/reader/files.h"
#include "base/log.h"
#include "export/cursor.h"
#include "supervise/audit_strays.h"

#define ALWAYS_S 93600 /* 26 hours: a day of quota, whatever the time zone's summer time does */
#define SLACK_S 3600   /* how much a clock may have been set back meanwhile */

static uint64_t choose_since(const struct audit_earlier_wish *wish)
{
	uint64_t open_since, since = wish->now_s > ALWAYS_S ? wish->now_s - ALWAYS_S : 0;
	if (audit_may_have_open_since(wish->state_fd, &open_since) && open_since < since)
		since = open_since;
	for (size_t i = 0; i < AUDIT_EARLIER_EXPORTS; i++)
		if (wish->export_fds[i] >= 0 && cursor_find_time(wish->export_fds[i], &open_since) == STATUS_OK &&
		    open_since < since)
			since = open_since;
	return since > SLACK_S ? since - SLACK_S : 0;
}

static int compare_newest_first(const void *a, const void *b)
{
	uint64_t of_a = ((const struct audit_file_entry *)a)->modified_s;
	uint64_t of_b = ((const struct audit_file_entry *)b)->modified_s;
	return (of_a < of_b) - (of_a > of_b);
}

/* The first one is the file that is written, which the relay has. */
static enum status give_files(struct audit_files *files, int audit_fd, struct handover *list)
{
	struct audit_file_entry *earlier = files->list + 1;
	size_t count = files->count ? files->count - 1 : 0, given = 0;
	TRY(audit_strays_give(audit_fd, list, &given));
	if (count)
		qsort(earlier, count, sizeof(*earlier), compare_newest_first);
	for (size_t i = 0; i < count; i++) {
		if (given == AUDIT_EARLIER_MAXIMUM) {
			log_warning("audit: of so many earlier files the relay gets the newest %u",
				    AUDIT_EARLIER_MAXIMUM);
			break;
		}
		int fd = fcntl(earlier[i].fd, F_DUPFD_CLOEXEC, 0);
		if (fd >= 0)
			TRY(handover_give(list, TO(ROLE_RELAY), fd, "audit-earlier:%zu", given++));
	}
	return STATUS_OK;
}

enum status audit_earlier_open(const char *path, const struct audit_earlier_wish *wish, struct handover *list)
{
	struct audit_files files;
	if (audit_files_open_since(path, choose_since(wish), &files) != STATUS_OK)
		log_warning("audit: not all earlier files are searched: %s", files.fault);
	enum status status = give_files(&files, wish->audit_fd, list);
	audit_files_close(&files);
	return status;
}
