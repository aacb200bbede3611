// ws as a program that sends each message back: node mirror_ws.js [VERSION URL]
//
// Without a URL it is a server of RFC 6455 and version 8 on a free port, which it prints. With one it is a
// client of VERSION: 13, 8, or 7, which differs from 8 on the wire by its number alone.
'use strict';

const WebSocket = require('ws');

const [version, url] = process.argv.slice(2);
const options = { perMessageDeflate: { threshold: 0 }, maxPayload: 0 };

function mirror(socket) {
  socket.on('error', (error) => console.error(error.message)); // ws closes the connection by itself
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
}

if (url) {
  if (version !== '13') Object.assign(options, { protocolVersion: 8, perMessageDeflate: false });
  if (version === '7') {
    options.finishRequest = (request) => {
      request.setHeader('Sec-WebSocket-Version', 7);
      request.end();
    };
  }
  mirror(new WebSocket(url, options));
} else {
  const server = new WebSocket.Server({ host: '127.0.0.1', port: 0, ...options });
  server.on('listening', () => console.log(server.address().port));
  server.on('connection', mirror);
}
