/* quota without: a node that is gone for good does not keep the others from sending. */
#include "relay/control.h"

void control_do_without_node(struct control *control, uint64_t request, const json_t *object)
{
	const char *node = json_string_value(json_object_get(object, "node"));
	enum status status = quota_do_without(control->services->quota, span_of(node ? node : ""));
	if (status == STATUS_OK)
		control_reply(control, request, json_pack("{s:b}", "ok", 1));
	else if (status == STATUS_NOT_FOUND)
		control_refuse(control, request, "no counts of a node of that name are waited for");
	else
		control_refuse(control, request, "Redis is not available, try again later");
}
