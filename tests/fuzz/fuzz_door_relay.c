/* The codec of the relay door: see door_messages.h. */
#define DOOR "door/relay.def"
#include "tests/fuzz/door_messages.h"
