"""What `make bench-flood` measures: is a server still there for good clients while it is flooded?

One cell is one server, with or without the library, one kind of flooder, where the flooders come from,
and how slow the good clients are. Each cell starts the server anew, from its script in tests/servers, with
few slots:

  SLOTS    how many connections it takes at once (threads, workers, maxconn ...)
  WORKERS  of nginx; THREADS of each of Apache's processes

First a second of good clients alone, so that nobody is a stranger; then the flooders (flooders.c), and when they
have been there for a second the good clients again (genuine.c), which is what is measured.
"""

import dataclasses
import fnmatch
import json
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time

import machine

sys.path.insert(0, os.path.join(machine.ROOT, "tests", "clients"))
import processes  # noqa: E402

SCRIPTS = os.path.join(machine.ROOT, "tests", "servers")
HTTP = r"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n"
FLOODERS = 256
GENUINE = "127.0.0.2"
KINDS = ("silent", "one-byte", "drip", "halfway")
# Without flooders: good clients one by one, and as many as the server can take.
PEACE = ("none", "rush")
RUSH = ("--at-once", "32", "--patience", "20")
# What the flooders' first address is, and how many there are.
SOURCES = {"one": ("127.9.0.1", 1), "64": ("127.9.0.1", 64), "own": (GENUINE, 1)}
DELAYS = (0.0, 0.1, 0.3)
SETTLE = 1.0
PATIENCE = 2.0
DEADLINE = "60"


@dataclasses.dataclass(frozen=True)
class Server:
    name: str
    script: str
    title: str
    ask: str
    env: tuple = ()
    descriptors: int = 0  # RLIMIT_NOFILE; 0: as it is
    hour: int = 3600  # every timeout that the server has itself
    serial: bool = False  # one thread that takes one connection at a time
    peer: bool = False  # an answer to the same question, measured without the library only


SLOTS = (("SLOTS", "64"),)
SERVERS = {server.name: server for server in (
    Server("asyncio", "asyncio", "asyncio, 70 descriptors", r"hello\n", descriptors=70),
    Server("nginx", "nginx", "nginx, 64 connections", HTTP, (*SLOTS, ("WORKERS", "1"))),
    Server("haproxy", "haproxy", "HAProxy, maxconn 64", HTTP, SLOTS),
    Server("redis", "redis", "Redis, maxclients 64", r"PING\r\n", SLOTS),
    Server("memcached", "memcached", "memcached, -c 64", r"version\r\n", SLOTS),
    Server("apache", "apache-event", "Apache event, 64 workers", HTTP, (*SLOTS, ("THREADS", "16"))),
    Server("gunicorn", "gunicorn-gthread", "gunicorn, 4 threads", HTTP, (("SLOTS", "4"),)),
    Server("blocking", "python-blocking", "Python, one blocking thread", r"hello\n", serial=True),
    Server("php", "php", "PHP streams, one thread", r"hello\n", serial=True),
    Server("nginx-stream", "nginx-stream", "nginx stream, handshake timeout 10 s", HTTP,
           (("SLOTS", "128"), ("WORKERS", "1")), hour=10, peer=True),
    Server("haproxy-timeout", "haproxy", "HAProxy, timeout client 10 s", HTTP, SLOTS, hour=10,
           peer=True),
    Server("dovecot", "dovecot-imaps", "Dovecot, 64 login processes", r"a1 CAPABILITY\r\n", SLOTS,
           peer=True),
)}


@dataclasses.dataclass(frozen=True)
class Cell:
    server: str
    kind: str  # of flooder, or of peace
    sources: str
    delay: float
    library: bool

    @property
    def name(self):
        who = "library" if self.library else "bare"
        return f"{self.server}/{self.kind}/{self.sources}/{self.delay:g}/{who}"


def all_cells():
    for server in SERVERS.values():
        for library in (False,) if server.peer else (False, True):
            for delay in DELAYS:
                for kind in PEACE:
                    yield Cell(server.name, kind, "one", delay, library)
                for sources in SOURCES:
                    for kind in KINDS:
                        yield Cell(server.name, kind, sources, delay, library)


def matching(patterns):
    """The cells whose names match one of the patterns; a pattern that matches none is an error."""
    cells = list(all_cells())
    for pattern in patterns:
        if not any(fnmatch.fnmatchcase(cell.name, pattern) for cell in cells):
            sys.exit(f"bench-flood: no cell matches {pattern}")
    return [cell for cell in cells
            if any(fnmatch.fnmatchcase(cell.name, pattern) for pattern in patterns)]


# ---- One server ----------------------------------------------------------------------------------

def script_key(script, key):
    with open(os.path.join(SCRIPTS, script), encoding="utf-8") as file:
        found = re.search(rf"^# {key}: (.*)$", file.read(), re.M)
    return found[1] if found else ""


