#!/usr/bin/python3
"""Every kind of TLS client against one server, and one line of verdict for each.

    probe.py [options] HOST PORT --kind KIND --ask ASK --deadline SECONDS

Stalled clients must be shut at the deadline: never before it, and hardly after it. Good clients must
be answered, however long they were idle. Seconds count from just before connect(), or, where TLS
starts inside a plaintext protocol, from just before the command that starts it.

Prints one tab-separated line a client (verdict, name, expected, seen, seconds); exit status 0 when
every client saw what it should have seen, 1 when one did not, 2 for a usage error.
"""

import argparse
import os
import re
import selectors
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import asks        # noqa: E402
import processes   # noqa: E402
import starttls    # noqa: E402
from connection import Closed, Connection, Session, Unexpected  # noqa: E402

ANSWER_SECONDS = 5.0     # how long a good client waits for anything it asked for
CONTROL_EXTRA = 1.0      # a bare server must keep a stalled client for longer than deadline + this
FLOOD_PACE = 0.004       # between two clients of a flood: the test is not how fast a server accepts
LEFTOVER_SECONDS = 2.0   # how long the server may take to close a descriptor that was shut


class Probe:
    """The server under test and what is asked of it; shared by all clients, written by none."""

    def __init__(self, options):
        self.options = options
        self.deadline = options.deadline
        self.patience = options.deadline + CONTROL_EXTRA if options.control else ANSWER_SECONDS
        self.ask = asks.parse(options.ask)
        self.plain = starttls.parse(options.kind)

    def open(self, version=None, session=None):
        """Connects and goes on to where the TLS handshake may begin."""
        connection = self.open_plain(version, session)
        self.start_tls(connection)
        return connection

    def open_plain(self, version=None, session=None):
        connection = Connection(self.options.host, self.options.port, self.patience,
                                version, self.ask.alpn, session)
        if self.plain:
            self.plain.greet(connection)
        return connection

    def start_tls(self, connection):
        if self.plain:
            connection.start_clock()
            self.plain.start(connection)

    def answered(self, connection):
        self.ask.run(connection)

    def latest(self, play, room):
        """When a client that stalls like this is late; a silent one may reach accept() late."""
        return self.deadline + room + (self.options.defer if play is silent else 0)


class Stalled:
    """A client that never finishes its handshake; `play` does what it does before it stalls."""

    def __init__(self, name, play, version=None):
        self.name = name
        self.play = play
        self.version = version
        self.connection = None

    def run(self, probe):
        options = probe.options
        latest = probe.latest(self.play, options.room)
        limit = probe.deadline + CONTROL_EXTRA if options.control else latest + 1.0
        self.connection = probe.open(self.version)
        try:
            self.play(self.connection, probe)
            self.connection.wait_closed(limit)
        except Closed:
            pass
        except Unexpected:
            # A bare server that is busy with another stalled client leaves this one waiting.
            if not options.control:
                raise
        seconds = self.connection.closed_after
        if options.control:
            seen = "open" if seconds is None else "server's own"
            return True, "still open", seen, seconds
        expected = "shut at %.1f s" % probe.deadline
        if options.lazy and self.play is silent:
            return seconds is None, "still open", "open" if seconds is None else "shut", seconds
        if seconds is None:
            return False, expected, "still open", None
        if seconds < probe.deadline:
            return False, expected, "shut early", seconds
        if seconds > latest:
            return False, expected, "shut late", seconds
        return True, expected, "shut", seconds


class Good:
    """A client that finishes its handshake and must then be answered; `play` returns a remark."""

    def __init__(self, name, play, version=None):
        self.name = name
        self.play = play
        self.version = version
        self.connection = None

    def run(self, probe):
        begin = time.monotonic()
        try:
            remark = self.play(probe, self)
        except Closed as why:
            return False, "answered", "shut (%s)" % why, time.monotonic() - begin
        finally:
            if self.connection:
                self.connection.close()
        return True, "answered", remark, time.monotonic() - begin


def silent(connection, probe):
    pass


def one_byte(connection, probe):
    connection.send(b"\x16")


def drip(connection, probe):
    for byte in connection.first_flight():
        connection.send(bytes([byte]))
        if connection.wait_closed_for(0.1):
            return
        if time.monotonic() - connection.begin > probe.deadline + CONTROL_EXTRA:
            return


def hello(connection, probe):
    connection.send(connection.first_flight())


def halfway(connection, probe):
    """ClientHello, the server's flight, then nothing."""
    connection.send(connection.first_flight())
    connection.second_flight()


def almost(connection, probe):
    """The whole handshake but for its last byte."""
    connection.send(connection.first_flight())
    connection.send(connection.second_flight()[:-1])


def good(idle):
    """Finishes at once, is idle for `idle` deadlines, asks."""
    def play(probe, client):
        client.connection = probe.open(client.version)
        client.connection.handshake()
        client.connection.sleep(idle * probe.deadline)
        probe.answered(client.connection)
        return "answered (%s)" % client.connection.tls.version()
    return play


