"""An echo server over TLS in eventlet."""
import os

import eventlet
from eventlet.green import ssl


def echo(client, context):
    try:
        with context.wrap_socket(client, server_side=True) as secured:
            while data := secured.recv(4096):
                secured.sendall(data)
    except OSError as error:
        print(error)


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(os.environ["CERT"], os.environ["KEY"])
listener = eventlet.listen(("127.0.0.1", int(os.environ["PORT"])), backlog=300)
while True:
    eventlet.spawn(echo, listener.accept()[0], context)
