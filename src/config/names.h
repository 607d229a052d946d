/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_CONFIG_NAMES_H
#define KUDEV_CONFIG_NAMES_H

/*
 * The names that Kubernetes will accept, checked before it is asked. Each function
 * returns 0, or -EINVAL with a sentence that quotes the name and says what is wrong with
 * it. Thread-safe: nothing here keeps state.
 */

#include "base/error.h"

/*
 * domain/name as the kubelet demands of a plugin (IsExtendedResourceName in
 * pkg/apis/core/v1/helper/helpers.go).
 */
int resource_name_check(const char *name, struct error *err);

/* A domain that makes a resource name with every class name. */
int domain_name_check(const char *name, struct error *err);

/* What stands behind the / of a resource name. */
int class_name_check(const char *name, struct error *err);

/*
 * A resource whose name is a kind of CDI devices too, vendor/class: both begin with a
 * letter (pkg/parser of container-device-interface), and the name of its spec file fits.
 */
int cdi_kind_check(const char *resource, struct error *err);

/* An environment variable (IsEnvVarName in apimachinery's validation.go). */
int env_name_check(const char *name, struct error *err);

/*
 * A qualified name whose case does not matter, since Kubernetes lower-cases the keys of
 * annotations before it looks at them (ValidateAnnotations in objectmeta.go).
 */
int annotation_key_check(const char *key, struct error *err);

/* What the five accept, as regular expressions for the schema. */
extern const char resource_name_pattern[];
extern const char domain_name_pattern[];
extern const char class_name_pattern[];
extern const char env_name_pattern[];
extern const char annotation_key_pattern[];

#endif
