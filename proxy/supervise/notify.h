/* Telling systemd how we are (sd_notify(3), type=notify-reload). Without NOTIFY_SOCKET nothing happens. */
#ifndef SUPERVISE_NOTIFY_H
#define SUPERVISE_NOTIFY_H

#include <stdint.h>

void notify_ready(void);
void notify_reloading(void);
void notify_stopping(void);
/* We are well, and so is what we look after. */
void notify_watchdog(void);
/* How long systemd waits for that word before it ends us (WatchdogSec=); 0: it does not. */
uint64_t notify_watchdog_limit_ms(void);

#endif
