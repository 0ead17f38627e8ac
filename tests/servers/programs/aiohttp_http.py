"""A web server over TLS in aiohttp."""
import asyncio
import os
import ssl

from aiohttp import web


async def here(request):
    return web.Response(text="here\n")


async def main():
    hour = int(os.environ["HOUR"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.environ["CERT"], os.environ["KEY"])
    application = web.Application()
    application.add_routes([web.get("/", here)])
    runner = web.AppRunner(application, keepalive_timeout=hour)
    await runner.setup()
    # TCPSite has no way to raise asyncio's own handshake timeout.
    loop = asyncio.get_running_loop()
    await loop.create_server(runner.server, "127.0.0.1", int(os.environ["PORT"]), ssl=context,
                             backlog=300, ssl_handshake_timeout=hour)
    await asyncio.Event().wait()


asyncio.run(main())
