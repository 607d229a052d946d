/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <uthash.h>

#include "device/claims.h"
#include "device/inventory.h"

/* What one class has of a node. */
struct holding {
	const struct inventory_class *class;
	size_t units;
};

/* One node that is claimed. */
struct claim {
	struct node_identity node;
	struct holding *holdings;
	size_t count;
	size_t capacity;
	UT_hash_handle hh;
};

struct claims {
	struct claim *by_node; /* hash */
	uint64_t releases;
};

struct claims *claims_new(void)
{
	return mem_zero(sizeof(struct claims));
}

static void remove_claim(struct claims *claims, struct claim *claim)
{
	HASH_DEL(claims->by_node, claim);
	free(claim->holdings);
	free(claim);
}

struct claims *claims_free(struct claims *claims)
{
	struct claim *claim;
	struct claim *next;

	if (!claims)
		return NULL;
	HASH_ITER(hh, claims->by_node, claim, next) {
		remove_claim(claims, claim);
	}
	free(claims);
	return NULL;
}

/* Mounted files belong to nobody: a configuration file may be in many classes. */
static bool can_be_claimed(const struct unit_node *node)
{
	return node->type == NODE_DEVICE && node->identity.type != 0;
}

static struct claim *find_claim(const struct claims *claims, const struct unit_node *node)
{
	struct claim *claim = NULL;

	if (can_be_claimed(node))
		HASH_FIND(hh, claims->by_node, &node->identity, sizeof(node->identity),
			  claim);
	return claim;
}

static struct claim *get_claim(struct claims *claims, const struct unit_node *node)
{
	struct claim *claim = find_claim(claims, node);

	if (claim)
		return claim;
	claim = mem_zero(sizeof(*claim));
	claim->node = node->identity;
	HASH_ADD(hh, claims->by_node, node, sizeof(claim->node), claim);
	return claim;
}

static struct holding *find_holding(const struct claim *claim,
				    const struct inventory_class *class)
{
	for (size_t i = 0; i < claim->count; i++) {
		if (claim->holdings[i].class == class)
			return &claim->holdings[i];
	}
	return NULL;
}

static void add_holding(struct claim *claim, const struct inventory_class *class)
{
	struct holding *holding = find_holding(claim, class);

	if (holding) {
		holding->units++;
		return;
	}
	claim->holdings = mem_grow(claim->holdings, claim->count, &claim->capacity,
				   sizeof(*claim->holdings));
	claim->holdings[claim->count++] = (struct holding){.class = class, .units = 1};
}

/* Returns whether the class has none of it any more. */
static bool drop_holding(struct claim *claim, const struct inventory_class *class)
{
	struct holding *holding = find_holding(claim, class);

	if (!holding || --holding->units > 0)
		return false;
	*holding = claim->holdings[--claim->count];
	return true;
}

void claims_add(struct claims *claims, const struct inventory_class *class,
		const struct unit *unit)
{
	for (size_t i = 0; i < unit->node_count; i++) {
		if (can_be_claimed(&unit->nodes[i]))
			add_holding(get_claim(claims, &unit->nodes[i]), class);
	}
}

void claims_drop(struct claims *claims, const struct inventory_class *class,
		 const struct unit *unit)
{
	for (size_t i = 0; i < unit->node_count; i++) {
		struct claim *claim = find_claim(claims, &unit->nodes[i]);

		if (!claim || !drop_holding(claim, class))
			continue;
		claims->releases++;
		if (claim->count == 0)
			remove_claim(claims, claim);
	}
}

bool claims_may_share(const struct inventory_class *a, const struct inventory_class *b)
{
	return a == b || (a->config->shares_nodes && b->config->shares_nodes);
}

const struct inventory_class *claims_rival(const struct claims *claims,
					   const struct inventory_class *class,
					   const struct unit *unit, size_t nth,
					   const struct unit_node **ret_node)
{
	for (size_t i = 0; i < unit->node_count; i++) {
		const struct claim *claim = find_claim(claims, &unit->nodes[i]);

		for (size_t j = 0; claim && j < claim->count; j++) {
			if (claims_may_share(claim->holdings[j].class, class) ||
			    nth-- > 0)
				continue;
			*ret_node = &unit->nodes[i];
			return claim->holdings[j].class;
		}
	}
	return NULL;
}

void claims_note_release(struct claims *claims)
{
	claims->releases++;
}

uint64_t claims_releases(const struct claims *claims)
{
	return claims->releases;
}
