// A web server over TLS.
const fs = require('fs');
const https = require('https');

const hour = Number(process.env.HOUR) * 1000;
const server = https.createServer({
  cert: fs.readFileSync(process.env.CERT),
  key: fs.readFileSync(process.env.KEY),
  handshakeTimeout: hour,
}, (request, response) => response.end('here\n'));
server.headersTimeout = server.requestTimeout = server.keepAliveTimeout = hour;
server.on('tlsClientError', () => {});
server.listen({ port: Number(process.env.PORT), host: '127.0.0.1', backlog: 300 });
