# SPDX-License-Identifier: Apache-2.0
# awk -f latency.awk -v node=ttyACM0 -v resource=NAME EVENTS LISTS: how long it took from
# the events of a node to the lists, of a device that came and went again and again, alone.
# The n-th event of a kind belongs to the n-th change of the list.

FNR == NR && ($7 == node || $7 == "/dev/" node) && ($3 == "add" || $3 == "remove") {
	time[$1, $3, ++count[$1, $3]] = $2
}

FNR != NR && $1 == "list" && $2 == resource {
	healthy = gsub("=Healthy", "&")
	if (!seen++)
		; # what was there before
	else if (healthy > before)
		time["list", "add", ++count["list", "add"]] = $3
	else if (healthy < before)
		time["list", "remove", ++count["list", "remove"]] = $3
	before = healthy
}

function sort(values, n,	i, j, value)
{
	for (i = 2; i <= n; i++) {
		value = values[i]
		for (j = i - 1; j > 0 && values[j] > value; j--)
			values[j + 1] = values[j]
		values[j + 1] = value
	}
}

function rank(n, part)
{
	part = int(n * part + 0.9999)
	return part < 1 ? 1 : part
}

function row(what, from, to, action,	i, n, values)
{
	n = count[to, action] < count[from, action] ? count[to, action] : count[from, action]
	if (n == 0)
		return
	for (i = 1; i <= n; i++)
		values[i] = time[to, action, i] - time[from, action, i]
	sort(values, n)
	printf "%-34s %5d %8.2f %8.2f %8.2f\n", what, n, values[rank(n, 0.5)] / 1000,
		values[rank(n, 0.99)] / 1000, values[n] / 1000
}

END {
	printf "%-34s %5s %8s %8s %8s\n", "ms of the machine's time", "n", "p50", "p99", "max"
	row("plug: kernel event -> udev event", "kernel", "udev", "add")
	row("plug: kernel event -> list", "kernel", "list", "add")
	row("plug: udev event -> list", "udev", "list", "add")
	row("unplug: kernel event -> udev event", "kernel", "udev", "remove")
	row("unplug: kernel event -> list", "kernel", "list", "remove")
	row("unplug: udev event -> list", "udev", "list", "remove")
}
