#!/usr/bin/python3
"""Plays the log daemon: binds a datagram socket and prints what comes.

    datagrams.py SOCKET

Every datagram is printed as it came, with a line "--" after it. "ready" is the first line. The
sender's credentials are not asked for: what counts is what it says.
"""

import os
import socket
import sys


def main():
    path = sys.argv[1]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as inbox:
        inbox.bind(path)
        os.chmod(path, 0o666)
        print("ready", flush=True)
        while True:
            datagram = inbox.recv(65536)
            sys.stdout.buffer.write(datagram.rstrip(b"\n") + b"\n--\n")
            sys.stdout.buffer.flush()


main()