class Running:
    """A server of a cell, from its start to its end."""

    def __init__(self, stage, cell, settings):
        self.server = SERVERS[cell.server]
        self.port = machine.free_port()
        self.directory = tempfile.mkdtemp(prefix=f"{cell.server}.", dir=stage.directory)
        os.chmod(self.directory, 0o755)
        self.log = os.path.join(self.directory, "shakeout.log")
        run = os.path.join(self.directory, "run")
        with open(run, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n" + self.exports(cell, settings) + 'exec "$@"\n')
        os.chmod(run, 0o755)
        env = {**os.environ, "DIR": self.directory, "PORT": str(self.port), "RUN": run,
               "HOUR": str(self.server.hour), "CERT": stage.cert, "KEY": stage.key,
               **dict(self.server.env)}
        with open(os.path.join(self.directory, "output"), "wb") as output:
            self.process = subprocess.Popen(
                [os.path.join(SCRIPTS, self.server.script)], cwd=self.directory, env=env,
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
                preexec_fn=self.limit)

    def limit(self):
        if self.server.descriptors:
            resource.setrlimit(resource.RLIMIT_NOFILE, (self.server.descriptors,) * 2)

    def exports(self, cell, settings):
        if not cell.library:
            return ""
        # Servers give up root before they write to it.
        with open(self.log, "w", encoding="utf-8"):
            os.chmod(self.log, 0o666)
        values = {"LD_PRELOAD": machine.LIBRARY, "SHAKEOUT_TIMEOUT": DEADLINE,
                  "SHAKEOUT_LOG": self.log, **settings}
        if script_key(self.server.script, "ports") == "yes":
            values["SHAKEOUT_PORTS"] = str(self.port)
        return "".join(f"export {name}='{value}'\n" for name, value in values.items())

    def wait(self):
        def ready():
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.server.name} ended: {self.output()}")
            return machine.listening(self.port)
        machine.wait_until(ready, 30, f"{self.server.name} on port {self.port}")
        # Apache and Dovecot listen before their workers are there.
        time.sleep(0.5)

    def output(self):
        with open(os.path.join(self.directory, "output"), encoding="utf-8", errors="replace") as file:
            return file.read()[-2000:]

    def members(self):
        return [pid for pid in processes.family(self.process.pid) if processes.alive(pid)]

    def cpu(self):
        """Seconds of processor time: all of the server, and the library's threads in it."""
        whole = own = 0
        for pid in self.members():
            try:
                for task in machine.tasks(pid):
                    spent = machine.task_cpu_ns(task)
                    whole += spent
                    with open(f"{task}/comm", encoding="ascii") as file:
                        own += spent if file.read().strip() == "shakeout" else 0
            except FileNotFoundError:
                continue  # a process or a thread that ended meanwhile
        return whole / 1e9, own / 1e9

    def stop(self):
        members = set(self.members())
        for sent, patience in ((signal.SIGTERM, 2), (signal.SIGKILL, 5)):
            for pid in members:
                try:
                    os.kill(pid, sent)
                except ProcessLookupError:
                    continue
            end = time.monotonic() + patience
            while members and time.monotonic() < end:
                time.sleep(0.02)
                self.process.poll()
                members = {pid for pid in members | set(self.members()) if processes.alive(pid)}
            if not members:
                break
        self.process.wait(5)

    def evictions(self, since):
        """From the library's log: how many connections it shut, and the clients that it named (it
        names ten a second)."""
        count, clients = 0, []
        if not os.path.exists(self.log):
            return count, clients
        with open(self.log, encoding="utf-8") as file:
            file.seek(since)
            for line in file:
                named = re.search(r" client (127\.\d+\.\d+\.\d+:\d+) on port", line)
                more = re.search(r" (\d+) more client", line)
                if named:
                    count += 1
                    clients.append(named[1])
                elif more:
                    count += int(more[1])
        return count, clients

    def log_length(self):
        return os.path.getsize(self.log) if os.path.exists(self.log) else 0


# ---- One cell ------------------------------------------------------------------------------------

def client_command(name, *args):
    return [os.path.join(machine.PROGRAMS, name), *map(str, args)]


def genuine(port, server, seconds, delay, *options):
    """Good clients for so long; what they say of it."""
    command = client_command("genuine", port, seconds, "--ask", server.ask, "--delay", delay,
                             "--from", GENUINE, *options)
    result = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True,
                            timeout=seconds + 60)
    return json.loads(result.stdout)


