# SPDX-License-Identifier: Apache-2.0
# KUDEV_PYTHON
# A Python that can run tests/integration, into PYTHON; empty if there is none. The first
# python3 on the PATH may be one without the distribution's modules, so /usr/bin is tried too.
AC_DEFUN([KUDEV_PYTHON], [
	AC_ARG_VAR([PYTHON], [Python 3 with grpc, google.protobuf and pytest, for the tests])
	AC_MSG_CHECKING([for a Python with grpc, google.protobuf and pytest])
	kudev_python=
	for kudev_try in $PYTHON python3 /usr/bin/python3; do
		AS_IF([$kudev_try -c 'import grpc, google.protobuf, pytest' >&AS_MESSAGE_LOG_FD 2>&1],
			[kudev_python=$kudev_try
			 break])
	done
	PYTHON=$kudev_python
	AC_MSG_RESULT([${PYTHON:-none}])
	kudev_python_summary=$PYTHON
	KUDEV_PYTHON_MISSING=
	AS_IF([test -z "$PYTHON"],
		[KUDEV_PYTHON_MISSING="no python3 with grpc, google.protobuf and pytest"],
		[test -z "$PROTOC"],
		[KUDEV_PYTHON_MISSING="no protoc for the Python messages"])
	AS_IF([test -n "$KUDEV_PYTHON_MISSING"],
		[kudev_python_summary="skipped: $KUDEV_PYTHON_MISSING"])
	AC_SUBST([KUDEV_PYTHON_MISSING])
])