def slow(probe, client):
    """Half a ClientHello, the rest at 0.3 of the deadline, the last flight at 0.6, asks at 1.6."""
    connection = client.connection = probe.open(client.version)
    first = connection.first_flight()
    connection.send(first[:len(first) // 2])
    connection.sleep_until(0.3 * probe.deadline)
    connection.send(first[len(first) // 2:])
    last = connection.second_flight()
    connection.sleep_until(0.6 * probe.deadline)
    connection.send(last)
    connection.handshake()
    connection.sleep_until(1.6 * probe.deadline)
    probe.answered(connection)
    return "answered"


def resumption(probe, client):
    """A second connection with the session of a first one, idle past the deadline."""
    first = client.connection = probe.open(client.version)
    first.handshake()
    probe.answered(first)
    session = Session(first)
    first.close()
    second = client.connection = probe.open(client.version, session)
    second.handshake()
    second.sleep(1.2 * probe.deadline)
    probe.answered(second)
    return "answered (%s)" % ("resumed" if second.tls.session_reused else "server does not resume")


def idle_plaintext(probe, client):
    """Is idle in plaintext for 2.5 deadlines, then starts TLS and finishes."""
    connection = client.connection = probe.open_plain(client.version)
    connection.sleep(2.5 * probe.deadline)
    probe.start_tls(connection)
    connection.handshake()
    probe.answered(connection)
    return "answered"


def stalled_clients():
    return [
        Stalled("silent", silent),
        Stalled("one byte", one_byte),
        Stalled("drip", drip),
        Stalled("hello, then silence", hello),
        Stalled("halfway, TLS 1.2", halfway, "1.2"),
        Stalled("halfway, TLS 1.3", halfway, "1.3"),
        Stalled("all but a byte, TLS 1.2", almost, "1.2"),
        Stalled("all but a byte, TLS 1.3", almost, "1.3"),
    ]


def good_clients(plain):
    clients = [
        Good("slow but timely, TLS 1.2", slow, "1.2"),
        Good("slow but timely, TLS 1.3", slow, "1.3"),
        Good("good and idle, TLS 1.2", good(2.5), "1.2"),
        Good("good and idle, TLS 1.3", good(2.5), "1.3"),
        Good("resumption, TLS 1.2", resumption, "1.2"),
        Good("resumption, TLS 1.3", resumption, "1.3"),
    ]
    if plain:
        clients.append(Good("idle in plaintext", idle_plaintext))
    return clients


class Report:
    """Prints verdicts and keeps the sum of them."""

    def __init__(self):
        self.passed = True

    def line(self, passed, name, expected, seen, seconds=None):
        self.passed = self.passed and passed
        when = "-" if seconds is None else "%.3f" % seconds
        # One write a line: threads report side by side.
        sys.stdout.write("\t".join(("ok" if passed else "FAIL", name, expected, seen, when)) + "\n")
        sys.stdout.flush()


def run_one(client, probe, report):
    try:
        report.line(*with_name(client.name, client.run(probe)))
    except Exception as error:  # whatever it is, a client without a verdict must not pass
        report.line(False, client.name, "a conversation", "%s: %s" % (type(error).__name__, error))


def with_name(name, outcome):
    passed, expected, seen, seconds = outcome
    return passed, name, expected, seen, seconds


def run_all(clients, probe, report, serial):
    """Side by side, or one after another for a server that serves one connection at a time."""
    clients = [c for c in clients if c.version in [None] + probe.options.tls.split(",")]
    if serial:
        for client in clients:
            run_one(client, probe, report)
        return
    threads = [threading.Thread(target=run_one, args=(client, probe, report))
               for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def flood(probe, report):
    """Good clients are served while many stalled ones wait, and all of those are shut in time."""
    count, room = probe.options.flood, probe.options.flood_room
    selector = selectors.DefaultSelector()
    plays = (one_byte, hello) if probe.options.lazy else (silent, one_byte, hello)
    shut, late, failed, served = [], [], [], []
    held = []
    stop = threading.Event()

    def serve_good():
        client = Good("good", good(0))
        try:
            passed, _, seen, seconds = client.run(probe)
            (served if passed else failed).append(seconds if passed else seen)
        except Exception as error:  # as in run_one
            failed.append("%s: %s" % (type(error).__name__, error))

    def good_ones():
        threads = []
        while not stop.wait(0.1):
            threads.append(threading.Thread(target=serve_good))
            threads[-1].start()
        for thread in threads:
            thread.join()

    def collect(patience):
        for key, _ in selector.select(patience):
            connection, latest = key.data
            if connection.poll_closed():
                selector.unregister(connection.socket)
                shut.append(connection.closed_after)
                if connection.closed_after > latest:
                    late.append(connection.closed_after)

    good_thread = threading.Thread(target=good_ones, daemon=True)
    good_thread.start()
    for number in range(count):
        connection = probe.open()
        play = plays[number % len(plays)]
        play(connection, probe)
        connection.socket.setblocking(False)
        selector.register(connection.socket, selectors.EVENT_READ,
                          (connection, probe.latest(play, room)))
        held.append(connection)
        collect(FLOOD_PACE)
    end = held[-1].begin + probe.latest(plays[0], room) + 0.5
    while selector.get_map() and time.monotonic() < end:
        collect(0.1)
    stop.set()
    good_thread.join()
    early = [s for s in shut if s < probe.deadline]
    report.line(len(shut) == count and not late and not early, "%d stalled at once" % count,
                "all shut in time",
                "%d shut, %d early, %d late%s" % (
                    len(shut), len(early), len(late),
                    "".join(sorted({", port %d open" % c.local_port for c in held
                                    if c.closed_after is None})[:5])),
                max(shut) if shut else None)
    report.line(bool(served) and not failed, "good clients meanwhile", "all answered",
                "%d answered, %d not%s" % (len(served), len(failed),
                                           ": " + failed[0] if failed else ""),
                max(served) if served else None)
    leftovers(probe, report, [c.local_port for c in held])
    for connection in held:
        connection.close()


def leftovers(probe, report, ports):
    """No descriptor of the server may be left on a connection that was shut."""
    if not probe.options.pid:
        return
    end = time.monotonic() + LEFTOVER_SECONDS
    left = processes.sockets_with_peers(probe.options.pid, probe.options.port, ports)
    while left and time.monotonic() < end:
        time.sleep(0.05)
        left = processes.sockets_with_peers(probe.options.pid, probe.options.port, ports)
    report.line(not left, "sockets left in the server", "0", " ".join([str(len(left))] + left[:5]))


def logged(probe, report, clients):
    """One line of log for each client that was shut, and for nobody else."""
    if not probe.options.log:
        return
    with open(probe.options.log, encoding="utf-8", errors="replace") as file:
        lines = [line for line in file if "handshake deadline" in line]
    ports = [int(m.group(1)) for m in (re.search(r"client \S*:(\d+) on port", l) for l in lines) if m]
    expected = sorted(client.connection.local_port for client in clients
                      if client.connection and client.connection.closed_after is not None)
    wrong = [str(port) for port in sorted(set(ports) ^ set(expected))]
    if probe.options.copies:
        ports = list(set(ports))
    report.line(sorted(ports) == expected, "lines of log", str(len(expected)),
                " ".join([str(len(ports))] + [where(clients, port) for port in wrong]))


def where(clients, port):
    """The name of the client that has this port."""
    names = [c.name for c in clients if c.connection and str(c.connection.local_port) == port]
    return "(%s)" % (names[0] if names else "a client of port %s" % port)


def protected(probe, report):
    serial = probe.options.serial
    first = Stalled("silent, as the very first", silent)
    stalled = stalled_clients()
    run_all([first], probe, report, serial)
    run_all(stalled + good_clients(probe.plain), probe, report, serial)
    logged(probe, report, [first] + stalled)
    held = [c.connection for c in [first] + stalled if c.connection]
    leftovers(probe, report, [c.local_port for c in held if c.closed_after is not None])
    for connection in held:
        connection.close()
    if probe.options.flood and not serial:
        flood(probe, report)
    run_all([Good("good, afterwards", good(0))], probe, report, serial)


def control(probe, report):
    """Without the library, or where it can do nothing: then its log, if given, stays empty."""
    stalled = stalled_clients()
    run_all(stalled, probe, report, serial=False)
    logged(probe, report, [])
    for client in stalled:
        if client.connection:
            client.connection.close()
    run_all([Good("good, TLS 1.2", good(0), "1.2"), Good("good, TLS 1.3", good(0), "1.3")],
            probe, report, serial=True)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--kind", default="implicit", help="implicit or starttls:PROTOCOL")
    parser.add_argument("--ask", default="http", help="what a client asks after its handshake")
    parser.add_argument("--deadline", type=float, default=1.5)
    parser.add_argument("--room", type=float, default=0.3, help="how late a client may be shut")
    parser.add_argument("--tls", default="1.2,1.3", help="the versions that the server speaks")
    parser.add_argument("--defer", type=float, default=0,
                        help="how long the kernel keeps a silent client (TCP_DEFER_ACCEPT)")
    parser.add_argument("--control", action="store_true", 
                        help="the server runs without the library, or the library can do nothing")
    parser.add_argument("--serial", action="store_true", help="one client after another")
    parser.add_argument("--lazy", action="store_true", help="the server has no TLS object before the "
                        "client's first byte after STARTTLS: a silent client looks like plaintext")
    parser.add_argument("--copies", action="store_true", help="several processes hold each "
                        "connection, and each of them may log that it shut it")
    parser.add_argument("--flood", type=int, default=0, help="stalled clients at once")
    parser.add_argument("--flood-room", type=float, default=0.5)
    parser.add_argument("--pid", type=int, default=0, help="look at this server's descriptors")
    parser.add_argument("--log", help="the library's log")
    return parser.parse_args()


def main():
    probe = Probe(arguments())
    report = Report()
    (control if probe.options.control else protected)(probe, report)
    if probe.options.pid:
        report.line(processes.alive(probe.options.pid), "the server", "alive",
                    "alive" if processes.alive(probe.options.pid) else "gone")
    return 0 if report.passed else 1


if __name__ == "__main__":
    sys.exit(main())
