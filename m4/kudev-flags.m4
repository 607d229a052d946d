# SPDX-License-Identifier: Apache-2.0
# Compiler and linker flags. All of them end in KUDEV_* variables that Makefile.am puts into
# AM_CPPFLAGS, AM_CFLAGS and AM_LDFLAGS, so that what the user says stands behind them.

# KUDEV_TRY_FLAGS(VARIABLE, FLAGS, [CFLAGS|LDFLAGS])
# Appends to VARIABLE each of FLAGS that compiles and links a program without a word.
AC_DEFUN([KUDEV_TRY_FLAGS], [
	AC_LANG_ASSERT([C])
	for kudev_flag in $2; do
		AS_VAR_PUSHDEF([kudev_cache], [kudev_cv_flag_$kudev_flag])
		AC_CACHE_CHECK([whether $CC takes $kudev_flag], [kudev_cache], [
			kudev_save_CFLAGS=$CFLAGS
			kudev_save_LDFLAGS=$LDFLAGS
			$3="$[]$3 $kudev_flag"
			CFLAGS="$CFLAGS -Werror"
			AC_LINK_IFELSE([AC_LANG_SOURCE([[int main(void) { return 0; }]])],
				[AS_VAR_SET([kudev_cache], [yes])],
				[AS_VAR_SET([kudev_cache], [no])])
			CFLAGS=$kudev_save_CFLAGS
			LDFLAGS=$kudev_save_LDFLAGS])
		AS_VAR_IF([kudev_cache], [yes], [AS_VAR_APPEND([$1], [" $kudev_flag"])])
		AS_VAR_POPDEF([kudev_cache])
	done
])

# KUDEV_WARNINGS
# The warnings of the house, as far as this compiler knows them, and --enable-werror. An enum
# switch has no default in this code, so -Wswitch is wanted and -Wswitch-default is not;
# -Wcast-qual is at odds with the initialisers that protobuf-c generates.
AC_DEFUN([KUDEV_WARNINGS], [
	AC_ARG_ENABLE([werror],
		[AS_HELP_STRING([--enable-werror], [make the warnings errors])],
		[], [enable_werror=no])
	KUDEV_TRY_FLAGS([KUDEV_WARNING_CFLAGS], [-Wall -Wextra -Wpedantic dnl
		-Walloca -Wcast-align -Wdeclaration-after-statement dnl
		-Wduplicated-branches -Wduplicated-cond -Wformat=2 dnl
		-Winit-self -Wlogical-op -Wmissing-declarations -Wmissing-include-dirs dnl
		-Wmissing-prototypes -Wnested-externs -Wold-style-definition -Wpointer-arith dnl
		-Wredundant-decls -Wshadow -Wstrict-prototypes -Wundef -Wvla dnl
		-Wwrite-strings], [CFLAGS])
	set x $KUDEV_WARNING_CFLAGS
	shift
	kudev_warnings_count=$[]#
	AS_IF([test "$enable_werror" = yes],
		[KUDEV_WARNING_CFLAGS="$KUDEV_WARNING_CFLAGS -Werror"])
	AC_SUBST([KUDEV_WARNING_CFLAGS])
])

# KUDEV_SANITIZERS
# --enable-sanitizers[=LIST]; a report ends the program, so that a test sees it.
AC_DEFUN([KUDEV_SANITIZERS], [
	AC_ARG_ENABLE([sanitizers],
		[AS_HELP_STRING([--enable-sanitizers@<:@=LIST@:>@],
			[build with these sanitizers (address,undefined), or with thread])],
		[AS_IF([test "$enableval" = yes], [enable_sanitizers=address,undefined])],
		[enable_sanitizers=no])
	AS_IF([test "$enable_sanitizers" != no], [
		KUDEV_SANITIZER_FLAGS=
		KUDEV_TRY_FLAGS([KUDEV_SANITIZER_FLAGS],
			[-fsanitize=$enable_sanitizers], [CFLAGS])
		AS_IF([test -z "$KUDEV_SANITIZER_FLAGS"],
			[AC_MSG_ERROR([$CC cannot build with -fsanitize=$enable_sanitizers])])
		KUDEV_SANITIZER_FLAGS="$KUDEV_SANITIZER_FLAGS -fno-sanitize-recover=all"
		KUDEV_SANITIZER_FLAGS="$KUDEV_SANITIZER_FLAGS -fno-omit-frame-pointer"])
	AC_SUBST([KUDEV_SANITIZER_FLAGS])
	AC_SUBST([enable_sanitizers])
])

