/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_CONFIG_CONFIG_H
#define KUDEV_CONFIG_CONFIG_H

/*
 * The configuration as the rest of the program sees it: a plain tree, complete, checked,
 * and const once built. Front ends (the YAML file, squat's grammar, flags and
 * environment) fill it; nothing in it refers to how it was written, except the place of
 * each class for messages. Pure: bytes in, struct out; no file of the device tree is
 * touched here. Thread: any; immutable after config_load().
 */

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/file.h"
#include "base/log.h"
#include "base/strings.h"
#include "base/template.h"
#include "base/util.h"

/*
 * Where the kubelet looks for device plugins (its constants.go; --root-dir does not move
 * it).
 */
#define CONFIG_PLUGIN_DIRECTORY "/var/lib/kubelet/device-plugins"
/* Below the kubelet's root directory (its apis/podresources/constants.go). */
#define CONFIG_POD_RESOURCES "/var/lib/kubelet/pod-resources/kubelet.sock"
/* Of the two that runtimes read, the one for specs that programs write. */
#define CONFIG_CDI_DIRECTORY "/var/run/cdi"
#define CONFIG_DOMAIN "kudev.io"
#define CONFIG_SQUAT_DOMAIN "squat.ai"
#define CONFIG_LISTEN ":8080"
#define CONFIG_FILE "/etc/kudev/kudev.yaml"
#define CONFIG_SIMULATE_DIRECTORY "/run/kudev/simulate"
#define CONFIG_FALLBACK_PREFIX "/dev/dummy-video"
/*
 * Of v4l2loopback: a label is 32 bytes with its end, more buffers make modules before
 * 0.15.1 write past their table, and numbers from 256 on give any other one.
 */
#define CONFIG_LABEL_MAX 31
#define CONFIG_BUFFERS_MAX 32
#define CONFIG_VIDEO_NUMBER_MAX 255

/*
 * The variables of templates, in the order of config_variables[]. PATH is the first node
 * of the device as the container sees it; IDS and PATHS join those of all its devices.
 */
enum config_variable {
	CONFIG_VARIABLE_ID,
	CONFIG_VARIABLE_PATH,
	CONFIG_VARIABLE_INDEX,
	CONFIG_VARIABLE_COUNT,
	CONFIG_VARIABLE_CLASS,
	CONFIG_VARIABLE_RESOURCE,
	CONFIG_VARIABLE_NODE,
	CONFIG_VARIABLE_IDS,
	CONFIG_VARIABLE_PATHS,
	CONFIG_VARIABLE_TIME,
	CONFIG_VARIABLE_MAX,
};

/* NULL-terminated, for template_new(). */
extern const char *const config_variables[CONFIG_VARIABLE_MAX + 1];

#define CONFIG_VARIABLE_BIT(name) (1U << CONFIG_VARIABLE_##name)
#define CONFIG_VARIABLES_ALL ((1U << CONFIG_VARIABLE_MAX) - 1)
/* A template that uses one of these differs between the devices of one container. */
#define CONFIG_VARIABLES_PER_DEVICE \
	(CONFIG_VARIABLE_BIT(ID) | CONFIG_VARIABLE_BIT(PATH) | CONFIG_VARIABLE_BIT(INDEX))
/* What a mountPath may use: it is known before the container's other devices are. */
#define CONFIG_VARIABLES_MOUNT_PATH                                   \
	(CONFIG_VARIABLE_BIT(ID) | CONFIG_VARIABLE_BIT(INDEX) |       \
	 CONFIG_VARIABLE_BIT(CLASS) | CONFIG_VARIABLE_BIT(RESOURCE) | \
	 CONFIG_VARIABLE_BIT(NODE))

enum config_source {
	CONFIG_SOURCE_GROUPS, /* also "paths", its shorthand */
	CONFIG_SOURCE_SIMULATE,
	CONFIG_SOURCE_MATCH,
	CONFIG_SOURCE_V4L2LOOPBACK,
};

/* How the IDs that the kubelet sees are made. */
enum config_ids {
	CONFIG_IDS_READABLE, /* kudev's own: DNS labels made from the paths */
	CONFIG_IDS_SQUAT, /* hex(sha1(copy ‖ paths)), as generic-device-plugin does */
	CONFIG_IDS_SQUAT_LEGACY, /* <path>-<copy>, as its first grammar did */
};

