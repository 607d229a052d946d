/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_FUZZ_KUBELET_H
#define KUDEV_FUZZ_KUBELET_H

/*
 * One class with every feature that allocation has, on an inventory that is made once for
 * all inputs. Nothing on this machine is touched: the source is opened as a preview.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/load.h"
#include "device/inventory.h"
#include "deviceplugin/v1beta1/api.pb-c.h"
#include "rpc/rpc.h"
#include "source/source.h"

/* What must hold; unlike assert() in every build. */
#define CHECK(condition)                                                                \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                        \
		}                                                                       \
	} while (0)

/* Two NUMA nodes and two copies of each device, under one policy a class. */
static const char fuzz_config[] =
	"classes:\n"
	"- name: numa\n"
	"  simulate: {count: 6, numaNodes: 2}\n"
	"  share: 2\n"
	"  preferred: numa\n"
	"  env: {P: '{path}', ID: '{id}', ALL: '{ids} {paths}', N: '{count}{index}'}\n"
	"  annotations: {ex.com/t: '{time}'}\n"
	"  mounts: [{hostPath: /x, containerPath: /dev/numa0}, {hostPath: /x, containerPath: /y}]\n"
	"- {name: packed, simulate: {count: 6}, share: 2, preferred: packed}\n"
	"- {name: spread, simulate: {count: 6}, share: 2, preferred: spread}\n"
	"- {name: fixed, simulate: {count: 6}, mountPath: /dev/one, env: {P: '{path}'}}\n";

struct fuzz_kubelet {
	struct config *config;
	struct inventory *inventory;
	struct source *sources[4];
};

static struct fuzz_kubelet fuzz_kubelet;

/* One device of each class is unhealthy. */
static void fuzz_scan_class(size_t index)
{
	const struct config_class *class = &fuzz_kubelet.config->classes[index];

	CHECK(source_open(class, "", NULL, &fuzz_kubelet.sources[index], NULL) == 0);
	for (unsigned round = 0; round < 2; round++) {
		KUDEV_AUTO_SCAN struct scan scan = SCAN_INIT;

		CHECK(source_scan(fuzz_kubelet.sources[index], &scan, NULL) == 0);
		if (round == 1)
			unit_clear(&scan.units.items[--scan.units.count]);
		inventory_report(fuzz_kubelet.inventory, index, &scan.units);
	}
}

static void fuzz_kubelet_free(void)
{
	for (size_t i = 0; i < fuzz_kubelet.config->class_count; i++)
		source_free(fuzz_kubelet.sources[i]);
	fuzz_kubelet.inventory = inventory_free(fuzz_kubelet.inventory);
	fuzz_kubelet.config = config_free(fuzz_kubelet.config);
}

static void fuzz_kubelet_init(void)
{
	KUDEV_AUTO_DIAGNOSTICS struct diagnostics diagnostics = {0};

	if (fuzz_kubelet.config)
		return;
	log_setup(LOG_LEVEL_NONE, LOG_FORMAT_JSON);
	CHECK(config_parse(fuzz_config, strlen(fuzz_config), "fuzz", false,
			   &fuzz_kubelet.config, &diagnostics) == 0);
	fuzz_kubelet.inventory = inventory_new(fuzz_kubelet.config);
	for (size_t i = 0; i < fuzz_kubelet.config->class_count; i++)
		fuzz_scan_class(i);
	atexit(fuzz_kubelet_free);
}

static inline bool fuzz_contains(char *const *texts, size_t count, const char *text)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(texts[i], text) == 0)
			return true;
	}
	return false;
}

/* How many different ones there are among them that the class knows. */
static inline size_t fuzz_count_known(const struct inventory_class *class,
				      char *const *ids, size_t count)
{
	size_t known = 0;

	for (size_t i = 0; i < count; i++)
		known += inventory_class_find(class, ids[i]) &&
			 !fuzz_contains(ids, i, ids[i]);
	return known;
}

#endif
