"""A web server over TLS in Tornado."""
import asyncio
import os
import ssl

from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler


class Here(RequestHandler):
    def get(self):
        self.write("here\n")


async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.environ["CERT"], os.environ["KEY"])
    server = HTTPServer(Application([("/", Here)]), ssl_options=context)
    server.listen(int(os.environ["PORT"]), "127.0.0.1")
    await asyncio.Event().wait()


asyncio.run(main())
