#!/usr/bin/python3
"""Thousands of random clients for a while, all at once: good ones, stalled ones, and such as leave early.

    stress.py --port 4433 --deadline 1 --seconds 8 --at-once 400

Every good client must be answered, also after a long idle time. Nobody's connection may end before the deadline.
Every stalled one must have been shut soon after it. Prints how each kind ended; exit status 1 when any client
ended otherwise than it must.
"""

import argparse
import collections
import errno
import heapq
import itertools
import random
import select
import socket
import statistics
import struct
import sys
import time

import stalls

NOW = time.monotonic
GIVE_UP = 15


class Closed(Exception):
    """The server ended the connection."""


class Left(Exception):
    """The client has done what it came for."""


class Client:
    """A connection and the part that is played on it: a generator that yields the time until which it wants to
    wait for bytes, and is sent what came (None: nothing)."""

    def __init__(self, kind, part, address, plan):
        self.kind, self.plan = kind, plan
        self.reset = False
        self.sock = socket.socket()
        self.sock.setblocking(False)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.start = NOW()
        self.connected = None
        error = self.sock.connect_ex(address)
        if error not in (0, errno.EINPROGRESS):
            raise OSError(error, "connect")
        self.part = part(self)
        self.until = self.start + GIVE_UP
        self.ticket = 0  # the newest of its entries in the queue of times counts

    def send(self, data):
        if data:
            try:
                sent = self.sock.send(data)
            except (BrokenPipeError, ConnectionResetError) as error:
                raise Closed from error
            if sent != len(data):
                raise OSError("a few hundred bytes do not fit")

    def hold(self, seconds):
        """Take what comes, for so long."""
        end = NOW() + seconds
        while NOW() < end:
            yield end

    def handshake(self, tls):
        done = tls.step()
        while not done:
            self.send(tls.flight())
            done = yield from self.read_flight(tls)
        self.send(tls.flight())

    def read_flight(self, tls):
        """Read until there is something to send; True when this side has finished."""
        done = False
        while not done and not tls.outgoing.pending:
            data = yield NOW() + GIVE_UP
            if data is None:
                raise TimeoutError("no flight from the server")
            tls.incoming.write(data)
            done = tls.step()
        return done

    def ask(self, tls):
        tls.ssl.write(self.plan.question)
        self.send(tls.flight())
        heard = b""
        while self.plan.answer not in heard:
            data = yield NOW() + GIVE_UP
            if data is None:
                raise TimeoutError("no answer")
            tls.incoming.write(data)
            heard += read_all(tls)
        self.send(tls.flight())

    def close(self):
        if self.reset:
            # tcp(7): a linger time of zero resets the connection.
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


def read_all(tls):
    """The plaintext that has come; what the library has to say to it waits in its BIO."""
    heard = b""
    try:
        while data := tls.ssl.read(65536):
            heard += data
    except stalls.ssl.SSLWantReadError:
        return heard
    raise Closed


def stall(client):
    yield from client.hold(client.plan.limit)


def silent(client):
    yield from stall(client)


def one_byte(client):
    client.send(stalls.Tls().hello()[:1])
    yield from stall(client)


def drip(client):
    end = NOW() + client.plan.limit
    for byte in stalls.Tls().hello():
        client.send(bytes([byte]))
        yield from client.hold(0.05)
        if NOW() > end:
            return


def hello(client):
    client.send(stalls.Tls().hello())
    yield from stall(client)


def halfway(client):
    tls = stalls.Tls(random.choice(["1.2", "1.3"]))
    client.send(tls.hello())
    yield from client.read_flight(tls)
    yield from stall(client)


def quick(client):
    tls = stalls.Tls()
    yield from client.handshake(tls)
    yield from client.ask(tls)
    raise Left


def idle(client):
    tls = stalls.Tls(random.choice(["1.2", "1.3"]))
    yield from client.handshake(tls)
    end = NOW() + 2.2 * client.plan.deadline
    while NOW() < end:
        data = yield end
        if data:
            tls.incoming.write(data)  # session tickets
    yield from client.ask(tls)
    raise Left


def slow(client):
    tls = stalls.Tls()
    first = tls.hello()
    client.send(first[:9])
    yield from client.hold(random.uniform(0.2, 0.5) * client.plan.deadline)
    client.send(first[9:])
    yield from client.handshake(tls)
    yield from client.ask(tls)
    raise Left


def leaver(client):
    """Goes away somewhere on its way, with a FIN or with a reset."""
    client.reset = random.random() < 0.5
    tls = stalls.Tls()
    first = tls.hello()
    client.send(first[: random.choice([0, 1, 5, 60, len(first)])])
    yield from client.hold(random.uniform(0, 0.9) * client.plan.deadline)
    raise Left


