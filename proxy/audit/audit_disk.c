/*
 * What the writer's thread does with the disk beside writing: it forces records there, and looks how much room is left.
 * Owns nothing. A sync that fails is told of until one succeeds; what the kernel had not written by then may be lost if
 * the machine stops, and no later sync can tell.
 */
#include <errno.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "audit/audit_private.h"
#include "base/clock.h"

#define SYNC_MS 1000   /* sync = "interval" */
#define SPACE_MS 10000 /* between two looks at the free space */

void audit_disk_begin(struct audit_disk *disk, int fd, enum config_audit_sync sync)
{
	*disk = (struct audit_disk){ .sync = sync, .free_bytes = AUDIT_SPACE_UNKNOWN };
	audit_file_begin(&disk->file, fd);
}

enum status audit_disk_sync(struct audit_disk *disk)
{
	if (disk->sync == AUDIT_SYNC_NONE || !disk->file.is_regular)
		return STATUS_OK;
	disk->synced_at_ms = clock_monotonic_ms();
	disk->sync_error = fdatasync(disk->file.fd) == 0 ? 0 : errno;
	disk->sync_failures += disk->sync_error != 0;
	return disk->sync_error ? STATUS_SYSTEM : STATUS_OK;
}

enum status audit_disk_sync_written(struct audit_disk *disk)
{
	if (disk->sync != AUDIT_SYNC_ALWAYS && clock_monotonic_ms() - disk->synced_at_ms < SYNC_MS)
		return STATUS_OK;
	enum status status = audit_disk_sync(disk);
	return disk->sync == AUDIT_SYNC_ALWAYS ? status : STATUS_OK; /* "interval": it is written all the same */
}

void audit_disk_look_at_space(struct audit_disk *disk)
{
	struct statvfs space;
	uint64_t now = clock_monotonic_ms();
	if (disk->looked_at_ms && now - disk->looked_at_ms < SPACE_MS)
		return;
	disk->looked_at_ms = now;
	bool is_known = disk->file.is_regular && fstatvfs(disk->file.fd, &space) == 0;
	disk->free_bytes = is_known ? (uint64_t)space.f_bavail * space.f_frsize : AUDIT_SPACE_UNKNOWN;
}

bool audit_health_equal(const struct audit_health *a, const struct audit_health *b)
{
	return a->error == b->error && a->is_sync == b->is_sync && a->sync_failures == b->sync_failures &&
	       a->free_bytes == b->free_bytes;
}
