# SPDX-License-Identifier: Apache-2.0
"""Devices that this machine does not have, for a kudev that runs under umockdev: its
library has /dev and /sys looked up in a directory that is furnished here."""

import os
import shutil
from pathlib import Path

import pytest

from support import SANITIZED, THREAD_SANITIZED

# Their devices are below /sys/bus, those of others below /sys/class.
BUSES = ("pci", "usb", "usb-serial")
PRELOAD = "libumockdev-preload.so.0"


class Hardware:
    def __init__(self, directory: Path):
        if not shutil.which("umockdev-wrapper"):
            pytest.skip("no umockdev-wrapper (Debian: umockdev)")
        if THREAD_SANITIZED:
            pytest.skip("umockdev has races of its own")
        self.directory = directory
        self._minors = 0
        for name in ("dev/.node", "sys/class", "sys/bus"):
            (directory / name).mkdir(parents=True)

    @property
    def environment(self) -> dict[str, str]:
        # Its library comes before that of the sanitizer.
        order = {"ASAN_OPTIONS": f"{os.environ.get('ASAN_OPTIONS', '')}:"
                                 "verify_asan_link_order=0"} if SANITIZED else {}
        return {"LD_PRELOAD": PRELOAD, "UMOCKDEV_DIR": str(self.directory), **order}

    def _below(self, path: str) -> Path:
        return self.directory / path.lstrip("/")

    def link(self, path: str, target: str):
        """Both absolute; umockdev takes absolute links for those of the real machine."""
        place = self._below(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(os.path.relpath(self._below(target), place.parent))

    def node(self, name: str, number: str | None = None) -> str:
        """A character device /dev/<name>."""
        if not number:
            number = f"240:{self._minors}"
            self._minors += 1
        place = self._below(f"/dev/{name}")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
        self._below(f"/dev/.node/{name.replace('/', '_')}").symlink_to(number)
        return number

    def device(self, path: str, subsystem: str, node=None, driver=None, devtype=None,
               **attributes):
        """One in /sys/devices, with its node and attributes; __ in these is a slash."""
        place = f"/sys/devices/{path}"
        name = path.rpartition("/")[2]
        uevent = ""
        self._below(place).mkdir(parents=True)
        if node:
            number = self.node(node)
            major, minor = number.split(":")
            uevent = f"MAJOR={major}\nMINOR={minor}\nDEVNAME={node}\n"
            attributes["dev"] = number
            self.link(f"/sys/dev/char/{number}", place)
        if driver:
            uevent += f"DRIVER={driver}\n"
            self._below(f"/sys/bus/{subsystem}/drivers/{driver}").mkdir(
                parents=True, exist_ok=True)
            self.link(f"{place}/driver", f"/sys/bus/{subsystem}/drivers/{driver}")
        if devtype:
            uevent += f"DEVTYPE={devtype}\n"
        for attribute, value in {"uevent": uevent, **attributes}.items():
            file = self._below(f"{place}/{attribute.replace('__', '/')}")
            file.parent.mkdir(exist_ok=True)
            file.write_text(f"{value}\n")
        kind = f"bus/{subsystem}" if subsystem in BUSES else f"class/{subsystem}"
        entries = f"/sys/{kind}/devices" if subsystem in BUSES else f"/sys/{kind}"
        self.link(f"{entries}/{name}", place)
        self.link(f"{place}/subsystem", f"/sys/{kind}")

    def usb(self, port: str, vendor: str, product: str, driver: str, **more) -> str:
        """A USB device with one interface; what lies below that is for the caller."""
        device = f"pci0000:00/0000:00:14.0/usb1/{port}"
        self.device(device, "usb", driver="usb", devtype="usb_device",
                    idVendor=vendor, idProduct=product, authorized=1, **more)
        interface = f"{device}/{port}:1.0"
        self.device(interface, "usb", driver=driver, devtype="usb_interface",
                    bInterfaceNumber="00")
        return interface
