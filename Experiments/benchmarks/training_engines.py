# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that time training steps on request, and sleep otherwise."""
import glob
import json
import os
import select
import signal
import subprocess
import tempfile
import time


class EngineError(Exception):
    """Why an engine cannot be timed, in one line."""


class Engine:
    """A program that describes itself in one line of JSON and answers "go K" with another.

    Between its blocks its process group is stopped, so that no thread of it spins while another engine is timed;
    its own waiting policy stays at its default.
    """

    def __init__(self, command, cwd, environment=None, describes=True, timeout=1800):
        self.timeout, self.errors = timeout, tempfile.TemporaryFile()
        # A process group of its own, but the same session: should the driver die, the kernel wakes and ends it.
        self.process = subprocess.Popen(
            command, cwd=cwd, env={**os.environ, **(environment or {})}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self.errors, process_group=0)
        self.others = 0.0
        try:
            self.description = self._read() if describes else {}
            self._signal(signal.SIGSTOP)
        except BaseException:
            self.close()
            raise

    def block(self, steps, warm_up=1):
        """The answer to "go steps", after `warm_up` steps that are not counted.

        `others` becomes the share of all processors, in percent, that went to other processes meanwhile.
        """
        self._signal(signal.SIGCONT)
        try:
            if warm_up:
                self._ask(warm_up)
            busy, own, start = _busy_ticks(), self._own_ticks(), time.monotonic()
            answer = self._ask(steps)
            ticks = (time.monotonic() - start) * os.sysconf("SC_CLK_TCK") * os.cpu_count()
            self.others = max(0.0, 100 * (_busy_ticks() - busy - (self._own_ticks() - own)) / ticks)
        finally:
            self._signal(signal.SIGSTOP)
        loss = answer.get("loss", 0.0)
        if loss is None or not abs(loss) < float("inf"):
            raise EngineError("the loss is not finite")
        return answer

    def close(self):
        self._signal(signal.SIGKILL)
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.errors):
            try:
                stream.close()
            except OSError:
                pass

    def _signal(self, number):
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass

    def _ask(self, steps):
        try:
            self.process.stdin.write(f"go {steps}\n".encode())
            self.process.stdin.flush()
        except OSError:
            pass  # it has ended; reading says why
        return self._read()

    def _read(self):
        if not select.select([self.process.stdout], [], [], self.timeout)[0]:
            raise EngineError(f"no answer within {self.timeout} s")
        line = self.process.stdout.readline()
        if not line:
            raise EngineError(self._reason())
        return json.loads(line)

    def _reason(self):
        self.process.wait()
        self.errors.seek(0)
        lines = [l.strip() for l in self.errors.read().decode(errors="replace").splitlines() if l.strip()]
        telling = [l for l in lines if "Error" in l or "error:" in l]
        return (telling or lines or [f"it ended with status {self.process.returncode}"])[0 if not telling else -1][:300]

    def _own_ticks(self):
        # Fields 14 to 17 of proc(5)'s stat; the name before them may hold spaces.
        with open(f"/proc/{self.process.pid}/stat") as file:
            return sum(map(int, file.read().rpartition(")")[2].split()[11:15]))


def _busy_ticks():
    with open("/proc/stat") as file:
        user, nice, system, _, _, irq, soft, steal = map(int, file.readline().split()[1:9])
    return user + nice + system + irq + soft + steal


def allocators():
    """Environments with another memory allocator for PyTorch, by name: what is installed, and a tuned glibc."""
    # Large tensors stay mapped between steps instead of being mapped and zeroed anew at each allocation.
    found = {"glibc-keep": {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 40), "THP_MEM_ALLOC_ENABLE": "1"}}
    for name, patterns in (("jemalloc", ["libjemalloc.so.2"]), ("tcmalloc", ["libtcmalloc_minimal.so.4", "libtcmalloc.so.4"])):
        paths = [p for pattern in patterns for place in ("/usr/lib/*/", "/usr/lib/", "/usr/lib64/", "/usr/local/lib/")
                 for p in glob.glob(place + pattern)]
        if paths:
            found[name] = {"LD_PRELOAD": paths[0]}
            if name == "jemalloc":
                found[name]["MALLOC_CONF"] = "dirty_decay_ms:-1,muzzy_decay_ms:-1"  # keep freed memory
    return found
