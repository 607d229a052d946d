# SPDX-License-Identifier: Apache-2.0
# Makes the table of run.sh. Reads first the rows (fields separated by "|": label, row,
# classes, devices, figure, divisor, unit, greatest ratio, greatest value; "" where there
# is no target), then the figures of bench, one JSON object a line, in the order of the
# runs: the nth one of kudev and the nth one of squat are a pair.

function figure(line, name)
{
	if (!match(line, "\"" name "\":\"?[^,}\"]*"))
		return ""
	line = substr(line, RSTART, RLENGTH)
	sub(/^[^:]*:"?/, "", line)
	return line
}

# sorted[1..n] of values[key, 1..n]
function sort(values, key, n, sorted,    i, j, value)
{
	for (i = 1; i <= n; i++) {
		value = values[key, i]
		for (j = i - 1; j > 0 && sorted[j] > value; j--)
			sorted[j + 1] = sorted[j]
		sorted[j + 1] = value
	}
}

function median(sorted, n)
{
	return n % 2 ? sorted[(n + 1) / 2] : (sorted[n / 2] + sorted[n / 2 + 1]) / 2
}

function number(value)
{
	if (value >= 100 || value <= -100 || value == int(value))
		return sprintf("%.0f", value)
	return sprintf(value >= 10 || value <= -10 ? "%.1f" : "%.2f", value)
}

function range(sorted, n, suffix)
{
	if (n < 2)
		return ""
	return " (" number(sorted[1]) "-" number(sorted[n]) suffix ")"
}

function target(r,    text)
{
	if (max_ratio[r] != "")
		text = "<= " max_ratio[r] "x"
	if (max_value[r] != "")
		text = text (text ? " and " : "") "<= " max_value[r] " " unit[r]
	return text
}

# What the machine can say about a target: without a peer, nothing of a ratio.
function verdict(r, value, ratio,    missed, unknown)
{
	if (max_ratio[r] == "" && max_value[r] == "")
		return ""
	if (max_ratio[r] != "") {
		if (ratio == "")
			unknown = 1
		else if (ratio > max_ratio[r])
			missed = 1
	}
	if (max_value[r] != "" && value > max_value[r])
		missed = 1
	if (missed) {
		missed_count++
		return "MISSED"
	}
	if (unknown) {
		unknown_count++
		return "no peer"
	}
	met_count++
	return "met"
}

function read_figures(program,    key, value, r)
{
	for (r = 1; r <= row_count; r++) {
		if (figure($0, "row") != row[r] || figure($0, "classes") != classes[r] ||
		    figure($0, "devices") != devices[r])
			continue
		value = figure($0, name[r])
		if (value == "")
			continue
		key = r SUBSEP program
		values[key, ++count[key]] = value / divisor[r]
	}
}

function ratios(r, kudev, squat,    i, n, pairs)
{
	pairs = count[kudev] < count[squat] ? count[kudev] : count[squat]
	for (i = 1; i <= pairs; i++) {
		if (values[squat, i] > 0 && values[kudev, i] > 0)
			values["ratio", r, ++n] = values[kudev, i] / values[squat, i]
	}
	return n + 0
}

function print_row(r,    kudev, squat, k, s, q, n, value, ratio, peer, quotient)
{
	kudev = r SUBSEP "kudev"
	squat = r SUBSEP "squat"
	if (!count[kudev])
		return
	sort(values, kudev, count[kudev], k)
	value = median(k, count[kudev])
	peer = ratio = quotient = ""
	if (count[squat]) {
		sort(values, squat, count[squat], s)
		peer = number(median(s, count[squat])) range(s, count[squat], "")
		n = ratios(r, kudev, squat)
	}
	if (n) {
		sort(values, "ratio" SUBSEP r, n, q)
		ratio = median(q, n)
		quotient = sprintf("%.2fx", ratio)
		if (n > 1)
			quotient = quotient sprintf(" (%.2f-%.2f)", q[1], q[n])
	}
	printf format, label[r], unit[r], number(value) range(k, count[kudev], ""),
		peer == "" ? "-" : peer, quotient == "" ? "-" : quotient, target(r),
		verdict(r, value, ratio)
}

BEGIN {
	FS = "|"
	format = "%-42s %-5s %-20s %-24s %-18s %-20s %s\n"
}
FNR == NR {
	if (NF < 9)
		next
	r = ++row_count
	label[r] = $1; row[r] = $2; classes[r] = $3; devices[r] = $4; name[r] = $5
	divisor[r] = $6; unit[r] = $7; max_ratio[r] = $8; max_value[r] = $9
	next
}
{
	read_figures(figure($0, "program"))
}
END {
	printf format, "", "", "kudev (min-max)", "squat (min-max)", "ratio (min-max)",
		"target", ""
	for (r = 1; r <= row_count; r++)
		print_row(r)
	printf "\ntargets: %d met, %d missed, %d without a peer to judge by\n", met_count,
		missed_count, unknown_count
}
