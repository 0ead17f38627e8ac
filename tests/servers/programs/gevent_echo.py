"""An echo server over TLS in gevent."""
import os

from gevent.server import StreamServer


def echo(client, address):
    while data := client.recv(4096):
        client.sendall(data)


StreamServer(("127.0.0.1", int(os.environ["PORT"])), echo, backlog=300,
             keyfile=os.environ["KEY"], certfile=os.environ["CERT"]).serve_forever()
