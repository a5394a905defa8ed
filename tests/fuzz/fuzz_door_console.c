/* The codec of the console's doors: see door_messages.h. */
#define DOOR "door/console.def"
#include "tests/fuzz/door_messages.h"
