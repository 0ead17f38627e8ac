"""What a client asks for after its handshake, and how it knows that it was answered."""

import struct
import zlib

from connection import Unexpected


class Ask:
    """Sends `request` and waits for an answer for which `done` is true."""

    alpn = None

    def __init__(self, request, done):
        self.request = request
        self.done = done

    def run(self, connection):
        connection.write(self.request)
        connection.read_until(self.done)


class Http2(Ask):
    """RFC 9113: preface, SETTINGS, PING; the answer is the PING's acknowledgement."""

    alpn = "h2"

    def __init__(self):
        opaque = b"shakeout"
        preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        settings = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
        ping = b"\x00\x00\x08\x06\x00\x00\x00\x00\x00" + opaque
        acknowledgement = b"\x00\x00\x08\x06\x01\x00\x00\x00\x00" + opaque
        super().__init__(preface + settings + ping, lambda data: acknowledgement in data)


class Quiet(Ask):
    """For a server that never answers: it must still hold the connection after the client spoke."""

    def run(self, connection):
        connection.write(self.request)
        try:
            connection.read(0.3)
        except Unexpected:
            return


def contains(text):
    return lambda data: text in data


def http():
    return Ask(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
               lambda data: data.startswith(b"HTTP/1.") and b"\r\n\r\n" in data)


def dns():
    """RFC 7858: a question for localhost, type A, with its length in front."""
    question = b"\x09localhost\x00\x00\x01\x00\x01"
    message = struct.pack("!HHHHHH", 0x5348, 0x0100, 1, 0, 0, 0) + question
    return Ask(struct.pack("!H", len(message)) + message,
               lambda data: len(data) > 4 and data[2:4] == b"SH")


def ldap():
    """RFC 4511: an anonymous BindRequest; the answer holds a BindResponse (application tag 1)."""
    return Ask(b"\x30\x0c\x02\x01\x02\x60\x07\x02\x01\x03\x04\x00\x80\x00", contains(b"\x61"))


def mqtt():
    """MQTT 3.1.1: CONNECT with a clean session, answered by CONNACK."""
    body = b"\x00\x04MQTT\x04\x02\x00\x3c" + b"\x00\x05probe"
    return Ask(b"\x10" + bytes([len(body)]) + body, lambda data: data[:1] == b"\x20")


def xmpp():
    return Ask(b"<?xml version='1.0'?><stream:stream to='localhost' version='1.0' "
               b"xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>",
               contains(b"<stream:features"))


def postgres():
    """A StartupMessage; the answer is an authentication request or an error."""
    body = struct.pack("!I", 196608) + b"user\x00nobody\x00database\x00none\x00\x00"
    return Ask(struct.pack("!I", len(body) + 4) + body, lambda data: data[:1] in (b"R", b"E"))


def mysql():
    """HandshakeResponse41 without a password; the answer is any packet with the next number."""
    flags = 0x200 | 0x800 | 0x8000
    body = struct.pack("<IIB23x", flags, 1 << 24, 33) + b"nobody\x00" + b"\x00"
    return Ask(struct.pack("<I", len(body) | 2 << 24) + body,
               lambda data: len(data) > 4 and data[3] >= 3)


def nbd():
    """NBD_OPT_LIST, answered by an option reply."""
    return Ask(b"IHAVEOPT" + struct.pack("!II", 3, 0),
               lambda data: data[:8] == b"\x00\x03\xe8\x89\x04\x55\x65\xa9")


def sip():
    """RFC 3261: OPTIONS, answered by any status line."""
    return Ask(b"OPTIONS sip:localhost SIP/2.0\r\nVia: SIP/2.0/TLS client.test;branch=z9hG4bK1\r\n"
               b"From: <sip:a@client.test>;tag=1\r\nTo: <sip:localhost>\r\nCall-ID: 1\r\n"
               b"CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
               contains(b"SIP/2.0 "))


def stun():
    """RFC 8489: a Binding request, answered by a Binding response with the same transaction."""
    header = struct.pack("!HHI", 0x0001, 0, 0x2112A442) + b"shakeout-it!"
    return Ask(header, contains(b"shakeout-it!"))


def nrpe():
    """NRPE version 2: a query for the server's version in a packet of fixed size with a CRC-32."""
    head, tail = struct.pack("!hh", 2, 1), struct.pack("!h", 0) + b"_NRPE_CHECK".ljust(1026, b"\0")
    crc = zlib.crc32(head + bytes(4) + tail)
    return Ask(head + struct.pack("!I", crc) + tail, contains(b"NRPE v"))


NAMED = {"http": http, "h2": Http2, "dns": dns, "ldap": ldap, "mqtt": mqtt, "xmpp": xmpp,
         "postgres": postgres, "mysql": mysql, "nbd": nbd,
         "stun": stun, "sip": sip, "nrpe": nrpe}


def parse(text):
    """`NAME`, `line:SAY=>HEAR`, or `quiet:SAY`; \\r\\n ends what is said."""
    if text in NAMED:
        return NAMED[text]()
    word, _, rest = text.partition(":")
    say, _, hear = rest.partition("=>")
    if word == "line" and hear:
        return Ask(say.encode() + b"\r\n", contains(hear.encode()))
    if word == "quiet":
        return Quiet(say.encode() + b"\n", None)
    raise SystemExit("ask is line:SAY=>HEAR, quiet:SAY or %s, not %s" % ("|".join(NAMED), text))
