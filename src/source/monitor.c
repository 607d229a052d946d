/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <libudev.h>
#include <linux/netlink.h>
#include <linux/nsfs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "source/monitor.h"
#include "source/settling.h"

#define FORCED "the configuration says so"
/* The first user namespace's inode (proc_ns.h, PROC_USER_INIT_INO). */
#define FIRST_USER_NAMESPACE 0xEFFFFFFDU
/* Room for some thousand messages; the kernel doubles it, and rmem_max may cut it. */
#define BUFFER_SIZE (8 * 1024 * 1024)
/* Before the loop does something else. */
#define MAX_MESSAGES 256
#define LOG_INTERVAL_MS 10000

/* One of the two sockets. */
struct listener {
	struct monitor *monitor;
	const char *group;
	struct udev_monitor *netlink;
	struct loop_watch *watch;
	bool has_lost; /* since its queue was empty */
};

struct monitor {
	struct loop *loop; /* owned by the caller */
	enum config_events wish;
	monitor_callback on_event;
	loop_callback on_lost;
	void *data;
	struct udev *udev;
	struct listener by_udev;
	struct listener by_kernel;
	struct monitor_state state;
	bool has_heard_udev; /* since the last recheck */
	struct log_limit lost_limit;
	struct monitor_stats stats;
};

const char *monitor_mode_describe(enum monitor_mode mode)
{
	switch (mode) {
	case MONITOR_UDEV:
		return "udev";
	case MONITOR_KERNEL:
		return "kernel, with udev's database";
	case MONITOR_BARE:
		return "kernel, without udev";
	case MONITOR_INOTIFY:
		break;
	}
	return "inotify";
}

static bool can_open_netlink(void)
{
	KUDEV_AUTO_CLOSE int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC,
					 NETLINK_KOBJECT_UEVENT);

	return fd >= 0;
}

/*
 * The kernel sends its messages to network namespaces that the first user namespace owns
 * (kobject_uevent.c, uevent_net_broadcast_untagged). Whose owner may not be known to us is
 * owned from further up.
 */
static bool kernel_reaches_us(void)
{
	KUDEV_AUTO_CLOSE int net = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	KUDEV_AUTO_CLOSE int owner = net >= 0 ? ioctl(net, NS_GET_USERNS) : -1;
	struct stat status;

	return owner < 0 || fstat(owner, &status) < 0 ||
	       status.st_ino == FIRST_USER_NAMESPACE;
}

/*
 * Whether udevd is in this network namespace, where its messages stay: a socket is listed
 * in the one in which it was made. Columns of unix_seq_show() in af_unix.c.
 */
static bool has_udevd(void)
{
	static const char suffix[] = " /run/udev/control\n";
	FILE *list = fopen("/proc/self/net/unix", "re");
	char line[256];
	bool found = false;

	while (list && !found && fgets(line, sizeof(line), list)) {
		size_t length = strlen(line);

		found = length >= strlen(suffix) &&
			strcmp(line + length - strlen(suffix), suffix) == 0;
	}
	if (list)
		fclose(list);
	return found;
}

struct monitor_state monitor_probe(enum config_events wish)
{
	bool is_forced = wish != CONFIG_EVENTS_AUTO;

	if (wish == CONFIG_EVENTS_INOTIFY)
		return (struct monitor_state){MONITOR_INOTIFY, FORCED};
	if (!can_open_netlink())
		return (struct monitor_state){MONITOR_INOTIFY, "netlink cannot be used"};
	if (wish == CONFIG_EVENTS_UDEV)
		return (struct monitor_state){MONITOR_UDEV, FORCED};
	if (!is_forced && !kernel_reaches_us())
		return (struct monitor_state){
			MONITOR_INOTIFY,
			"the kernel sends nothing to network namespaces of a user "
			"namespace"};
	if (!settling_has_udev())
		return (struct monitor_state){
			MONITOR_BARE, is_forced ? FORCED : "there is no /run/udev"};
	if (is_forced)
		return (struct monitor_state){MONITOR_KERNEL, FORCED};
	if (has_udevd())
		return (struct monitor_state){MONITOR_UDEV,
					      "udevd is in this network namespace"};
	return (struct monitor_state){MONITOR_KERNEL,
				      "udevd is not in this network namespace"};
}

static void set_state(struct monitor *monitor, struct monitor_state state)
{
	monitor->state = state;
	log_info("events of devices", LOG_STR("from", monitor_mode_describe(state.mode)),
		 LOG_STR("reason", state.reason));
}

