# SPDX-License-Identifier: Apache-2.0
# KUDEV_DIRECTORIES
# Where bash's completion and systemd's unit go, into bashcompletiondir and
# systemdsystemunitdir; the latter is empty if there is no systemd. What pkg-config says is
# meant for what has the prefix /usr; whatever has another stays below it, where bash and
# systemd look as well if it is /usr/local.
AC_DEFUN([KUDEV_DIRECTORIES], [
	AC_ARG_WITH([systemdsystemunitdir],
		[AS_HELP_STRING([--with-systemdsystemunitdir=DIR],
			[where kudev.service goes; none without systemd])],
		[], [with_systemdsystemunitdir=auto])

	PKG_CHECK_VAR([bashcompletiondir], [bash-completion], [completionsdir])
	AS_IF([test "$prefix" != /usr || test -z "$bashcompletiondir"],
		[bashcompletiondir='${datadir}/bash-completion/completions'])

	PKG_CHECK_VAR([systemdsystemunitdir], [systemd], [systemdsystemunitdir])
	AS_IF([test "$prefix" != /usr && test -n "$systemdsystemunitdir"],
		[systemdsystemunitdir='${prefix}/lib/systemd/system'])
	AS_CASE([$with_systemdsystemunitdir],
		[auto], [],
		[yes], [AS_IF([test -z "$systemdsystemunitdir"],
			[AC_MSG_ERROR([--with-systemdsystemunitdir needs a directory, for pkg-config does not know systemd])])],
		[no], [systemdsystemunitdir=],
		[systemdsystemunitdir=$with_systemdsystemunitdir])
	AM_CONDITIONAL([SYSTEMD], [test -n "$systemdsystemunitdir"])
])
