/* Tells systemd how we are (sd_notify(3), Type=notify-reload). Does nothing without NOTIFY_SOCKET. */
#ifndef SUPERVISE_NOTIFY_H
#define SUPERVISE_NOTIFY_H

#include <stdint.h>

void notify_ready(void);
void notify_reloading(void);
void notify_stopping(void);
/* We are well, and so are our processes. */
void notify_watchdog(void);
/* How long systemd waits for notify_watchdog before it ends us (WatchdogSec=); 0: it does not wait for it. */
uint64_t notify_watchdog_limit_ms(void);

#endif
