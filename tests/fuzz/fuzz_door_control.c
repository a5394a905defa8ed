/* The codec of the control door: see door_messages.h. */
#define DOOR "door/control.def"
#include "tests/fuzz/door_messages.h"
