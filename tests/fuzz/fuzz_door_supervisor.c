/* The codec of the supervisor door: see door_messages.h. */
#define DOOR "door/supervisor.def"
#include "tests/fuzz/door_messages.h"
