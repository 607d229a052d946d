# SPDX-License-Identifier: Apache-2.0
# KUDEV_GRPC
# The gRPC C core without TLS, into GRPC_CFLAGS and GRPC_LIBS.
#
# By default its archives and those below it are linked in and everything else (libc, libyaml,
# …) stays shared: one third of the start-up time and half of the memory of the shared core,
# which brings some fifty libraries. --disable-static-grpc is for distributions that want
# them shared. ThreadSanitizer also gets the shared core, because it can only leave out
# reports by library, and the core is not instrumented.
AC_DEFUN([KUDEV_GRPC], [
	AC_ARG_ENABLE([static-grpc],
		[AS_HELP_STRING([--disable-static-grpc],
			[link the gRPC core as a shared library])],
		[], [AS_CASE([$enable_sanitizers],
			[*thread*], [enable_static_grpc=no],
			[enable_static_grpc=yes])])
	PKG_CHECK_MODULES([GRPC], [grpc_unsecure])
	kudev_grpc_version=`$PKG_CONFIG --modversion grpc_unsecure`
	kudev_grpc_linked=shared
	AS_IF([test "$enable_static_grpc" = yes], [KUDEV_GRPC_ARCHIVES])

	kudev_save_CFLAGS=$CFLAGS
	kudev_save_LIBS=$LIBS
	CFLAGS="$CFLAGS $GRPC_CFLAGS"
	LIBS="$GRPC_LIBS $LIBS"
	AC_MSG_CHECKING([whether the gRPC core links ($kudev_grpc_linked)])
	AC_LINK_IFELSE([AC_LANG_PROGRAM([[
			#include <stddef.h>
			#include <grpc/grpc.h>
			#include <grpc/grpc_security.h>
		]], [[
			grpc_init();
			grpc_server_create(NULL, NULL);
			grpc_completion_queue_create_for_next(NULL);
			grpc_insecure_server_credentials_create();
		]])],
		[AC_MSG_RESULT([yes])],
		[AC_MSG_RESULT([no])
		 AS_IF([test "$enable_static_grpc" = yes],
			[AC_MSG_ERROR([
the static gRPC core does not link. It needs libgrpc_unsecure.a, libgpr.a and the archives
below them (abseil, c-ares, re2, upb, address_sorting, zlib, libstdc++); on Debian they come
with libgrpc-dev, libabsl-dev, libc-ares-dev, libre2-dev and zlib1g-dev. The linker's words
are in config.log. To use the shared library, say --disable-static-grpc.])],
			[AC_MSG_ERROR([the gRPC core does not link; see config.log])])])
	AC_CHECK_FUNC([grpc_channel_create_from_fd], [],
		[AC_MSG_ERROR([this gRPC core is too old: 1.51 is needed])])
	CFLAGS=$kudev_save_CFLAGS
	LIBS=$kudev_save_LIBS
])

# KUDEV_GRPC_ARCHIVES
# Replaces GRPC_LIBS by the static group. pkg-config names the abseil libraries (several
# times over); what else the core was built upon is not in its .pc file, so we take those
# of the known ones that are there and leave the verdict to the linker.
AC_DEFUN([KUDEV_GRPC_ARCHIVES], [
	kudev_archives="-lgrpc_unsecure -lgpr"
	kudev_paths=
	kudev_shared=
	for kudev_word in `$PKG_CONFIG --static --libs grpc_unsecure`; do
		AS_CASE([$kudev_word],
			[-labsl_*], [AS_CASE([" $kudev_archives "],
				[*" $kudev_word "*], [],
				[AS_VAR_APPEND([kudev_archives], [" $kudev_word"])])],
			[-L*], [AS_VAR_APPEND([kudev_paths], ["$kudev_word "])],
			[-lgrpc*|-lgpr|-laddress_sorting|-lcares|-lre2|-lupb|-lz], [],
			[AS_VAR_APPEND([kudev_shared], [" $kudev_word"])])
	done
	for kudev_name in address_sorting cares re2 upb z; do
		kudev_file=`$CC $CFLAGS -print-file-name=lib$kudev_name.a`
		AS_IF([test -f "$kudev_file"],
			[AS_VAR_APPEND([kudev_archives], [" -l$kudev_name"])])
	done
	AS_VAR_APPEND([kudev_archives], [" -lstdc++"])
	GRPC_LIBS="$kudev_paths-Wl,--push-state,-Bstatic -Wl,--start-group"
	GRPC_LIBS="$GRPC_LIBS $kudev_archives -Wl,--end-group -Wl,--pop-state"
	GRPC_LIBS="$GRPC_LIBS$kudev_shared -pthread -lm"
	kudev_grpc_linked=static
])
