# SPDX-License-Identifier: Apache-2.0
# KUDEV_UMOCKDEV
# What mocks devices for the unit tests that want some. They are skipped without it.
AC_DEFUN([KUDEV_UMOCKDEV], [
	PKG_CHECK_MODULES([UMOCKDEV], [umockdev-1.0],
		[kudev_umockdev=yes
		 kudev_umockdev_summary=yes],
		[kudev_umockdev=no
		 kudev_umockdev_summary="skipped: no umockdev (Debian: libumockdev-dev umockdev)"])
])
