"""A web server over TLS in cheroot (CherryPy)."""
import os

from cheroot import wsgi
from cheroot.ssl.builtin import BuiltinSSLAdapter
from wsgi import application  # the one beside this file

server = wsgi.Server(("127.0.0.1", int(os.environ["PORT"])), application, request_queue_size=300,
                     timeout=int(os.environ["HOUR"]))
server.ssl_adapter = BuiltinSSLAdapter(os.environ["CERT"], os.environ["KEY"])
server.start()
