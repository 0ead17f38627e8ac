"""Protocols that begin in plaintext: how a client greets, and how it asks for TLS.

`greet` goes on to where a client may idle in plaintext for as long as it likes; `start` sends the
command that starts TLS and reads the server's consent.
"""

import struct

from connection import Unexpected


def lines_end(code):
    """True once a reply whose last line begins with `code` and a space has come (RFC 5321, 4.2)."""
    def done(data):
        lines = data.split(b"\r\n")
        return len(lines) > 1 and any(l[:len(code)] == code and l[len(code):len(code) + 1] != b"-"
                                      for l in lines[:-1])
    return done


def expect(connection, code):
    """Reads until a reply line begins with `code`; raises Unexpected for a refusal."""
    data = b""
    while not lines_end(code)(data):
        data += connection.receive()
        last = data.split(b"\r\n")[-2:-1]
        if last and last[0][:1] in (b"4", b"5") and code[:1] not in (b"4", b"5"):
            raise Unexpected(repr(data))
    return data


class Smtp:
    """RFC 3207"""

    def greet(self, connection):
        expect(connection, b"220")
        connection.send(b"EHLO client.test\r\n")
        expect(connection, b"250")

    def start(self, connection):
        connection.send(b"STARTTLS\r\n")
        expect(connection, b"220")


class Imap:
    """RFC 3501, 6.2.1"""

    def greet(self, connection):
        connection.receive_until(lines_end(b"* OK"))

    def start(self, connection):
        connection.send(b"a STARTTLS\r\n")
        connection.receive_until(lines_end(b"a OK"))


class Pop3:
    """RFC 2595, 4"""

    def greet(self, connection):
        connection.receive_until(lines_end(b"+OK"))

    def start(self, connection):
        connection.send(b"STLS\r\n")
        connection.receive_until(lines_end(b"+OK"))


class Sieve:
    """RFC 5804, 2.2"""

    def greet(self, connection):
        connection.receive_until(lambda data: b"\r\nOK" in data)

    def start(self, connection):
        connection.send(b"STARTTLS\r\n")
        connection.receive_until(lambda data: data.startswith(b"OK"))


class Ftp:
    """RFC 4217"""

    def greet(self, connection):
        expect(connection, b"220")

    def start(self, connection):
        connection.send(b"AUTH TLS\r\n")
        expect(connection, b"234")


class Ldap:
    """RFC 4511, 4.14: an ExtendedRequest with the name 1.3.6.1.4.1.1466.20037"""

    def greet(self, connection):
        pass

    def start(self, connection):
        name = b"1.3.6.1.4.1.1466.20037"
        request = b"\x80" + bytes([len(name)]) + name
        body = b"\x02\x01\x01" + b"\x77" + bytes([len(request)]) + request
        connection.send(b"\x30" + bytes([len(body)]) + body)
        answer = connection.receive_until(lambda data: len(data) >= 10)
        if b"\x0a\x01\x00" not in answer:
            raise Unexpected(repr(answer))


class Xmpp:
    """RFC 6120, 5"""

    HEADER = (b"<?xml version='1.0'?><stream:stream to='localhost' version='1.0' "
              b"xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>")

    def greet(self, connection):
        connection.send(self.HEADER)
        connection.receive_until(lambda data: b"</stream:features>" in data)

    def start(self, connection):
        connection.send(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        connection.receive_until(lambda data: b"<proceed" in data)


class Postgres:
    """PostgreSQL manual, 55.7: SSLRequest, answered by the letter S"""

    def greet(self, connection):
        pass

    def start(self, connection):
        connection.send(struct.pack("!II", 8, 80877103))
        answer = connection.receive()
        if answer != b"S":
            raise Unexpected(repr(answer))


class Mysql:
    """MySQL protocol: the server's greeting, then an SSLRequest packet, which gets no answer"""

    def greet(self, connection):
        connection.receive_until(lambda data: len(data) >= 4 and
                                 len(data) >= 4 + struct.unpack("<I", data[:3] + b"\0")[0])

    def start(self, connection):
        flags = 0x200 | 0x800 | 0x8000   # PROTOCOL_41, SSL, SECURE_CONNECTION
        body = struct.pack("<IIB23x", flags, 1 << 24, 33)
        connection.send(struct.pack("<I", len(body) | 1 << 24) + body)


class Nbd:
    """NBD protocol: fixed newstyle negotiation, NBD_OPT_STARTTLS"""

    def greet(self, connection):
        connection.receive_until(lambda data: len(data) >= 18)
        connection.send(struct.pack("!I", 1))

    def start(self, connection):
        connection.send(b"IHAVEOPT" + struct.pack("!II", 5, 0))
        answer = connection.receive_until(lambda data: len(data) >= 20)
        if struct.unpack("!I", answer[12:16])[0] != 1:
            raise Unexpected(repr(answer))


PROTOCOLS = {
    "smtp": Smtp, "imap": Imap, "pop3": Pop3, "sieve": Sieve, "ftp": Ftp, "ldap": Ldap,
    "xmpp": Xmpp, "postgres": Postgres, "mysql": Mysql, "nbd": Nbd,
}


def parse(kind):
    """None for a port that speaks TLS from the first byte, else the protocol around it."""
    if kind == "implicit":
        return None
    word, _, protocol = kind.partition(":")
    if word != "starttls" or protocol not in PROTOCOLS:
        raise SystemExit("kind is implicit or starttls:%s, not %s" % ("|".join(PROTOCOLS), kind))
    return PROTOCOLS[protocol]()
