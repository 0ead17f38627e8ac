"""What `make bench` measures. Each function returns rows of the table; what is compared is run in
turns, A B B A, so that whatever else the machine does falls on both alike."""

import contextlib
import dataclasses
import os
import re
import statistics
import subprocess
import time

import machine


@dataclasses.dataclass
class Row:
    what: str
    bare: str
    library: str
    difference: str


def spread(values):
    """Median and the middle half of the values."""
    low, median, high = statistics.quantiles(sorted(values), n=4, method="inclusive")
    return median, low, high


def ratio(what, bare, library, unit, digits=0):
    """A row of paired values: their medians, and the median of the pairs' ratios."""
    median, low, high = spread([b / a for a, b in zip(bare, library)])
    return Row(what, f"{statistics.median(bare):,.{digits}f}{unit}",
               f"{statistics.median(library):,.{digits}f}{unit}",
               f"× {median:.3f} ({low:.3f} to {high:.3f})")


def more(value, digits=0):
    """What there is more, with its sign: "+ 18"."""
    return f"{'-' if value < 0 else '+'} {abs(value):,.{digits}f}"


def in_turns(rounds, measure):
    """measure(library) for both, ABBAABBA…: two lists."""
    results = {False: [], True: []}
    for turn in range(rounds):
        for library in ((False, True), (True, False))[turn % 2]:
            results[library].append(measure(library))
    return results[False], results[True]


# ---- nginx ---------------------------------------------------------------------------------------

NGINX = """
daemon off;
worker_processes 1;
pid {directory}/nginx{port}.pid;
error_log {directory}/nginx{port}.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    keepalive_requests 1000000000;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {cert};
        ssl_certificate_key {key};
        ssl_session_cache off;
        ssl_session_tickets off;
        ssl_conf_command NumTickets 0;
        location / {{ return 200 "here\\n"; }}
    }}
}}
"""


def pinned(which):
    """The server on one processor, its clients on the other, where there are two."""
    processors = sorted(os.sched_getaffinity(0))
    return ["taskset", "-c", str(processors[which])] if len(processors) > 1 else []


@contextlib.contextmanager
def nginx(stage, library):
    """Yields (pid of the worker, port)."""
    port = machine.free_port()
    config = stage.path(f"nginx{port}.conf")
    with open(config, "w", encoding="ascii") as file:
        file.write(NGINX.format(directory=stage.directory, port=port, cert=stage.cert, key=stage.key))
    env = stage.environment(library, ports=str(port))
    args = [*pinned(0), "nginx", "-p", stage.directory, "-e", f"{config}.log", "-c", config]
    with stage.running(args, env) as master:
        machine.wait_until(lambda: machine.listening(port) and machine.children(master.pid), 10,
                           "nginx")
        yield machine.children(master.pid)[0], port


def nginx_rates(stage, quick):
    """Requests on kept connections, and whole handshakes: rate and processor time of the worker."""
    seconds, rounds = (0.5, 4) if quick else (1, 24)
    with nginx(stage, False) as bare, nginx(stage, True) as library:

        def measured(with_library, drive):
            pid, port = library if with_library else bare
            cpu, start = machine.cpu_ns(pid), time.monotonic()
            done = drive(port)
            return done / (time.monotonic() - start), (machine.cpu_ns(pid) - cpu) / done / 1000

        def requests(port):
            # wrk counts in whole seconds only.
            said = subprocess.run(
                [*pinned(1), "wrk", "-t1", "-c16", f"-d{max(1, round(seconds))}s",
                 f"https://127.0.0.1:{port}/"],
                check=True, stdout=subprocess.PIPE, text=True).stdout
            if "Socket errors" in said or "Non-2xx" in said:
                raise RuntimeError(said)
            return int(re.search(r"(\d+) requests in", said)[1])

        def handshakes(port):
            return int(stage.client(port, "handshakes", seconds, 4).split()[1])

        rows = []
        for what, drive in (("keep-alive requests", requests), ("full TLS handshakes", handshakes)):
            in_turns(1, lambda which, drive=drive: measured(which, drive))  # to warm up
            pairs = in_turns(rounds, lambda which, drive=drive: measured(which, drive))
            rates, costs = ([[value[i] for value in side] for side in pairs] for i in (0, 1))
            rows.append(ratio(f"nginx, {what} a second", *rates, ""))
            rows.append(ratio(f"nginx, processor time of one of these {what}", *costs, " µs", 1))
        return rows


# ---- read() --------------------------------------------------------------------------------------

