/* Telling systemd how we are (sd_notify(3), type=notify-reload). Without NOTIFY_SOCKET nothing happens. */
#ifndef SUPERVISE_NOTIFY_H
#define SUPERVISE_NOTIFY_H

void notify_ready(void);
void notify_reloading(void);
void notify_stopping(void);

#endif
