/*
 * Mailboxes of senders. Owns a budget for each that sent of late; one that was
 * not asked for a while has given back what it held, and makes room.
 */
#include "relay/mailboxes.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/log.h"

#define MAILBOXES_MAXIMUM 2000 /* with a budget of their own at once */
#define IDLE_MS 180000         /* longer than a message needs, and than a budget holds what is not used */
#define ACCOUNT_SIZE 600       /* bytes: a host and a mailbox */

struct mailbox_entry {
	TAILQ_ENTRY(mailbox_entry) in_list;
	char account[ACCOUNT_SIZE];
	struct budget *budget;
	uint64_t asked_ms;
};

/* Those asked for last come first. */
struct mailboxes {
	struct loop *loop;
	struct redis *redis;
	const struct config *config;
	TAILQ_HEAD(entries, mailbox_entry) entries;
	size_t count;
};

enum status mailboxes_create(struct loop *loop, struct redis *redis, const struct config *config,
			     struct mailboxes **out_mailboxes)
{
	struct mailboxes *mailboxes = calloc(1, sizeof(*mailboxes));
	if (mailboxes == NULL)
		return STATUS_NO_MEMORY;
	mailboxes->loop = loop;
	mailboxes->redis = redis;
	mailboxes->config = config;
	TAILQ_INIT(&mailboxes->entries);
	*out_mailboxes = mailboxes;
	return STATUS_OK;
}

static void drop_entry(struct mailboxes *mailboxes, struct mailbox_entry *entry)
{
	TAILQ_REMOVE(&mailboxes->entries, entry, in_list);
	mailboxes->count--;
	budget_free(&entry->budget);
	free(entry);
}

void mailboxes_free(struct mailboxes **mailboxes)
{
	struct mailboxes *gone = *mailboxes;
	if (gone == NULL)
		return;
	*mailboxes = NULL;
	while (!TAILQ_EMPTY(&gone->entries))
		drop_entry(gone, TAILQ_FIRST(&gone->entries));
	free(gone);
}

void mailboxes_drain(struct mailboxes *mailboxes)
{
	for (struct mailbox_entry *entry = TAILQ_FIRST(&mailboxes->entries); entry; entry = TAILQ_NEXT(entry, in_list))
		budget_drain(entry->budget);
}

/* The last ones, if they have been idle for so long that nobody holds a claim on them. */
static void make_room(struct mailboxes *mailboxes)
{
	uint64_t now = loop_now_ms(mailboxes->loop);
	struct mailbox_entry *entry;
	while ((entry = TAILQ_LAST(&mailboxes->entries, entries)) != NULL && now - entry->asked_ms > IDLE_MS &&
	       !budget_is_calling(entry->budget))
		drop_entry(mailboxes, entry);
}

static struct mailbox_entry *find_entry(const struct mailboxes *mailboxes, const char *account)
{
	struct mailbox_entry *entry = TAILQ_FIRST(&mailboxes->entries);
	while (entry && !span_equal(span_of(entry->account), span_of(account)))
		entry = TAILQ_NEXT(entry, in_list);
	return entry;
}

static struct mailbox_entry *make_entry(struct mailboxes *mailboxes, const struct config_relay *relay,
					const char *account)
{
	struct budget_limits limits;
	if (mailboxes->count >= MAILBOXES_MAXIMUM || !mailboxes_limits(relay, &limits))
		return NULL;
	struct mailbox_entry *entry = calloc(1, sizeof(*entry));
	if (entry == NULL)
		return NULL;
	snprintf(entry->account, sizeof(entry->account), "%s", account);
	if (budget_create(mailboxes->loop, mailboxes->redis, mailboxes->config->redis.prefix, span_of(account), &limits,
			  &entry->budget) != STATUS_OK) {
		free(entry);
		return NULL;
	}
	TAILQ_INSERT_HEAD(&mailboxes->entries, entry, in_list);
	mailboxes->count++;
	return entry;
}

struct budget *mailboxes_budget(struct mailboxes *mailboxes, const struct config_relay *relay, struct span mailbox)
{
	char account[ACCOUNT_SIZE];
	snprintf(account, sizeof(account), "%s|%.*s", relay->host, SPAN_ARGS(mailbox));
	struct mailbox_entry *entry = find_entry(mailboxes, account);
	if (entry == NULL) {
		make_room(mailboxes);
		entry = make_entry(mailboxes, relay, account);
	}
	if (entry == NULL) {
		log_warning("relay %s: no budget for %.*s can be kept", relay->name, SPAN_ARGS(mailbox));
		return NULL;
	}
	entry->asked_ms = loop_now_ms(mailboxes->loop);
	TAILQ_REMOVE(&mailboxes->entries, entry, in_list);
	TAILQ_INSERT_HEAD(&mailboxes->entries, entry, in_list);
	return entry->budget;
}
