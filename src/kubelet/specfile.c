/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/strings.h"
#include "config/names.h"
#include "kubelet/cdi.h"
#include "kubelet/checkpoint.h"
#include "kubelet/specfile.h"

/* A domain has no _, so that no two resources have one name. */
#define PREFIX "kudev-"
#define SEPARATOR '_'
#define SUFFIX ".json"
#define SPEC_MODE 0644
#define DIRECTORY_MODE 0755
/* After a write that took a millisecond the next one waits for ten. */
#define PACE 10
#define RETRY_MS 3000
/* Another kudev, that is about to end or has just started, wrote the same spec. */
#define TAKE_BACK_MS 1000
#define LOG_BURST 20
#define LOG_INTERVAL_MS 10000
#define FAILURE_LOG_INTERVAL_MS 600000
/* A file that is being written is younger than this. */
#define UNFINISHED_MAX_AGE_S 60
/* Of files in the directory that are looked at. */
#define MAX_STRAYS 1000

struct specfile {
	struct inventory *inventory;
	struct inventory_class *class;
	char *directory;
	char *path;
	struct watch *watch;
	struct loop_timer *timer;
	int fd;		      /* of what was written, locked; -1: there is no device */
	uint64_t fingerprint; /* of the class when it was written */
	bool has_failed;      /* the last time that it was written */
	int64_t next_ms;      /* not to be written before */
	struct log_limit write_limit;
	struct log_limit failure_limit;
};

static char *path_of(const char *directory, const char *resource)
{
	char *path = mem_printf("%s/" PREFIX "%s" SUFFIX, directory, resource);

	*strrchr(path, '/') = SEPARATOR;
	return path;
}

/* Whether the file is the one that was written, which can't be mistaken while it is open. */
static bool is_ours(const struct specfile *specfile)
{
	struct stat found;
	struct stat written;

	if (specfile->fd < 0)
		return true;
	return lstat(specfile->path, &found) == 0 && fstat(specfile->fd, &written) == 0 &&
	       found.st_dev == written.st_dev && found.st_ino == written.st_ino;
}

bool specfile_is_current(const struct specfile *specfile)
{
	return !loop_timer_is_set(specfile->timer) && is_ours(specfile);
}

static bool is_in_pod(void)
{
	return getenv("KUBERNETES_SERVICE_HOST") != NULL;
}

static int create_directory(const char *directory, struct error *err)
{
	if (is_in_pod())
		return error_set(err, ENOENT,
				 "%s does not exist: in a pod it has to be a hostPath, "
				 "of type DirectoryOrCreate",
				 directory);
	return directory_create(directory, DIRECTORY_MODE, err);
}

/* Returns the descriptor. The lock tells specfile_sweep() that the file has a keeper. */
static int write_file(const struct specfile *specfile, const char *text,
		      struct error *err)
{
	struct stat status;
	int fd;

	if (stat(specfile->directory, &status) < 0 && errno == ENOENT) {
		int r = create_directory(specfile->directory, err);

		if (r < 0)
			return r;
	}
	fd = file_replace(specfile->path, text, SPEC_MODE, err);
	if (fd >= 0)
		(void)flock(fd, LOCK_SH | LOCK_NB);
	return fd;
}

static void remove_file(const char *path, struct error *err)
{
	if (unlink(path) < 0 && errno != ENOENT && errno != ENOTDIR)
		error_set_errno(err, errno, "cannot remove %s", path);
}

static void log_failure(struct specfile *specfile, const struct error *err)
{
	const struct config_class *class = specfile->class->config;
	uint64_t suppressed;

	if (log_limit_due(&specfile->failure_limit, FAILURE_LOG_INTERVAL_MS, &suppressed))
		log_error("cannot write the CDI spec", LOG_STR("class", class->name),
			  LOG_STR("resource", class->resource),
			  LOG_STR("error", error_message(err)),
			  LOG_STR("hint", "devices are handed out without CDI names"),
			  LOG_COUNT("suppressed", suppressed));
}

static void log_written(struct specfile *specfile, size_t device_count)
{
	uint64_t suppressed;

	if (!log_limit_burst(&specfile->write_limit, LOG_BURST, LOG_INTERVAL_MS,
			     &suppressed))
		return;
	log_info("CDI spec written", LOG_STR("class", specfile->class->config->name),
		 LOG_STR("resource", specfile->class->config->resource),
		 LOG_STR("path", specfile->path), LOG_INT("device_count", device_count),
		 LOG_COUNT("suppressed", suppressed));
}

/* What a failed write does to the directory is no reason for another one. */
static void wait_for_retry(struct specfile *specfile, const struct error *err)
{
	log_failure(specfile, err);
	specfile->has_failed = true;
	specfile->next_ms = clock_ms() + (err->code == ENOENT ? 0 : RETRY_MS);
	loop_timer_set(specfile->timer, RETRY_MS);
}

static void write_spec(struct specfile *specfile)
{
	KUDEV_AUTO_ERROR struct error err = {0};
	int64_t start_ms = clock_ms();
	size_t device_count = 0;
	KUDEV_AUTO_FREE char *text = cdi_spec(specfile->class, &device_count);
	int fd = -1;

	loop_timer_cancel(specfile->timer);
	if (text)
		fd = write_file(specfile, text, &err);
	else
		remove_file(specfile->path, &err);
	if (err.code) {
		wait_for_retry(specfile, &err);
		return;
	}
	specfile->has_failed = false;
	if (text || specfile->fd >= 0)
		log_written(specfile, device_count);
	fd_close(specfile->fd);
	specfile->fd = fd;
	specfile->fingerprint = cdi_fingerprint(specfile->class);
	specfile->next_ms = clock_ms() + (clock_ms() - start_ms) * PACE;
}

