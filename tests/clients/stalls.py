"""The ingredients of stalling clients and of good ones, for every test that plays a TLS client.

A client's clock starts just before connect(): the server's accept() cannot be earlier, so a connection that
is closed before `deadline` on this clock was cut too early, whatever the machine's load.
"""

import dataclasses
import socket
import ssl
import time
import typing

# What the client says over the finished connection and what it wants to hear: the echo of a line.
ASK = b"ping\n"


class Closed(Exception):
    """The server ended the connection; `seconds` on the connection's clock."""

    def __init__(self, seconds):
        super().__init__(f"closed after {seconds:.3f} s")
        self.seconds = seconds


class Connection:
    """A TCP connection to the server with its clock and the count of bytes that came from the server."""

    def __init__(self, address, window=None):
        """`window`: the size of the receive buffer, for a client that does not read."""
        self.start = time.monotonic()
        self.received = 0
        self.sock = socket.socket()
        if window:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self.sock.settimeout(10)
        self.sock.connect(address)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def restart_clock(self):
        """In a STARTTLS protocol the deadline counts from the start of the handshake."""
        self.start = time.monotonic()

    def age(self):
        return time.monotonic() - self.start

    def send(self, data):
        try:
            self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Closed(self.age()) from error

    def receive(self, until=None):
        """Bytes from the server; None when nothing came before the age `until`."""
        if until is None:
            self.sock.settimeout(10)
        else:
            self.sock.settimeout(max(until - self.age(), 0.001))
        try:
            data = self.sock.recv(65536)
        except (socket.timeout, BlockingIOError):
            if until is None:
                raise TimeoutError("no answer within 10 s") from None
            return None
        except ConnectionResetError as error:
            raise Closed(self.age()) from error
        if not data:
            raise Closed(self.age())
        self.received += len(data)
        return data

    def hold(self, until):
        """Send nothing until the age `until`; raises Closed if the server ends the connection first."""
        while self.age() < until:
            self.receive(until)

    def close(self):
        self.sock.close()


class Tls:
    """A TLS client whose bytes go out only when the caller sends them."""

    def __init__(self, version=None, context=None, session=None, server_name="localhost"):
        self.context = context or client_context(version)
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.ssl = self.context.wrap_bio(
            self.incoming, self.outgoing, server_hostname=server_name, session=session)

    def step(self):
        """Go on with the handshake as far as the bytes reach; True when this side has finished."""
        try:
            self.ssl.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def flight(self):
        """The bytes that this side wants to send now."""
        return self.outgoing.read()

    def hello(self):
        """The whole first flight: one ClientHello."""
        self.step()
        return self.flight()

    def read_flight(self, connection):
        """Read the server's answer until there is a flight to send; True when this side has finished."""
        done = False
        while not done and not self.outgoing.pending:
            self.incoming.write(connection.receive())
            done = self.step()
        return done

    def handshake(self, connection):
        """The rest of the handshake, whatever was sent before."""
        done = self.step()
        while not done:
            connection.send(self.flight())
            done = self.read_flight(connection)
        connection.send(self.flight())

    def ask(self, connection, question=ASK, answer=ASK):
        """Say `question` and wait until the server has said `answer`."""
        self.ssl.write(question)
        connection.send(self.flight())
        heard = b""
        while answer not in heard:
            try:
                data = self.ssl.read(65536)
                if not data:
                    raise Closed(connection.age())
                heard += data
            except ssl.SSLWantReadError:
                connection.send(self.flight())  # a renegotiation or a key update may want an answer
                self.incoming.write(connection.receive())
        return heard


