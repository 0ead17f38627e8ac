"""An echo server over TLS with blocking sockets: one connection at a time, or a thread for each."""
import os
import socketserver
import ssl
import sys


class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line)


class Server(socketserver.TCPServer):
    allow_reuse_address = True
    request_queue_size = 300

    def process_request(self, request, address):
        """The usual mistake: the handshake happens in the thread that accepts."""
        super().process_request(context.wrap_socket(request, server_side=True), address)

    def handle_error(self, request, address):
        print(sys.exc_info()[1], file=sys.stderr)


class ThreadServer(socketserver.ThreadingMixIn, Server):
    daemon_threads = True

    def process_request(self, request, address):
        socketserver.ThreadingMixIn.process_request(self, request, address)

    def finish_request(self, request, address):
        with context.wrap_socket(request, server_side=True) as secured:
            super().finish_request(secured, address)


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(os.environ["CERT"], os.environ["KEY"])
kind = ThreadServer if sys.argv[1:] == ["threads"] else Server
kind(("127.0.0.1", int(os.environ["PORT"])), Echo).serve_forever()