static void on_timer(void *data)
{
	write_spec(data);
}

/* Writes if something is to be written, at once if that may be. */
void specfile_refresh(struct specfile *specfile)
{
	int64_t wait_ms = specfile->next_ms - clock_ms();
	bool is_same = !specfile->has_failed &&
		       specfile->fingerprint == cdi_fingerprint(specfile->class);

	if (is_same && is_ours(specfile))
		return;
	if (is_same && access(specfile->path, F_OK) == 0 && wait_ms < TAKE_BACK_MS)
		wait_ms = TAKE_BACK_MS;
	if (wait_ms <= 0)
		write_spec(specfile);
	else if (!loop_timer_is_set(specfile->timer))
		loop_timer_set(specfile->timer, wait_ms);
}

static void on_change(void *data)
{
	specfile_refresh(data);
}

struct specfile *specfile_new(struct loop *loop, struct watcher *watcher,
			      struct inventory *inventory, struct inventory_class *class,
			      const char *directory)
{
	struct specfile *specfile = mem_zero(sizeof(*specfile));

	specfile->inventory = inventory;
	specfile->class = class;
	specfile->directory = mem_string(directory);
	specfile->path = path_of(directory, class->config->resource);
	specfile->fd = -1;
	specfile->timer = loop_timer_new(loop, on_timer, specfile);
	specfile->watch = watch_new(watcher, directory, on_change, specfile);
	inventory_class_use(class);
	inventory_class_observe(class, on_change, specfile);
	write_spec(specfile);
	return specfile;
}

struct specfile *specfile_free(struct specfile *specfile)
{
	if (!specfile)
		return NULL;
	watch_free(specfile->watch);
	inventory_class_ignore(specfile->class, specfile);
	inventory_class_leave(specfile->inventory, specfile->class);
	loop_timer_free(specfile->timer);
	fd_close(specfile->fd);
	free(specfile->directory);
	free(specfile->path);
	free(specfile);
	return NULL;
}

/* The resource of a spec by the name of its file; NULL: it is none. The caller frees it. */
static char *resource_of(const char *name)
{
	KUDEV_AUTO_FREE char *resource = NULL;
	char *separator;

	if (fnmatch(PREFIX "*" SUFFIX, name, 0) != 0)
		return NULL;
	resource = mem_string_n(name + strlen(PREFIX),
				strlen(name) - strlen(PREFIX SUFFIX));
	separator = strchr(resource, SEPARATOR);
	if (!separator)
		return NULL;
	*separator = '/';
	return resource_name_check(resource, NULL) == 0 ? take_ptr(resource) : NULL;
}

static bool is_configured(const struct config *config, const char *resource)
{
	for (size_t i = 0; i < config->class_count; i++) {
		if (config->classes[i].cdi.write &&
		    strcmp(config->classes[i].resource, resource) == 0)
			return true;
	}
	return false;
}

/* What a kudev left that was killed while it wrote. */
static void remove_unfinished(int directory, const char *name)
{
	struct stat status;

	if (fnmatch(PREFIX "*" SUFFIX FILE_SUFFIX_PATTERN, name, 0) == 0 &&
	    fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
	    status.st_mtim.tv_sec < time(NULL) - UNFINISHED_MAX_AGE_S)
		(void)unlinkat(directory, name, 0);
}

/* The resources that have a spec without a class. */
static void find_strays(const struct config *config, struct strings *ret)
{
	DIR *directory = opendir(config->cdi_directory);
	const struct dirent *entry;

	if (!directory)
		return;
	while (ret->count < MAX_STRAYS && (entry = readdir(directory))) {
		KUDEV_AUTO_FREE char *resource = resource_of(entry->d_name);

		remove_unfinished(dirfd(directory), entry->d_name);
		if (resource && !is_configured(config, resource))
			strings_take(ret, take_ptr(resource));
	}
	(void)closedir(directory);
}

static void on_held(const char *resource, const char *id, int numa_node, void *data)
{
	(void)id;
	(void)numa_node;
	strings_add_unique(data, resource);
}

static bool has_keeper(const char *path)
{
	KUDEV_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW |
						     O_NONBLOCK | O_NOCTTY);

	return fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0;
}

void specfile_sweep(const struct config *config)
{
	KUDEV_AUTO_STRINGS struct strings strays = {0};
	KUDEV_AUTO_STRINGS struct strings held = {0};

	find_strays(config, &strays);
	if (strays.count == 0 ||
	    checkpoint_read(config->plugin_directory, on_held, &held, NULL) < 0)
		return;
	for (size_t i = 0; i < strays.count; i++) {
		KUDEV_AUTO_FREE char *path = path_of(config->cdi_directory,
						     strays.items[i]);

		if (strings_contain(&held, strays.items[i]) || has_keeper(path) ||
		    unlink(path) < 0)
			continue;
		log_info("CDI spec removed", LOG_STR("resource", strays.items[i]),
			 LOG_STR("path", path));
	}
}
