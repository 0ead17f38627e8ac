"""Programs to measure, started with and without the library, and what /proc says about them."""

import contextlib
import os
import re
import resource
import socket
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILT = os.path.join(ROOT, "build")
LIBRARY = os.path.join(BUILT, "libshakeout.so")
PROGRAMS = os.path.join(BUILT, "tests", "bench")


class Stage:
    """A directory with a certificate, where servers and clients are started and ended."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="shakeout-bench.")
        os.chmod(self.directory, 0o755)
        self.cert = self.path("cert.pem")
        self.key = self.path("key.pem")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", self.key,
             "-out", self.cert],
            check=True, stderr=subprocess.DEVNULL)
        os.chmod(self.key, 0o644)
        # As many descriptors as the machine allows, for us and for what we start.
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.descriptors = hard

    def path(self, name):
        return os.path.join(self.directory, name)

    def environment(self, library, timeout="60", ports=""):
        """The environment of a server, with the library's settings when it is to have it."""
        env = {**os.environ, "HOST_CERT": self.cert, "HOST_KEY": self.key}
        if library:
            env.update(LD_PRELOAD=LIBRARY, SHAKEOUT_TIMEOUT=timeout,
                       SHAKEOUT_LOG=self.path("shakeout.log"))
            if ports:
                env["SHAKEOUT_PORTS"] = ports
        return env

    @contextlib.contextmanager
    def running(self, args, env=None, **more):
        """A program that is ended at the end of the block, if it has not ended before."""
        with subprocess.Popen(args, env=env, cwd=self.directory, **more) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.terminate()
                process.wait(20)

    @contextlib.contextmanager
    def server(self, options, library, prefix=(), port_rule=False, **settings):
        """tests/bench/server.c; yields (process, port). port_rule: its port is in SHAKEOUT_PORTS."""
        port = free_port() if port_rule else 0
        env = self.environment(library, ports=str(port) if port_rule else "", **settings)
        args = [*prefix, os.path.join(PROGRAMS, "server"), "--at", str(port), *options]
        with self.running(args, env, stdout=subprocess.PIPE, text=True) as process:
            yield process, int(read_word(process, "port"))

    @contextlib.contextmanager
    def holding(self, port, count):
        """A client that holds so many connections open."""
        args = [os.path.join(PROGRAMS, "client"), str(port), "hold", str(count)]
        with self.running(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            read_word(process, "held")
            yield process
            process.stdin.close()

    def client(self, port, *args):
        """A client that runs to its end; returns what it printed."""
        return subprocess.run([os.path.join(PROGRAMS, "client"), str(port), *map(str, args)],
                              check=True, stdout=subprocess.PIPE, text=True, timeout=600).stdout


def read_word(process, word):
    """The rest of the line "WORD rest" that the program prints."""
    for line in process.stdout:
        if line.startswith(word + " "):
            return line[len(word) + 1:].strip()
    raise RuntimeError(f"{process.args} ended without a line '{word}'")


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_until(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"no {what} within {seconds} s")
        time.sleep(0.02)


def listening(port):
    wanted = f":{port:04X}"
    with open("/proc/net/tcp", encoding="ascii") as file:
        return any(fields[1].endswith(wanted) and fields[3] == "0A"
                   for fields in map(str.split, list(file)[1:]))


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


def tasks(pid):
    return [f"/proc/{pid}/task/{task}" for task in os.listdir(f"/proc/{pid}/task")]


def cpu_ns(pid):
    """Processor time of all threads of a process, by the scheduler's own count."""
    return sum(task_cpu_ns(task) for task in tasks(pid))


def task_cpu_ns(task):
    with open(f"{task}/schedstat", encoding="ascii") as file:
        return int(file.read().split()[0])


def reaper(pid):
    """The library's thread; None when there is none."""
    for task in tasks(pid):
        with open(f"{task}/comm", encoding="ascii") as file:
            if file.read().strip() == "shakeout":
                return task
    return None


def wakeups(task):
    """How often a thread has gone to sleep: each wake-up is followed by one."""
    with open(f"{task}/status", encoding="ascii") as file:
        return int(re.search(r"^voluntary_ctxt_switches:\t(\d+)$", file.read(), re.M)[1])


def private_bytes(pid):
    """Memory that is this process's own: written to, and shared with nobody."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return int(re.search(r"^Private_Dirty: +(\d+) kB$", file.read(), re.M)[1]) * 1024


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))
