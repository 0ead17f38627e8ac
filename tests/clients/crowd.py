#!/usr/bin/python3
"""Many clients that stall together, from addresses of their own, for a server on 127.0.0.1.

    crowd.py --port 4433 --count 20 --kind byte --hold 3

Says "there" when all have connected, and at the end, one line of JSON: "count"; "closed", how many the server
ended; "ages", how old each of these was, in order; "open", how many were left. A client's age counts from just
before its connect(), so that no server can take it for older than it says.
"""

import argparse
import json
import select
import socket
import struct
import sys
import time

import stalls


def address(first, number):
    return socket.inet_ntoa(struct.pack("!I", struct.unpack("!I", socket.inet_aton(first))[0] + number))


def words(kind):
    """What such a client sends before it falls silent."""
    hello = stalls.Tls().hello()
    return {"silent": b"", "byte": hello[:1], "half-hello": hello[: len(hello) // 2], "hello": hello}[kind]


def connect(port, source, kind):
    began = time.monotonic()
    sock = socket.socket()
    sock.settimeout(10)
    sock.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
    sock.bind((source, 0))
    sock.connect(("127.0.0.1", port))
    said = words(kind)
    if said:
        sock.sendall(said)
    return sock, began


def ended(sock):
    """Whether the server has ended the connection; what it said before is not looked at."""
    try:
        return sock.recv(65536) == b""
    except ConnectionError:
        return True


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--kind", choices=("silent", "byte", "half-hello", "hello"), default="silent")
    parser.add_argument("--from", dest="source", default="127.9.0.1", help="the first address")
    parser.add_argument("--sources", type=int, default=1, help="how many addresses, in turn")
    parser.add_argument("--every", type=float, default=0, help="seconds between two clients")
    parser.add_argument("--hold", type=float, required=True, help="seconds from the first one to the end")
    parser.add_argument("--leave", action="store_true", help="each leaves as soon as it has connected")
    arguments = parser.parse_args()
    until = time.monotonic() + arguments.hold
    clients = {}
    ages = []
    for number in range(arguments.count):
        sock, began = connect(arguments.port, address(arguments.source, number % arguments.sources),
                              arguments.kind)
        if arguments.leave:
            sock.close()
        else:
            clients[sock] = began
        time.sleep(arguments.every)
    print("there", flush=True)
    while clients and time.monotonic() < until:
        for sock in select.select(list(clients), [], [], max(until - time.monotonic(), 0))[0]:
            if ended(sock):
                ages.append(round(time.monotonic() - clients.pop(sock), 3))
                sock.close()
    print(json.dumps({"count": arguments.count, "closed": len(ages), "open": len(clients),
                      "ages": sorted(ages)}))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