enum config_preferred {
	CONFIG_PREFERRED_NONE,
	CONFIG_PREFERRED_NUMA,
	CONFIG_PREFERRED_PACKED,
	CONFIG_PREFERRED_SPREAD,
};

/* What makes a device the same one after a re-plug; AUTO depends on its subsystem. */
enum config_identity {
	CONFIG_IDENTITY_AUTO,
	CONFIG_IDENTITY_SERIAL, /* its serial number, or its port if it has none */
	CONFIG_IDENTITY_PORT,	/* where it is plugged in, or its path if nowhere */
	CONFIG_IDENTITY_PATH,	/* the kernel's name for it */
};

enum config_together {
	CONFIG_TOGETHER_NONE,
	CONFIG_TOGETHER_PARENT, /* the nodes of one physical device are one unit */
};

/* What is done to a camera before each start of a container that gets it. */
enum config_reset {
	CONFIG_RESET_SOFT,     /* put back what can be without removing it */
	CONFIG_RESET_RECREATE, /* remove it and create it again */
	CONFIG_RESET_NONE,
};

/* What stands for cameras that the kernel can't give. */
enum config_fallback {
	CONFIG_FALLBACK_DUMMY, /* links to /dev/null */
	CONFIG_FALLBACK_NONE,
};

/* What tells of changes; see source/monitor.h. */
enum config_events {
	CONFIG_EVENTS_AUTO,
	CONFIG_EVENTS_UDEV,
	CONFIG_EVENTS_KERNEL,
	CONFIG_EVENTS_INOTIFY,
};

enum config_path_type {
	CONFIG_PATH_DEVICE,
	CONFIG_PATH_MOUNT,
	CONFIG_PATH_IGNORED, /* squat's unknown type under --lenient: counts for the ID alone */
};

struct config_path {
	char *pattern; /* absolute, lexically clean; a glob as path.Match reads it */
	struct template
		*mount_path; /* NULL: as on the host; a trailing / appends the name */
	char *permissions;   /* of a device: some of r, w and m */
	enum config_path_type type;
	bool read_only; /* of a mount */
	bool optional;
	unsigned limit; /* units that may use one match; at least 1 */
};

struct config_usb {
	uint16_t vendor;
	uint16_t product;
	char *serial; /* NULL: any */
};

/* Either paths or usb devices, never both. */
struct config_group {
	struct config_path *paths;
	size_t path_count;
	struct config_usb *usb;
	size_t usb_count;
	unsigned count; /* copies of each unit; at least 1 */
};

/* The value under key must match one of the globs. */
struct config_condition {
	char *key;
	struct strings globs;
};

/* All that is given must hold; empty lists hold always. */
struct config_match {
	struct strings subsystem;
	struct strings kernel; /* the kernel's name of the device */
	struct strings driver;
	struct strings tags;
	struct config_condition *properties; /* of udev's database */
	size_t property_count;
	struct config_condition *attributes; /* of sysfs */
	size_t attribute_count;
	struct strings usb_vendor; /* of the USB device that it belongs to; lower case */
	struct strings usb_product;
	struct strings usb_serial;
	struct config_match * not ; /* none of these may hold */
	size_t not_count;
};

/* A bound that may be absent. */
struct config_bound {
	bool is_set;
	double value;
};

struct config_regex {
	char *text;
	regex_t compiled;
};

/* What a sysfs attribute must be; all that is given must hold. */
struct config_check {
	char *attribute;
	struct strings equals;	   /* one of them; empty: any */
	struct strings not_equals; /* none of them */
	struct config_bound min;
	struct config_bound max;
	struct config_regex *regex; /* NULL: none */
};

struct config_health {
	bool open; /* open(2) of each node must succeed */
	struct config_check *checks;
	size_t check_count;
	unsigned interval_ms;
	unsigned timeout_ms;
	unsigned failure_threshold; /* in a row that make it unhealthy */
	unsigned success_threshold; /* in a row that make it healthy again */
};

struct config_simulate {
	unsigned count;
	unsigned numa_nodes; /* 0: no topology */
	char *directory;     /* holds the nodes; absolute */
};