READS = {
    "file": "a file",
    "finished": "a connection whose handshake is over",
    "plain": "a plaintext connection, nothing to read",
    "data": "a plaintext connection, 64 bytes",
    "bulk": "a plaintext connection, 16 KiB",
}


def reads_times(stage, quick):
    """Nanoseconds of one read(): in a process without the library, and with it through the hook and around it. A
    process that has the library's thread pays a little more for each system call on a socket."""
    program = os.path.join(machine.PROGRAMS, "reads")

    def times(library):
        said = subprocess.run([*pinned(0), program], check=True, stdout=subprocess.PIPE, text=True,
                              env=stage.environment(library)).stdout
        return {kind: (float(around), float(hooked))
                for kind, around, hooked in map(str.split, said.splitlines())}

    without, library = in_turns(3 if quick else 9, times)
    rows = []
    for kind, what in READS.items():
        bare = [run[kind][0] for run in without]
        around, hooked = ([run[kind][way] for run in library] for way in (0, 1))
        hook, low, high = spread([b - a for a, b in zip(around, hooked)])
        rows.append(Row(f"read() of {what}", f"{statistics.median(bare):.0f} ns",
                        f"{statistics.median(hooked):.0f} ns",
                        f"{more(statistics.median(hooked) - statistics.median(bare))} ns; the hook itself "
                        f"{hook:.0f} ({low:.0f} to {high:.0f})"))
    return rows


# ---- Instructions and system calls ---------------------------------------------------------------


def instructions_of(path):
    """All instructions in a profile of callgrind, and those spent inside the library itself."""
    total = own = 0
    library = called = False
    names = {}
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith(("ob=", "cob=")):
                # A name is written out where it occurs first.
                number, _, name = line.split("=", 1)[1].strip().partition(" ")
                known = names.setdefault(number, name.endswith("/libshakeout.so"))
                library = known if line[0] == "o" else library
            elif line.startswith("calls="):
                called = True  # the next line's costs are the callee's
            elif line[0] in "0123456789+-*":
                if not called:
                    cost = int(line.split()[1])
                    total += cost
                    own += cost if library else 0
                called = False
    return total, own


def profile(stage, library, options, clients):
    """Instructions of tests/bench/server.c while it serves these clients."""
    out = stage.path("callgrind.out")
    prefix = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}",
              f"--log-file={stage.path('valgrind.log')}"]
    with stage.server([*options, "--count", str(clients[1])], library, prefix,
                      port_rule=True) as (process, port):
        stage.client(port, *clients)
        process.wait(120)
    return instructions_of(out)


def each(stage, library, options, kind, counts):
    """Instructions for one connection: all, and the library's own. Start-up falls out."""
    few, many = (profile(stage, library, options, (kind, count)) for count in counts)
    return [(b - a) / (counts[1] - counts[0]) for a, b in zip(few, many)]


def accept_instructions(stage, quick):
    """Instructions for each accepted connection."""
    rows = []
    for what, options, kind, counts in (
            ("accept() and close()", ["--close"], "connect", (100, 300 if quick else 1100)),
            ("a full handshake", [], "handshake", (20, 60 if quick else 220))):
        bare = each(stage, False, options, kind, counts)
        library = each(stage, True, options, kind, counts)
        if kind == "connect":
            difference = more(library[0] - bare[0])
        else:
            # The arithmetic of a handshake differs from one to the next by more than this.
            difference = f"+ {library[1]:,.0f} of the library's own"
        rows.append(Row(f"instructions for {what}", f"{bare[0]:,.0f}", f"{library[0]:,.0f}",
                        difference))
    return rows


def read_instructions(stage, quick):
    """Instructions for each read()."""
    rows = []
    program = os.path.join(machine.PROGRAMS, "reads")
    out = stage.path("callgrind.out")
    few, many = 1, 2 if quick else 4

    def count(library, kind, times):
        subprocess.run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}",
             f"--log-file={stage.path('valgrind.log')}", program, kind, str(times)],
            check=True, env=stage.environment(library), stdout=subprocess.DEVNULL)
        return instructions_of(out)[0]

    for kind, what in READS.items():
        reads = (many - few) * (3 if kind == "bulk" else 1000)
        bare, library = ((count(which, kind, many) - count(which, kind, few)) / reads
                         for which in (False, True))
        rows.append(Row(f"instructions for read() of {what}", f"{bare:.0f}", f"{library:.0f}",
                        more(library - bare)))
    return rows


