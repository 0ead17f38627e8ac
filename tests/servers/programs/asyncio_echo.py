"""An echo server over TLS in asyncio, written as for Python 3.6: no handshake timeout of its own."""
import asyncio
import os
import ssl
import sys


async def serve(reader, writer):
    try:
        while True:
            line = await reader.readline()
            if not line:
                break
            writer.write(line)
            await writer.drain()
    except (ConnectionError, ssl.SSLError):
        pass
    finally:
        writer.close()


if sys.argv[1:] == ["uvloop"]:
    import uvloop
    loop = uvloop.new_event_loop()
else:
    loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
context = ssl.SSLContext(ssl.PROTOCOL_TLS if sys.version_info < (3, 7) else ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(os.environ["CERT"], os.environ["KEY"])
# From 3.7 on asyncio has a timeout; an hour is as good as none.
timeout = {} if sys.version_info < (3, 7) else {"ssl_handshake_timeout": int(os.environ["HOUR"])}
loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", int(os.environ["PORT"]),
                                             ssl=context, backlog=500, **timeout))
loop.run_forever()
