"""One client's connection: a plain TCP socket with a TLS state machine beside it, not on it.

The TLS machine works on memory BIOs, so that a client decides which bytes leave, and when.
"""

import select
import socket
import ssl
import time

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class Closed(Exception):
    """The server closed or reset the connection."""


class Unexpected(Exception):
    """The server said something else than it should, or nothing for too long."""


class Connection:
    """`begin` is the moment just before connect() (seconds of the monotonic clock), `closed_after`
    the seconds from there to the server's close, None while open."""

    def __init__(self, host, port, patience, version=None, alpn=None, session=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if alpn:
            context.set_alpn_protocols([alpn])
        if version:
            context.minimum_version = context.maximum_version = VERSIONS[version]
        if session:
            # OpenSSL ties a session to the context that made it.
            context = session.context
        self.context = context
        self.patience = patience
        self.closed_after = None
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost",
                                    session=session.value if session else None)
        self.start_clock()
        self.socket = socket.create_connection((host, port), patience)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.local_port = self.socket.getsockname()[1]

    def start_clock(self):
        self.begin = time.monotonic()

    def close(self):
        self.socket.close()

    def closed(self, why):
        if self.closed_after is None:
            self.closed_after = time.monotonic() - self.begin
        return Closed(why)

    # Plain bytes

    def send(self, data):
        try:
            self.socket.sendall(data)
        except ConnectionError as error:
            raise self.closed(str(error)) from error

    def receive(self, patience=None):
        """What has come; raises Closed at the end and Unexpected when nothing comes."""
        self.socket.settimeout(self.patience if patience is None else patience)
        try:
            data = self.socket.recv(65536)
        except ConnectionError as error:
            raise self.closed(str(error)) from error
        except (socket.timeout, BlockingIOError) as error:
            raise Unexpected("no answer") from error
        if not data:
            raise self.closed("end of file")
        return data

    def receive_until(self, done):
        """Collects plain bytes until done(bytes) is true, and returns them."""
        data = b""
        while not done(data):
            data += self.receive()
        return data

    # Waiting

    def sleep_until(self, seconds):
        """Sleeps until `seconds` after the begin; raises Closed if the server closes meanwhile."""
        self.sleep(self.begin + seconds - time.monotonic())

    def sleep(self, seconds):
        """Sleeps; what the server says meanwhile goes to the TLS machine if that has begun."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not select.select([self.socket], [], [], left)[0]:
                return
            self.incoming.write(self.receive())

    def wait_closed(self, limit):
        """Waits until the server closes, but not for longer than `limit` seconds after begin."""
        try:
            while self.closed_after is None:
                self.receive(max(0.001, self.begin + limit - time.monotonic()))
        except (Closed, Unexpected):
            pass

    def wait_closed_for(self, seconds):
        """True if the server closes within `seconds` from now."""
        self.wait_closed(time.monotonic() - self.begin + seconds)
        return self.closed_after is not None

    def poll_closed(self):
        """True if the server has closed; never waits."""
        return self.wait_closed_for(0)

    # TLS

    def first_flight(self):
        """The ClientHello, not sent."""
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        return self.outgoing.read()

    def second_flight(self):
        """Reads the server's flight; the client's answer to it, not sent."""
        while not self.outgoing.pending:
            self.incoming.write(self.receive())
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                pass
        return self.outgoing.read()

    def handshake(self):
        self._drive(self.tls.do_handshake)

    def write(self, data):
        self._drive(lambda: self.tls.write(data))

    def read(self, patience=None):
        return self._drive(lambda: self.tls.read(65536), patience)

    def read_until(self, done):
        """Collects decrypted bytes until done(bytes) is true, and returns them."""
        data = b""
        while not done(data):
            more = self.read()
            if not more:
                raise self.closed("end of TLS")
            data += more
        return data

    def _drive(self, call, patience=None):
        while True:
            try:
                result = call()
                self._flush()
                return result
            except ssl.SSLWantReadError:
                self._flush()
                self.incoming.write(self.receive(patience))
            except ssl.SSLZeroReturnError as error:
                raise self.closed("end of TLS") from error

    def _flush(self):
        if self.outgoing.pending:
            self.send(self.outgoing.read())


class Session:
    """A TLS session and the context that it belongs to."""

    def __init__(self, connection):
        self.context = connection.context
        self.value = connection.tls.session