static void take_message(struct listener *listener, struct udev_device *device)
{
	struct monitor *monitor = listener->monitor;
	const struct source_event event = {
		.action = udev_device_get_action(device),
		.syspath = udev_device_get_syspath(device),
		.subsystem = udev_device_get_subsystem(device),
		.node = udev_device_get_devnode(device),
	};

	if (listener == &monitor->by_udev) {
		monitor->has_heard_udev = true;
		monitor->stats.by_udev++;
	} else {
		monitor->stats.by_kernel++;
	}
	if (listener == &monitor->by_udev && monitor->state.mode != MONITOR_UDEV)
		set_state(monitor,
			  (struct monitor_state){MONITOR_UDEV, "udev sent a message"});
	if (event.action && event.syspath && event.node)
		monitor->on_event(&event, monitor->data);
}

static void report_loss(struct listener *listener)
{
	struct monitor *monitor = listener->monitor;
	uint64_t suppressed;

	monitor->stats.losses++;
	listener->has_lost = true;
	if (log_limit_due(&monitor->lost_limit, LOG_INTERVAL_MS, &suppressed))
		log_warn("events of devices were lost", LOG_STR("from", listener->group),
			 LOG_COUNT("suppressed", suppressed),
			 LOG_STR("hint", "all devices are looked at anew"));
	monitor->on_lost(monitor->data);
}

/* A queue that has overflowed says so once, until it is empty (netlink_overrun(), af_netlink.c). */
static void check_drained(struct listener *listener)
{
	char byte;

	if (!listener->has_lost ||
	    recv(udev_monitor_get_fd(listener->netlink), &byte, sizeof(byte),
		 MSG_PEEK | MSG_DONTWAIT) >= 0 ||
	    errno != EAGAIN)
		return;
	listener->has_lost = false;
	listener->monitor->on_lost(listener->monitor->data);
}

static void on_readable(void *data)
{
	struct listener *listener = data;

	for (int i = 0; i < MAX_MESSAGES; i++) {
		struct udev_device *device;

		errno = 0;
		device = udev_monitor_receive_device(listener->netlink);
		if (device) {
			take_message(listener, device);
			udev_device_unref(device);
		} else if (errno == ENOBUFS) {
			report_loss(listener);
		} else {
			check_drained(listener);
			return;
		}
	}
}

static void listener_open(struct listener *listener)
{
	struct monitor *monitor = listener->monitor;

	listener->netlink = udev_monitor_new_from_netlink(monitor->udev, listener->group);
	if (!listener->netlink)
		goto failed;
	/* Without the privilege for so much, the kernel gives what it may. */
	(void)udev_monitor_set_receive_buffer_size(listener->netlink, BUFFER_SIZE);
	if (udev_monitor_enable_receiving(listener->netlink) < 0)
		goto failed;
	listener->watch = loop_watch_new(monitor->loop,
					 udev_monitor_get_fd(listener->netlink),
					 on_readable, listener);
	return;
failed:
	log_warn("cannot listen to events of devices", LOG_STR("from", listener->group),
		 LOG_STR("error", strerror(errno)));
	udev_monitor_unref(listener->netlink);
	listener->netlink = NULL;
}

static void listener_close(struct listener *listener)
{
	loop_watch_free(listener->watch);
	udev_monitor_unref(listener->netlink);
}

struct monitor *monitor_new(struct loop *loop, enum config_events wish,
			    monitor_callback on_event, loop_callback on_lost, void *data)
{
	struct monitor *monitor = mem_zero(sizeof(*monitor));

	*monitor = (struct monitor){
		.loop = loop,
		.wish = wish,
		.on_event = on_event,
		.on_lost = on_lost,
		.data = data,
		.udev = udev_new(),
		.by_udev = {.monitor = monitor, .group = "udev"},
		.by_kernel = {.monitor = monitor, .group = "kernel"},
	};
	set_state(monitor, monitor_probe(wish));
	if (!monitor->udev || monitor->state.mode == MONITOR_INOTIFY)
		return monitor;
	if (wish != CONFIG_EVENTS_KERNEL)
		listener_open(&monitor->by_udev);
	if (wish != CONFIG_EVENTS_UDEV)
		listener_open(&monitor->by_kernel);
	return monitor;
}

struct monitor *monitor_free(struct monitor *monitor)
{
	if (!monitor)
		return NULL;
	listener_close(&monitor->by_udev);
	listener_close(&monitor->by_kernel);
	udev_unref(monitor->udev);
	free(monitor);
	return NULL;
}

void monitor_recheck(struct monitor *monitor)
{
	struct monitor_state state = monitor_probe(monitor->wish);

	if (state.mode != monitor->state.mode && !monitor->has_heard_udev)
		set_state(monitor, state);
	monitor->has_heard_udev = false;
}

struct monitor_state monitor_state(const struct monitor *monitor)
{
	return monitor->state;
}

const struct monitor_stats *monitor_stats(const struct monitor *monitor)
{
	return &monitor->stats;
}

bool monitor_hears_udev(const struct monitor *monitor)
{
	return monitor->state.mode == MONITOR_UDEV;
}

bool monitor_is_live(const struct monitor *monitor)
{
	return monitor->by_udev.watch || monitor->by_kernel.watch;
}