def client_context(version=None):
    """A context that trusts anybody; `version` ("1.2" or "1.3") allows that one only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if version:
        wanted = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[version]
        context.minimum_version = wanted
        context.maximum_version = wanted
    return context


@dataclasses.dataclass
class Plan:
    """What all clients of one run share. Times are seconds."""

    deadline: float
    limit: float  # a stalled client gives up waiting for its end at this age
    prologue: typing.Optional[typing.Callable] = None  # the plaintext before a STARTTLS handshake
    question: bytes = ASK
    answer: bytes = ASK


def silent(connection, plan):
    connection.hold(plan.limit)


def one_byte(connection, plan):
    connection.send(Tls().hello()[:1])
    connection.hold(plan.limit)


def drip(connection, plan):
    """A byte of the ClientHello every tenth of a second: an idle timeout would never fire."""
    for byte in Tls().hello():
        connection.send(bytes([byte]))
        connection.hold(min(connection.age() + 0.1, plan.limit))
        if connection.age() >= plan.limit:
            break


def half_hello(connection, plan):
    hello = Tls().hello()
    connection.send(hello[: len(hello) // 2])
    connection.hold(plan.limit)


def full_hello(connection, plan):
    connection.send(Tls().hello())
    connection.hold(plan.limit)


def zero_hello(connection, plan):
    """A full ClientHello whose random is all zeros."""
    hello = Tls().hello()
    connection.send(hello[:11] + bytes(32) + hello[43:])
    connection.hold(plan.limit)


def decoy(connection, plan):
    """A whole ClientHello, but inside a record that announces more: the server waits for its rest."""
    connection.send(b"\x16\x03\x01\x40\x00" + Tls().hello()[5:])
    connection.hold(plan.limit)


def nested_decoy(connection, plan):
    """A whole record with a ClientHello, inside another that is none."""
    connection.send(b"\x16\x03\x01\x40\x00" + b"\x01\x00\x00\x05" + Tls().hello())
    connection.hold(plan.limit)


def ssl2_decoy(connection, plan):
    """... behind what only some take for the length of a record of SSL 2."""
    connection.send(b"\xbf\xff\x00\x00\x00" + b"\x00" * 4 + Tls().hello())
    connection.hold(plan.limit)


def version_decoy(connection, plan):
    """... inside a record of a version that only some take."""
    connection.send(b"\x16\x00\x00\x3f\xff" + b"\x00" * 4 + Tls().hello())
    connection.hold(plan.limit)


def proxy_decoy(connection, plan):
    """... inside the first record behind a PROXY header."""
    connection.send(b"PROXY TCP4 192.0.2.1 192.0.2.2 5635 443\r\n")
    connection.send(b"\x16\x03\x01\x3f\xff" + b"\x00" * 4 + Tls().hello())
    connection.hold(plan.limit)


def deaf(connection, plan):
    """A full ClientHello, and the answer to it is not read until long after the deadline."""
    connection.send(Tls().hello())
    time.sleep(plan.deadline + 0.5)
    connection.hold(plan.limit)


def halfway12(connection, plan):
    _halfway(connection, plan, "1.2")


def halfway13(connection, plan):
    _halfway(connection, plan, "1.3")


def _halfway(connection, plan, version):
    """Take the server's whole flight and never send the answer to it."""
    tls = Tls(version)
    connection.send(tls.hello())
    tls.read_flight(connection)
    connection.hold(plan.limit)


def urgent(connection, plan):
    """... but for an urgent byte, which counts as received and is never read."""
    tls = Tls()
    connection.send(tls.hello())
    tls.read_flight(connection)
    connection.sock.send(b"!", socket.MSG_OOB)
    connection.hold(plan.limit)


def good(connection, plan):
    """Finishes at once, is served, is idle for two and a half deadlines, is served again."""
    tls = Tls()
    tls.handshake(connection)
    tls.ask(connection, plan.question, plan.answer)
    _idle(tls, connection, plan)
    tls.ask(connection, plan.question, plan.answer)


def good12(connection, plan):
    tls = Tls("1.2")
    tls.handshake(connection)
    tls.ask(connection, plan.question, plan.answer)
    _idle(tls, connection, plan)
    tls.ask(connection, plan.question, plan.answer)


def good_idle(connection, plan):
    """Finishes at once and says its first word after two and a half deadlines."""
    tls = Tls()
    tls.handshake(connection)
    _idle(tls, connection, plan)
    tls.ask(connection, plan.question, plan.answer)


def good_idle12(connection, plan):
    tls = Tls("1.2")
    tls.handshake(connection)
    _idle(tls, connection, plan)
    tls.ask(connection, plan.question, plan.answer)


def _idle(tls, connection, plan):
    until = connection.age() + 2.5 * plan.deadline
    while connection.age() < until:
        data = connection.receive(until)  # session tickets may come at any time
        if data:
            tls.incoming.write(data)