STALLED = {"silent": silent, "byte": one_byte, "drip": drip, "hello": hello, "halfway": halfway}
GOOD = {"quick": quick, "idle": idle, "slow": slow}
PARTS = {**STALLED, **GOOD, "leaver": leaver}
WEIGHTS = {"silent": 3, "byte": 2, "drip": 1, "hello": 2, "halfway": 1, "quick": 5, "idle": 1, "slow": 1,
           "leaver": 5}


class Crowd:
    """So many clients at once; when one has ended the next one comes, until the time is over."""

    def __init__(self, arguments, plan):
        self.arguments, self.plan = arguments, plan
        self.address = (arguments.host, arguments.port)
        self.poll = select.epoll()
        self.clients = {}
        self.times = []
        self.tickets = itertools.count()
        self.outcomes = collections.defaultdict(list)
        self.complaints = []

    def run(self):
        end = NOW() + self.arguments.seconds
        while NOW() < end or self.clients:
            # Not all in one blow: the server's queue of connections is not what is tested.
            for _ in range(20):
                if NOW() < end and len(self.clients) < self.arguments.at_once:
                    self.begin(random.choices(list(WEIGHTS), list(WEIGHTS.values()))[0])
            for number, _ in self.poll.poll(self.pause()):
                client = self.clients.get(number)
                if client:
                    self.readable(client)
            while self.times and self.times[0][0] <= NOW():
                _, ticket, number = heapq.heappop(self.times)
                client = self.clients.get(number)
                if client and client.ticket == ticket:
                    self.go_on(client, None)

    def pause(self):
        return min(max(self.times[0][0] - NOW(), 0), 0.01) if self.times else 0.01

    def begin(self, kind):
        client = Client(kind, PARTS[kind], self.address, self.plan)
        self.clients[client.sock.fileno()] = client
        self.poll.register(client.sock, select.EPOLLOUT)
        self.wait(client)

    def wait(self, client):
        client.ticket = next(self.tickets)
        heapq.heappush(self.times, (client.until, client.ticket, client.sock.fileno()))

    def readable(self, client):
        if client.connected is None:
            error = client.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                self.end(client, f"connect: {errno.errorcode[error]}")
                return
            client.connected = NOW()
            self.poll.modify(client.sock, select.EPOLLIN)
            self.go_on(client, None)
            return
        try:
            data = client.sock.recv(65536)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        self.go_on(client, data)

    def go_on(self, client, data):
        """The part goes on with these bytes; None: its time has come; empty: the connection has ended."""
        try:
            if client.connected is None:
                raise TimeoutError("no connection")
            client.until = client.part.throw(Closed()) if data == b"" else client.part.send(data)
            self.wait(client)
        except Closed:
            self.end(client, "closed")
        except Left:
            self.end(client, "left")
        except StopIteration:
            self.end(client, "open")
        except (OSError, stalls.ssl.SSLError) as error:
            self.end(client, f"{type(error).__name__} {error}")

    def end(self, client, how):
        now = NOW()
        self.poll.unregister(client.sock)
        del self.clients[client.sock.fileno()]
        client.close()
        seconds = now - client.start
        why = self.complaint(client, how, seconds, now)
        if why:
            self.complaints.append(f"{client.kind} {how} after {seconds:.3f} s: {why}")
        self.outcomes[client.kind].append(seconds)

    def complaint(self, client, how, seconds, now):
        """What is wrong with this end; None when it is as it must be."""
        if how == "closed" and seconds < self.plan.deadline:
            return "before the deadline"
        if client.kind not in STALLED:
            return None if how == "left" else "must not happen to this one"
        if how != "closed":
            return "must be shut"
        if now - client.connected > self.plan.deadline + self.arguments.late:
            return "too late"
        return None


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--deadline", type=float, default=1.0)
    parser.add_argument("--late", type=float, default=0.5, help="how late a stalled client may be shut")
    parser.add_argument("--seconds", type=float, default=8.0, help="how long new clients come")
    parser.add_argument("--at-once", type=int, default=400)
    parser.add_argument("--ask", choices=["echo", "http"], default="echo")
    arguments = parser.parse_args()
    plan = stalls.Plan(arguments.deadline, arguments.deadline + arguments.late + 3)
    if arguments.ask == "http":
        plan.question, plan.answer = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"here"
    crowd = Crowd(arguments, plan)
    crowd.run()
    for kind, seconds in sorted(crowd.outcomes.items()):
        print(f"{kind:8} {len(seconds):6} clients, from {min(seconds):.3f} to {max(seconds):.3f} s, "
              f"half of them within {statistics.median(seconds):.3f} s")
    total = sum(map(len, crowd.outcomes.values()))
    print(f"{total} clients, {len(crowd.complaints)} complaints", *crowd.complaints[:20], sep="\n")
    missing = set(PARTS) - set(crowd.outcomes)
    sys.exit(1 if crowd.complaints or missing else 0)


if __name__ == "__main__":
    main()
