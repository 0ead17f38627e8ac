#!/usr/bin/python3
"""A relay that lets a client speak until the server has answered, and swallows the rest.

    cut_after_hello.py PORT LIMIT

Prints the port that it listens on, takes one client there, connects it to 127.0.0.1:PORT and prints
after how many seconds from then the server closed the connection, or "open" after LIMIT seconds.
So a 0-RTT client (RFC 8446, 2.3) gets its ClientHello and its early data through, and never its Finished.
"""

import selectors
import socket
import sys
import time


def main():
    port, limit = int(sys.argv[1]), float(sys.argv[2])
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(limit)
    print(listener.getsockname()[1], flush=True)
    client = listener.accept()[0]
    begin = time.monotonic()
    server = socket.create_connection(("127.0.0.1", port))
    selector = selectors.DefaultSelector()
    selector.register(client, selectors.EVENT_READ)
    selector.register(server, selectors.EVENT_READ)
    answered = False
    while (left := begin + limit - time.monotonic()) > 0:
        for key, _ in selector.select(left):
            data = key.fileobj.recv(65536)
            if key.fileobj is server:
                if not data:
                    print("%.3f" % (time.monotonic() - begin))
                    return
                answered = True
                client.sendall(data)
            elif not data:
                selector.unregister(client)
            elif not answered:
                server.sendall(data)
    print("open")


main()
