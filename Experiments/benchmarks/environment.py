# SPDX-License-Identifier: GPL-3.0-or-later
"""What the benchmarks share: where things are, the virtual environment, facts of the machine."""
import os
import platform
import shlex
import subprocess
import sys
import venv
from datetime import date

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PRODUCT = os.path.join(ROOT, ".build", "release", "benchmark-step")
VENV = os.path.join(ROOT, ".build", "pytorch-venv")
# What holds the engines to a set of instructions, code that torch.compile makes included; each ignores the others' variables.
LIMITS = {"none": {}, "avx2": {"BCGD_ISA": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2",
                               "TORCHINDUCTOR_CPP_MARCH": "haswell"}}


def fail(message):
    sys.exit(f"{os.path.basename(sys.argv[0])}: {message}")


def command(*words, **options):
    return subprocess.run(words, text=True, capture_output=True, **options)


def python_with(modules, folder, pip_arguments="", optional=()):
    """The interpreter of the virtual environment in `folder`, made and filled where it lacks one of the modules, and their versions.

    An optional module that cannot be had is left out with a line that says so.
    """
    python = os.path.join(folder, "bin", "python")
    if not os.path.exists(python):
        print(f"making a virtual environment in {folder}", flush=True)
        try:
            venv.create(folder, with_pip=True)
        except (subprocess.CalledProcessError, OSError) as error:
            fail(f"cannot make the virtual environment {folder} ({error}); on Debian install python3-venv")

    def version(module):
        return command(python, "-c", f"import importlib.metadata, {module}; print(importlib.metadata.version('{module}'))")

    def install(missing):
        print(f"installing {', '.join(missing)} by pip (once)", flush=True)
        return subprocess.run([python, "-m", "pip", "install", "--quiet", *missing, "numpy", *shlex.split(pip_arguments)]).returncode == 0

    missing = [module for module in modules if version(module).returncode]
    if missing and not install(missing):
        fail(f"pip could not install {', '.join(missing)} (its message is above); or name an environment that has them with --venv")
    for module in optional:
        if version(module).returncode:
            install([module])
    versions = {}
    for module in [*modules, *optional]:
        found = version(module)
        if found.returncode and module in optional:
            print(f"left out: {module} does not load: {found.stderr.strip().splitlines()[-1]}", flush=True)
            continue
        if found.returncode:
            fail(f"{module} does not load: {found.stderr.strip().splitlines()[-1]}")
        versions[module] = found.stdout.strip()
    return python, versions


def build(product):
    if subprocess.run(["swift", "build", "-c", "release", "--product", product], cwd=ROOT).returncode:
        fail("the engine does not build (the compiler's message is above); ./setup.sh installs what it needs")


def commit(program=PRODUCT):
    """That which the timed program was built from, once it is built."""
    return command(program, "--version").stdout.strip() or "unknown"


def processor_flags():
    with open("/proc/cpuinfo") as file:
        return next((line.split() for line in file if line.startswith("flags")), [])


def default_limits():
    """Where the processor has AVX-512, a second section held to AVX2."""
    return list(LIMITS) if "avx512f" in processor_flags() else ["none"]


def held(limit):
    return "" if limit == "none" else f", limited to {limit}"


def processor():
    """Its name and, as hosts may hide the generation behind it, family and model."""
    facts = {}
    with open("/proc/cpuinfo") as file:
        for line in file:
            name, _, value = line.partition(":")
            facts.setdefault(name.strip(), value.strip())
    if "model name" not in facts:
        return platform.machine()
    return f"{facts['model name']} (family {facts.get('cpu family', '?')}, model {facts.get('model', '?')})"


def facts():
    return {
        "processor": processor(),
        "load_before": f"{os.getloadavg()[0]:.1f}",
        "date": date.today().isoformat(),
        "how": shlex.join(["python3", os.path.relpath(sys.argv[0], ROOT), *sys.argv[1:]]),
    }