def system_calls(stage, quick):
    """System calls for each accepted connection, by strace."""
    counts = (50, 250 if quick else 1050)
    log = stage.path("strace.log")

    def total(library, options, kind, count):
        prefix = ["strace", "-f", "-qq", "-o", log]
        with stage.server([*options, "--count", str(count)], library, prefix,
                          port_rule=True) as (process, port):
            stage.client(port, kind, count)
            process.wait(60)
        with open(log, encoding="utf-8", errors="replace") as file:
            # "123 close(5) = 0"; an interrupted call has a second line "<... close resumed>".
            return sum(1 for line in file if re.match(r"\d+ +[a-z_0-9]+\(", line))

    rows = []
    for what, options, kind in (("accept() and close()", ["--close"], "connect"),
                                ("a full handshake", [], "handshake")):
        bare, library = ((total(which, options, kind, counts[1]) -
                          total(which, options, kind, counts[0])) / (counts[1] - counts[0])
                         for which in (False, True))
        rows.append(Row(f"system calls for {what}", f"{bare:.1f}", f"{library:.1f}",
                        more(library - bare, 1)))
    return rows


# ---- Memory --------------------------------------------------------------------------------------


def held(stage, library, options, count):
    """Private memory of a server that holds so many connections."""
    with stage.server(options, library, port_rule=True, timeout="1h") as (process, port):
        with stage.holding(port, count):
            machine.wait_until(lambda: machine.descriptors(process.pid) >= count, 60,
                               f"{count} accepted connections")
            time.sleep(0.2)
            return machine.private_bytes(process.pid)


def memory(stage, quick):
    """Bytes for each connection that a server holds, and what the library takes at all."""
    rows = []
    few = 100
    most = 2000 if quick else stage.descriptors - 100
    for what, option, many in (("accepted connection", "--hold", most),
                               ("begun handshake", "--begin", min(most, 2000 if quick else 10000))):
        bare, library = ((held(stage, which, [option], many) - held(stage, which, [option], few)) /
                         (many - few) for which in (False, True))
        rows.append(Row(f"memory for each {what}, {many:,} of them", f"{bare:,.0f} bytes",
                        f"{library:,.0f} bytes", f"{more(library - bare)} bytes"))
    for what, options in (("low", ["--hold"]), ("the highest", ["--hold", "--high"])):
        bare, library = (held(stage, which, options, few) / 1024 for which in (False, True))
        rows.append(Row(f"memory of a server, {few} connections on {what} descriptors",
                        f"{bare:,.0f} KiB", f"{library:,.0f} KiB", f"{more(library - bare)} KiB"))
    return rows


# ---- The library's thread ------------------------------------------------------------------------


def thread(stage, quick):
    """Wake-ups and processor time of the library's thread."""
    served, watched = (500, 2) if quick else (5000, 5)
    rows = []
    with stage.server([], True, port_rule=True, timeout="1") as (process, port):
        stage.client(port, "handshake", 1)
        task = machine.reaper(process.pid)
        machine.wait_until(lambda: machine.descriptors(process.pid) < 10, 5, "end")
        before = machine.wakeups(task)
        stage.client(port, "handshake", served)
        rows.append(Row(f"wake-ups of its thread in {served:,} good handshakes", "none",
                        f"{machine.wakeups(task) - before}", ""))
        before = machine.wakeups(task)
        time.sleep(watched)
        rows.append(Row(f"wake-ups in {watched} s with nothing pending, deadline 1 s", "none",
                        f"{machine.wakeups(task) - before}", ""))
    rows.append(stalled(stage, min(1000 if quick else 5000, stage.descriptors - 100)))
    return rows


def stalled(stage, count):
    """Processor time of the thread for clients that are shut at their deadline."""
    seconds = 3
    with stage.server(["--hold"], True, port_rule=True, timeout=str(seconds)) as (process, port):
        with stage.holding(port, count):
            task = machine.reaper(process.pid)
            waiting, before = machine.wakeups(task), machine.task_cpu_ns(task)
            # It looks at them now and then before they are due.
            time.sleep(seconds)
            last = None
            while last != (now := machine.task_cpu_ns(task)):
                last = now
                time.sleep(0.5)
            spent, woken = now - before, machine.wakeups(task) - waiting
    return Row(f"its thread, {count:,} clients stalled for {seconds} s and shut", "none",
               f"{spent / 1e6:,.0f} ms of processor time, {woken:,} wake-ups",
               f"{spent / count / 1000:.1f} µs a client")


MEASURES = {
    "nginx": nginx_rates,
    "reads": reads_times,
    "read-instructions": read_instructions,
    "accept-instructions": accept_instructions,
    "system-calls": system_calls,
    "memory": memory,
    "thread": thread,
}
