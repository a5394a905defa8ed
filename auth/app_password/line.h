/* One line of the file of app passwords: JSON to record and back. */
#ifndef AUTH_APP_PASSWORD_LINE_H
#define AUTH_APP_PASSWORD_LINE_H

#include "auth/app_password/store.h"

enum store_operation { STORE_CREATE, STORE_REVOKE };

/* Fills the record as far as the operation has it (a revocation has an id only). STATUS_INVALID, STATUS_NO_MEMORY. */
MUST_USE enum status store_parse_line(struct span line, enum store_operation *out_operation,
				      struct app_password_record *out_record);

#endif