def flooding(cell, port, seconds):
    first, sources = SOURCES[cell.sources]
    # The flooders' own work is not the server's burden: they run when it does not want to.
    command = ["nice", "-n", "5", *client_command("flooders", port, cell.kind, FLOODERS, seconds,
                                                  first, sources)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    if process.stdout.readline() != "flooding\n":
        raise RuntimeError("no flooders")
    return process


def run_cell(stage, cell, seconds, options=(), settings=None):
    """Runs a cell; everything that is known of it afterwards, as a dict for JSON."""
    running = Running(stage, cell, settings or {})
    flood = None
    try:
        running.wait()
        genuine(running.port, running.server, SETTLE, 0)
        if cell.kind == "rush":
            options = (*options, *RUSH)
        elif cell.kind != "none":
            flood = flooding(cell, running.port, SETTLE + seconds + PATIENCE)
            time.sleep(SETTLE)
        members = set(running.members())
        since, before, start = running.log_length(), running.cpu(), time.monotonic()
        good = genuine(running.port, running.server, seconds, cell.delay, *options)
        span, after = time.monotonic() - start, running.cpu()
        ended = len(members - set(running.members()))
        shut, clients = running.evictions(since)
        flooded = None
        if flood:
            flood.terminate()
            flooded = json.loads(flood.communicate(timeout=60)[0])
    finally:
        if flood and flood.poll() is None:
            flood.kill()
            flood.wait()
        running.stop()
    cut = {f"{GENUINE}:{port}" for port in good.pop("cut_ports")}
    return {
        "cell": cell.name, **dataclasses.asdict(cell), "seconds": seconds, "options": options,
        "settings": settings or {}, "genuine": good, "flood": flooded,
        "shut": shut, "shut_a_second": round(shut / span, 1),
        "genuine_shut_named": len(cut & set(clients)),
        "named": len(clients),
        # Of a server that starts no process for each client: it was hurt.
        "processes_ended": ended,
        "server_cpu": round((after[0] - before[0]) / span, 4),
        "library_cpu": round((after[1] - before[1]) / span, 4),
    }


# ---- Tables --------------------------------------------------------------------------------------

def share(result):
    """Of the good clients, how many were served, in percent: rounded down, 100 means all."""
    good = result["genuine"]
    return int(1000 * good["served"] / good["tried"]) / 10 if good["tried"] else 0.0


def milliseconds(seconds):
    return f"{1000 * seconds:.0f}"


def full_table(results):
    lines = ["| server | library | flooders | from | own delay, s | served, % | p50, ms | p99, ms | shut a second "
             "| good clients cut | library's thread, % of a processor | server, % |",
             "|---|---|---|---|---:|---:|---:|---:|---:|---:|---:|---:|"]
    for one in results:
        good = one["genuine"]
        lines.append(" | ".join((
            f"| {SERVERS[one['server']].title}", "with" if one["library"] else "without", one["kind"],
            one["sources"], f"{one['delay']:g}", f"{share(one):g}", milliseconds(good["p50"]),
            milliseconds(good["p99"]), f"{one['shut_a_second']:g}", str(good["cut"]),
            f"{100 * one['library_cpu']:.1f}", f"{100 * one['server_cpu']:.0f} |")))
    return "\n".join(lines) + "\n"


def worst(results):
    """The smallest share, "–" if nothing was measured; and where one kind of flooder is much worse
    than the others, which, and the smallest share of the others."""
    by_share = sorted(results, key=share)
    if not by_share:
        return "–"
    others = [one for one in by_share if one["kind"] != by_share[0]["kind"]]
    text = f"{share(by_share[0]):g}"
    if others and share(others[0]) - share(by_share[0]) >= 10:
        text += f" ({by_share[0]['kind']}; else {share(others[0]):g})"
    return text


def short_table(results):
    """A line for each server and place the flooders come from: the worst kind of flooder."""
    flooded = [one for one in results if one["kind"] not in PEACE]
    delays = [delay for delay in DELAYS if any(one["delay"] == delay for one in flooded)]
    lines = ["| server | flooders from | " + " | ".join(
        f"slow by {delay:g} s: without → with" for delay in delays) +
        " | p99 at 0 s, ms | shut a second, at most | good clients cut off | thread, % |",
        "|---|---|" + "---:|" * (len(delays) + 4)]
    for server in SERVERS.values():
        for sources in SOURCES:
            chosen = [one for one in flooded if one["server"] == server.name and
                      one["sources"] == sources]
            if chosen:
                lines.append(f"| {server.title} | {sources} | " +
                             " | ".join(short_line(server, chosen, delays)) + " |")
    return "\n".join(lines) + "\n"


def short_line(server, results, delays):
    columns = []
    for delay in delays:
        bare, with_it = (worst([one for one in results if one["delay"] == delay and
                                one["library"] == library]) for library in (False, True))
        columns.append(bare if server.peer else f"{bare} → **{with_it}**")
    chosen = [one for one in results if one["library"] != server.peer]
    quick = [one["genuine"]["p99"] for one in chosen if one["delay"] == 0 and one["genuine"]["served"]]
    columns.append(milliseconds(max(quick)) if quick else "–")
    if server.peer or not chosen:
        return columns + ["–"] * 3
    return columns + [f"{max(one['shut_a_second'] for one in chosen):.0f}",
                      f"{sum(one['genuine']['cut'] for one in chosen)} of "
                      f"{sum(one['genuine']['tried'] for one in chosen)}",
                      f"{100 * max(one['library_cpu'] for one in chosen):.1f}"]
