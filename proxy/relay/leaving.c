/* Owns what waits: first for the file, then for receivers. */
#include "relay/leaving.h"

#include <stdlib.h>

#include "base/log.h"
#include "relay/records.h"
#include "relay/services.h"

struct leaving_record {
	struct services *services;
	audit_callback *callback;
	void *context;
	LIST_ENTRY(leaving_record) in_list;
};

static void end_leaving(struct leaving_record *record, enum status status)
{
	LIST_REMOVE(record, in_list);
	record->callback(record->context, status);
	free(record);
}

static void on_exported(void *context, enum status status)
{
	if (status != STATUS_OK)
		log_error("audit export: a message does not leave, as its record has not arrived in time");
	end_leaving(context, status);
}

static void on_written(void *context, enum status written)
{
	struct leaving_record *record = context;
	const struct services *services = record->services;
	if (written == STATUS_OK)
		written = services->leavings.wait(services->leavings.context, audit_written_position(services->audit),
						  on_exported, record);
	if (written != STATUS_OK)
		end_leaving(record, written);
}

static enum status submit_ahead(struct services *services, const struct record_message *message,
				audit_callback *callback, void *context)
{
	struct record_message ahead = *message;
	ahead.is_ahead = true;
	return records_message(services->audit, AUDIT_MESSAGE_LEAVING, &ahead, callback, context);
}

enum status leaving_submit(struct services *services, const struct record_message *message, audit_callback *callback,
			   void *context)
{
	if (services->leavings.wait == NULL)
		return submit_ahead(services, message, callback, context);
	struct leaving_record *record = calloc(1, sizeof(*record));
	if (record == NULL)
		return STATUS_NO_MEMORY;
	record->services = services;
	record->callback = callback;
	record->context = context;
	enum status status = records_message(services->audit, AUDIT_MESSAGE_LEAVING, message, on_written, record);
	if (status == STATUS_OK)
		LIST_INSERT_HEAD(&services->leavings.waiting, record, in_list);
	else
		free(record);
	return status;
}

bool leaving_is_stuck(const struct services *services)
{
	return audit_is_stuck(services->audit) ||
	       (services->leavings.is_stuck && services->leavings.is_stuck(services->leavings.context));
}

void leaving_end(struct services *services)
{
	struct leaving_record *record;
	while ((record = LIST_FIRST(&services->leavings.waiting)) != NULL) {
		LIST_REMOVE(record, in_list);
		free(record);
	}
}
