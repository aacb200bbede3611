// websocket-driver (Faye's) as a program that sends each message back: node mirror_driver.js [URL]
//
// Without a URL it is a server of draft-75, draft-76 and RFC 6455 on a free port, which it prints. With one
// it is a client of RFC 6455, the only version that the library has for clients.
'use strict';

const net = require('node:net');
const driver = require('websocket-driver');

const options = { maxLength: 64 * 1024 * 1024 };

function mirror(socket, peer) {
  peer.on('message', ({ data }) => (typeof data === 'string' ? peer.text(data) : peer.binary(data)));
  peer.on('error', (error) => console.error(error.message)); // the close comes behind it
  peer.on('close', () => socket.end()); // the library leaves the socket to the program
  peer.io.on('data', (bytes) => socket.writable && socket.write(bytes));
  socket.on('error', () => {}); // the checker may reset the connection
  socket.on('data', (bytes) => {
    try {
      peer.parse(bytes);
    } catch (error) {
      // FF inside a frame with a length, in draft-75: that must not end the server for others.
      console.error(error.message);
      socket.destroy();
    }
  });
}

const [url] = process.argv.slice(2);
if (url) {
  const { hostname, port } = new URL(url);
  const peer = driver.client(url, options);
  const socket = net.connect(port, hostname, () => peer.start());
  mirror(socket, peer);
} else {
  const server = net.createServer((socket) => {
    const peer = driver.server(options);
    peer.on('connect', () => peer.start());
    mirror(socket, peer);
  });
  server.listen(0, '127.0.0.1', () => console.log(server.address().port));
}
