// SPDX-License-Identifier: Apache-2.0

// What a container runtime does with CDI, by the library that they have in common: reads the
// specs of a directory, finds the names that the kubelet passed on, and edits with them the
// OCI spec that it reads from stdin. What comes of that is printed. Built once for each
// VERSION.mod.
//
// "cdi DIRECTORY NAME..."
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	oci "github.com/opencontainers/runtime-spec/specs-go"
	"tags.cncf.io/container-device-interface/pkg/cdi"
)

// checkSpecs checks what the names do not depend on.
func checkSpecs(cache *cdi.Cache) error {
	for _, vendor := range cache.ListVendors() {
		for _, spec := range cache.GetVendorSpecs(vendor) {
			lowest, err := cdi.MinimumRequiredVersion(spec.Spec)
			if err != nil {
				return err
			}
			if spec.Version != lowest {
				return fmt.Errorf("%s is of version %s, where %s would do", spec.GetPath(),
					spec.Version, lowest)
			}
			if err := checkSchema(spec.GetPath()); err != nil {
				return fmt.Errorf("%s: %w", spec.GetPath(), err)
			}
		}
	}
	return nil
}

func run(directory string, names []string) error {
	var spec oci.Spec
	if err := json.NewDecoder(os.Stdin).Decode(&spec); err != nil {
		return err
	}
	cache, err := cdi.NewCache(cdi.WithSpecDirs(directory), cdi.WithAutoRefresh(false))
	if err != nil {
		return err
	}
	for path, problems := range cache.GetErrors() {
		return fmt.Errorf("%s: %w", path, errors.Join(problems...))
	}
	if err := checkSpecs(cache); err != nil {
		return err
	}
	if unknown, err := cache.InjectDevices(&spec, names...); err != nil {
		return fmt.Errorf("%v: %w", unknown, err)
	}
	return json.NewEncoder(os.Stdout).Encode(&spec)
}

func main() {
	if err := run(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