# KUDEV_FUZZING
# --enable-fuzzing: the programs of tests/fuzz as libFuzzer programs, which needs clang.
AC_DEFUN([KUDEV_FUZZING], [
	AC_ARG_ENABLE([fuzzing],
		[AS_HELP_STRING([--enable-fuzzing],
			[build tests/fuzz with libFuzzer (CC=clang); make fuzz runs them])],
		[], [enable_fuzzing=no])
	AS_IF([test "$enable_fuzzing" = yes], [
		KUDEV_TRY_FLAGS([KUDEV_FUZZER_CFLAGS], [-fsanitize=fuzzer-no-link], [CFLAGS])
		AS_IF([test -z "$KUDEV_FUZZER_CFLAGS"],
			[AC_MSG_ERROR([$CC has no libFuzzer; say CC=clang])])
		KUDEV_FUZZER_LIBS=-fsanitize=fuzzer])
	AC_SUBST([KUDEV_FUZZER_CFLAGS])
	AC_SUBST([KUDEV_FUZZER_LIBS])
	AM_CONDITIONAL([FUZZING], [test "$enable_fuzzing" = yes])
])

# KUDEV_HARDENING
# On unless --disable-hardening. _FORTIFY_SOURCE needs an optimising compiler, gets in the
# way of the sanitizers, and is left alone where the user or the compiler has set it.
AC_DEFUN([KUDEV_HARDENING], [
	AC_ARG_ENABLE([hardening],
		[AS_HELP_STRING([--disable-hardening],
			[no stack protector, FORTIFY_SOURCE, PIE, RELRO])],
		[], [enable_hardening=yes])
	KUDEV_TRY_FLAGS([KUDEV_LINK_CFLAGS], [-ffunction-sections -fdata-sections], [CFLAGS])
	KUDEV_TRY_FLAGS([KUDEV_LINK_LDFLAGS], [-Wl,--as-needed -Wl,--gc-sections], [LDFLAGS])
	AS_IF([test "$enable_hardening" = yes], [
		KUDEV_TRY_FLAGS([KUDEV_LINK_CFLAGS],
			[-fstack-protector-strong -fstack-clash-protection -fPIE], [CFLAGS])
		KUDEV_TRY_FLAGS([KUDEV_LINK_LDFLAGS],
			[-pie -Wl,-z,relro -Wl,-z,now], [LDFLAGS])
		AS_IF([test "$enable_sanitizers" = no], [
			AC_MSG_CHECKING([whether to define _FORTIFY_SOURCE])
			AC_PREPROC_IFELSE([AC_LANG_SOURCE([[
				#if defined(_FORTIFY_SOURCE)
				#error already defined
				#endif
				]])],
				[kudev_fortify=yes], [kudev_fortify="no, it is"])
			AC_COMPILE_IFELSE([AC_LANG_SOURCE([[
				#if !defined(__OPTIMIZE__)
				#error not optimising
				#endif
				int unused;
				]])],
				[], [kudev_fortify="no, not optimising"])
			AC_MSG_RESULT([$kudev_fortify])
			AS_IF([test "$kudev_fortify" = yes],
				[KUDEV_LINK_CPPFLAGS=-D_FORTIFY_SOURCE=2])])])
	AC_SUBST([KUDEV_LINK_CPPFLAGS])
	AC_SUBST([KUDEV_LINK_CFLAGS])
	AC_SUBST([KUDEV_LINK_LDFLAGS])
])
