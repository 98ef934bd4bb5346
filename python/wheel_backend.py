# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the wheel for pip (PEP 517) with nothing but the standard library: `pip wheel python`.

The wheel holds the package, libbcgd.so with Swift's runtime inside, the libgomp that it runs on, and bcgd.h. Its platform tag names the
oldest glibc that has all symbols which the two libraries use.
"""
import base64
import hashlib
import os
import platform
import re
import subprocess
import tomllib
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
LIBRARY = os.path.join(HERE, "..", ".build-library", "lib")


def project():
    with open(os.path.join(HERE, "pyproject.toml"), "rb") as file:
        return tomllib.load(file)["project"]


def metadata():
    about = project()
    lines = ["Metadata-Version: 2.1", f"Name: {about['name']}", f"Version: {about['version']}", f"Summary: {about['description']}",
             f"License: {about['license']['text']}", f"Requires-Python: {about['requires-python']}"]
    lines += [f"Requires-Dist: {name}" for name in about["dependencies"]]
    for extra, names in about["optional-dependencies"].items():
        lines += [f"Provides-Extra: {extra}"] + [f"Requires-Dist: {name}; extra == '{extra}'" for name in names]
    return "\n".join(lines) + "\n"


def openmp():
    """libgomp as the linker finds it."""
    return os.path.realpath(subprocess.run(["gcc", "-print-file-name=libgomp.so.1"], check=True, capture_output=True,
            text=True).stdout.strip())


def platform_tag(libraries):
    """Of the newest version of glibc's symbols that a library asks for."""
    versions = set()
    for library in libraries:
        symbols = subprocess.run(["objdump", "-T", library], check=True, capture_output=True, text=True).stdout
        versions |= {tuple(int(part) for part in match) for match in re.findall(r"GLIBC_(\d+)\.(\d+)", symbols)}
    newest = max(versions)
    return f"manylinux_{newest[0]}_{newest[1]}_{platform.machine()}"


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    subprocess.run([os.path.join(HERE, "build-library")], check=True)
    about, gomp = project(), openmp()
    binary = {"bcgd/lib/libbcgd.so": os.path.join(LIBRARY, "libbcgd.so"), "bcgd/lib/libgomp.so.1": gomp,
            "bcgd/lib/bcgd.h": os.path.join(LIBRARY, "bcgd.h")}
    tag = f"py3-none-{platform_tag([binary['bcgd/lib/libbcgd.so'], gomp])}"
    files = {name: open(path, "rb").read() for name, path in binary.items()}
    for name in sorted(os.listdir(os.path.join(HERE, "bcgd"))):
        if name.endswith(".py"):
            files[f"bcgd/{name}"] = open(os.path.join(HERE, "bcgd", name), "rb").read()
    info = f"{about['name']}-{about['version']}.dist-info"
    files[f"{info}/METADATA"] = metadata().encode()
    files[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: bcgd\nRoot-Is-Purelib: false\nTag: {tag}\n".encode()
    record = "".join(f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},{len(data)}\n"
                     for name, data in files.items())
    files[f"{info}/RECORD"] = (record + f"{info}/RECORD,,\n").encode()
    wheel = f"{about['name']}-{about['version']}-{tag}.whl"
    with zipfile.ZipFile(os.path.join(wheel_directory, wheel), "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():  # with one date, so that the same files give the same wheel
            entry = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
            entry.external_attr, entry.compress_type = 0o644 << 16, zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return wheel
