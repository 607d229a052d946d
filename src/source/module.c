/* SPDX-License-Identifier: Apache-2.0 */
#include <dlfcn.h>
#include <errno.h>
#include <libkmod.h>
#include <stdlib.h>
#include <sys/utsname.h>

#include "base/util.h"
#include "source/module.h"

#define LIBRARY "libkmod.so.2"

/* What is used of libkmod. */
struct kmod {
	void *library;
	__typeof__(kmod_new) *new;
	__typeof__(kmod_unref) *unref;
	__typeof__(kmod_list_next) *list_next;
	__typeof__(kmod_module_new_from_lookup) *lookup;
	__typeof__(kmod_module_get_module) *get_module;
	__typeof__(kmod_module_unref) *module_unref;
	__typeof__(kmod_module_unref_list) *unref_list;
	__typeof__(kmod_module_get_info) *get_info;
	__typeof__(kmod_module_info_get_key) *info_key;
	__typeof__(kmod_module_info_get_value) *info_value;
	__typeof__(kmod_module_info_free_list) *info_free;
	__typeof__(kmod_module_probe_insert_module) *insert;
};

struct module {
	struct kmod kmod;
	struct kmod_ctx *context;
	struct kmod_module *module;
	char *name;
};

static const struct {
	const char *name;
	size_t offset;
} symbols[] = {
	{"kmod_new", offsetof(struct kmod, new)},
	{"kmod_unref", offsetof(struct kmod, unref)},
	{"kmod_list_next", offsetof(struct kmod, list_next)},
	{"kmod_module_new_from_lookup", offsetof(struct kmod, lookup)},
	{"kmod_module_get_module", offsetof(struct kmod, get_module)},
	{"kmod_module_unref", offsetof(struct kmod, module_unref)},
	{"kmod_module_unref_list", offsetof(struct kmod, unref_list)},
	{"kmod_module_get_info", offsetof(struct kmod, get_info)},
	{"kmod_module_info_get_key", offsetof(struct kmod, info_key)},
	{"kmod_module_info_get_value", offsetof(struct kmod, info_value)},
	{"kmod_module_info_free_list", offsetof(struct kmod, info_free)},
	{"kmod_module_probe_insert_module", offsetof(struct kmod, insert)},
};

/* What the loading of a module may fail with, beyond the errno's own words. */
static const struct {
	int code;
	const char *advice;
} advices[] = {
	{EPERM, "kudev may not load kernel modules: run it with CAP_SYS_MODULE, which a "
		"privileged container has"},
	{ENOENT, "the module needs a symbol that this kernel lacks: build it for this "
		 "kernel"},
	{ENOEXEC, "the module was built for another kernel: build it for this one"},
	{EINVAL, "the module refuses its parameters, or was built for another kernel"},
	{EKEYREJECTED, "the kernel takes only signed modules: sign it, or enrol the key "
		       "it was signed with"},
};

static int open_library(struct kmod *kmod, struct error *err)
{
	kmod->library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (!kmod->library)
		return error_set(err, ENOSYS,
				 "kernel modules can't be loaded without libkmod: %s",
				 dlerror());
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(symbols); i++) {
		void *symbol = dlsym(kmod->library, symbols[i].name);

		if (!symbol)
			return error_set(err, ENOSYS, LIBRARY " has no %s",
					 symbols[i].name);
		memcpy((char *)kmod + symbols[i].offset, &symbol, sizeof(symbol));
	}
	return 0;
}

static int not_found(const char *name, struct error *err)
{
	struct utsname system;

	(void)uname(&system);
	return error_set(err, ENOENT,
			 "there is no module %s in /lib/modules/%s: install it for this "
			 "kernel (Debian, Ubuntu: %s-dkms), and mount the host's "
			 "/lib/modules",
			 name, system.release, name);
}

static int look_up(struct module *module, struct error *err)
{
	const struct kmod *kmod = &module->kmod;
	struct kmod_list *list = NULL;

	module->context = kmod->new (NULL, NULL);
	if (!module->context)
		return error_set(err, ENOMEM, "libkmod can't be started");
	if (kmod->lookup(module->context, module->name, &list) < 0 || !list)
		return not_found(module->name, err);
	module->module = kmod->get_module(list);
	kmod->unref_list(list);
	return 0;
}

int module_find(const char *name, struct module **ret, struct error *err)
{
	KUDEV_AUTO(module_free) struct module *module = mem_zero(sizeof(*module));
	int r;

	module->name = mem_string(name);
	r = open_library(&module->kmod, err);
	if (r == 0)
		r = look_up(module, err);
	if (r < 0)
		return r;
	*ret = take_ptr(module);
	return 0;
}

struct module *module_free(struct module *module)
{
	if (!module)
		return NULL;
	if (module->module)
		module->kmod.module_unref(module->module);
	if (module->context)
		module->kmod.unref(module->context);
	if (module->kmod.library)
		dlclose(module->kmod.library);
	free(module->name);
	free(module);
	return NULL;
}

char *module_info(const struct module *module, const char *key)
{
	const struct kmod *kmod = &module->kmod;
	struct kmod_list *list = NULL;
	char *value = NULL;

	if (kmod->get_info(module->module, &list) < 0)
		return NULL;
	for (struct kmod_list *item = list; item && !value;
	     item = kmod->list_next(list, item)) {
		if (strcmp(kmod->info_key(item), key) == 0)
			value = mem_string(kmod->info_value(item));
	}
	kmod->info_free(list);
	return value;
}

int module_load(struct module *module, const char *parameters, struct error *err)
{
	int r = module->kmod.insert(module->module, KMOD_PROBE_IGNORE_COMMAND, parameters,
				    NULL, NULL, NULL);

	for (size_t i = 0; r < 0 && i < KUDEV_ARRAY_SIZE(advices); i++) {
		if (advices[i].code == -r)
			return error_set(err, -r, "cannot load the module %s: %s",
					 module->name, advices[i].advice);
	}
	if (r < 0)
		return error_set_errno(err, -r, "cannot load the module %s",
				       module->name);
	return 0;
}
