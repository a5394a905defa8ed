/* The codec of the auth door: see door_messages.h. */
#define DOOR "door/auth.def"
#include "tests/fuzz/door_messages.h"