def quick(connection, plan):
    """Finishes, is served once and goes."""
    tls = Tls()
    tls.handshake(connection)
    tls.ask(connection, plan.question, plan.answer)


def slow(connection, plan):
    """Slow but in time: half of the ClientHello, the rest at 0.3 of the deadline, the answer at 0.6."""
    tls = Tls()
    hello = tls.hello()
    connection.send(hello[: len(hello) // 2])
    connection.hold(0.3 * plan.deadline)
    connection.send(hello[len(hello) // 2:])
    done = tls.read_flight(connection)
    connection.hold(0.6 * plan.deadline)
    connection.send(tls.flight())
    if not done:
        tls.handshake(connection)
    tls.ask(connection, plan.question, plan.answer)
    _idle(tls, connection, plan)
    tls.ask(connection, plan.question, plan.answer)


def pause(connection, plan):
    """Thinks for half a deadline over the server's flight, whenever that came: all its own time."""
    tls = Tls()
    connection.send(tls.hello())
    done = tls.read_flight(connection)
    connection.hold(connection.age() + 0.5 * plan.deadline)
    connection.send(tls.flight())
    if not done:
        tls.handshake(connection)
    tls.ask(connection, plan.question, plan.answer)


def plain(connection, plan):
    """A client that speaks no TLS: served, idle, served again."""
    _plain_ask(connection, plan)
    connection.hold(connection.age() + 2.5 * plan.deadline)
    _plain_ask(connection, plan)


def plain_idle(connection, plan):
    """A client that speaks no TLS and is silent for two and a half deadlines before its first word."""
    connection.hold(2.5 * plan.deadline)
    _plain_ask(connection, plan)


def _plain_ask(connection, plan):
    connection.send(plan.question)
    heard = b""
    while plan.answer not in heard:
        heard += connection.receive()


STALLING = {
    "silent": silent,
    "byte": one_byte,
    "drip": drip,
    "half-hello": half_hello,
    "hello": full_hello,
    "zero-hello": zero_hello,
    "decoy": decoy,
    "nested-decoy": nested_decoy,
    "ssl2-decoy": ssl2_decoy,
    "version-decoy": version_decoy,
    "proxy-decoy": proxy_decoy,
    "deaf": deaf,
    "halfway12": halfway12,
    "halfway13": halfway13,
    "urgent": urgent,
}
GOOD = {
    "good": good,
    "good12": good12,
    "good-idle": good_idle,
    "good-idle12": good_idle12,
    "quick": quick,
    "slow": slow,
    "pause": pause,
}
PLAIN = {"plain": plain, "plain-idle": plain_idle}
# These never make the server send a byte, so they must not receive one.
UNANSWERED = {"silent", "byte", "half-hello", "decoy", "nested-decoy", "ssl2-decoy", "version-decoy",
              "proxy-decoy"}


@dataclasses.dataclass
class Outcome:
    """How one client ended: "closed" by the server, "open" at the limit, "answered", or "failed"."""

    kind: str
    end: str
    seconds: float
    received: int
    detail: str = ""


def play(kind, address, plan):
    """Be one client of this kind from connect() to its end."""
    act = (STALLING | GOOD | PLAIN)[kind]
    begun = time.monotonic()
    connection = None
    try:
        connection = Connection(address, window=4096 if kind == "deaf" else None)
        if plan.prologue and kind not in PLAIN:
            plan.prologue(connection)
        act(connection, plan)
        end, detail = ("open" if kind in STALLING else "answered"), ""
        seconds = connection.age()
    except Closed as closed:
        end, seconds, detail = "closed", closed.seconds, ""
    except (OSError, ssl.SSLError, TimeoutError) as error:
        end, detail = "failed", f"{type(error).__name__}: {error}"
        seconds = connection.age() if connection else time.monotonic() - begun
    finally:
        if connection:
            connection.close()
    return Outcome(kind, end, seconds, connection.received if connection else 0, detail)


def line_starttls(connection):
    """The STARTTLS of the test hosts: one line, answered by "go"."""
    connection.send(b"hi\n")
    if connection.receive() != b"hi\n":
        raise OSError("no plaintext echo before STARTTLS")
    connection.restart_clock()
    connection.send(b"STARTTLS\n")
    if connection.receive() != b"go\n":
        raise OSError("no answer to STARTTLS")
    connection.received = 0
