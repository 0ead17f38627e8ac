"""An echo server over TLS in Twisted."""
import os

from twisted.internet import protocol, reactor, ssl


class Echo(protocol.Protocol):
    def dataReceived(self, data):
        self.transport.write(data)


factory = protocol.Factory.forProtocol(Echo)
context = ssl.DefaultOpenSSLContextFactory(os.environ["KEY"], os.environ["CERT"])
reactor.listenSSL(int(os.environ["PORT"]), factory, context, backlog=300, interface="127.0.0.1")
reactor.run()
