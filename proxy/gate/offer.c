/* What all relays have, by the configuration. Owns nothing, can't fail. */
#include "gate/offer.h"

#include "config/config.h"

bool offer_has_smtputf8(const struct config *config)
{
	for (size_t i = 0; i < config->relay.count; i++) {
		if (!config->relay.items[i].smtputf8)
			return false;
	}
	return config->relay.count > 0;
}

bool offer_has_dsn(const struct config *config)
{
	for (size_t i = 0; i < config->relay.count; i++) {
		if (!config->relay.items[i].dsn)
			return false;
	}
	return config->relay.count > 0;
}