/* Cameras /dev/video<first_number> … that kudev makes. */
struct config_v4l2loopback {
	unsigned count;
	unsigned first_number;
	struct template *label;
	struct strings labels; /* of each camera; at most CONFIG_LABEL_MAX bytes */
	bool exclusive_caps;
	unsigned buffers; /* 1…CONFIG_BUFFERS_MAX */
	unsigned openers;
	unsigned min_width, min_height; /* pixels */
	unsigned max_width, max_height;
	unsigned mode; /* the permission bits of the nodes */
	char *owner;   /* a name or number; "": as udev has it */
	char *group;
	enum config_reset reset;
	enum config_fallback fallback;
	char *fallback_prefix; /* of the dummies' paths, before the number */
	unsigned timeout_ms;   /* for loading the module and creating the devices */
};

/* An environment variable or an annotation. */
struct config_pair {
	char *key;
	struct template *value;
};

struct config_mount {
	char *host_path;
	char *container_path;
	bool read_only;
};

/* The Container Device Interface. */
struct config_cdi {
	bool write; /* a spec, with a name for each device */
};

struct config_class {
	char *name;
	char *resource; /* domain/name, as the kubelet is told it */
	enum config_source source;
	enum config_ids ids;

	struct config_group *groups; /* CONFIG_SOURCE_GROUPS */
	size_t group_count;
	struct config_simulate simulate;	 /* CONFIG_SOURCE_SIMULATE */
	struct config_v4l2loopback v4l2loopback; /* CONFIG_SOURCE_V4L2LOOPBACK */
	struct config_match *matches;		 /* CONFIG_SOURCE_MATCH: alternatives */
	size_t match_count;
	enum config_together together;
	enum config_identity identity;
	struct template *mount_path; /* NULL: as on the host */
	char *permissions;
	struct config_health health;

	unsigned share;	   /* containers that may hold one device at once; at least 1 */
	bool shares_nodes; /* other classes may claim the same nodes */

	struct config_pair *env;
	size_t env_count;
	struct config_pair *annotations;
	size_t annotation_count;
	struct config_mount *mounts;
	size_t mount_count;
	enum config_preferred preferred;
	struct config_cdi cdi;

	/* Where the class was written; file is owned by the class and never NULL. */
	char *file;
	unsigned line; /* 0: unknown */
	unsigned column;

	struct config *config; /* that it is a part of; NULL: made by hand */
};

struct config {
	char *domain;
	char *plugin_directory;
	char *pod_resources; /* the socket; "none": off */
	unsigned forget_after_ms;
	char *cdi_directory; /* for specs; cleaned */
	char *listen;	     /* "none": off */
	bool holder_metrics; /* tell by metrics which containers hold devices */
	enum log_level log_level;
	enum log_format log_format;
	enum config_events events;
	char *root; /* devices and sysfs are looked up below it; "" for the real root */
	char *node_name; /* {node}; "" if unknown */
	bool is_trial;	 /* what was there before must be as it was when it ends */
	struct config_class *classes;
	size_t class_count;

	char *file;		 /* that was read; NULL: none was */
	char *text;		 /* of it */
	struct file_stamp stamp; /* of it, just before that */
	unsigned holds;		 /* config_class_hold() */
};

/* Frees it once nobody holds a class of it any more. */
struct config *config_free(struct config *config);

/*
 * Until config_class_drop(), the class stays, with the configuration that it is a part of. For
 * what outlives a reload. Thread: the loop thread.
 */
const struct config_class *config_class_hold(const struct config_class *class);
void config_class_drop(const struct config_class *class);

/* Frees all classes and leaves none. */
void config_drop_classes(struct config *config);
KUDEV_DEFINE_CLEANUP(struct config *, config_free)

/* The words that the configuration uses for these enums, in their order, and NULL. */
extern const char *const config_preferred_names[];
extern const char *const config_identity_names[];
extern const char *const config_together_names[];
extern const char *const config_events_names[];
extern const char *const config_reset_names[];
extern const char *const config_fallback_names[];

struct config_regex *config_regex_free(struct config_regex *regex);

/* Whether devices of the class are looked at now and then. */
bool config_health_is_wanted(const struct config_health *health);

#endif
