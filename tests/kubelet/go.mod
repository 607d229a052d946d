// SPDX-License-Identifier: Apache-2.0
module kudev.io/tests/kubelet

go 1.24.0
