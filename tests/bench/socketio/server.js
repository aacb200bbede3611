// A server of Socket.IO with its adapter for Redis streams, as the documentation of the adapter suggests. Prints its port.
const { createServer } = require("node:http");
const { createClient } = require("redis");
const { Server } = require("socket.io");
const { createAdapter } = require("@socket.io/redis-streams-adapter");

async function main() {
  const client = createClient({ socket: { path: process.argv[2] } });
  client.on("error", () => {});
  await client.connect();
  const http = createServer();
  const io = new Server(http, { adapter: createAdapter(client) });
  io.on("connection", (socket) => {
    socket.on("m", (text) => {
      if (text === "join") {
        socket.join("lobby");
        socket.emit("m", "joined");
      } else {
        io.to("lobby").emit("m", text);
      }
    });
  });
  http.listen(0, "127.0.0.1", () => console.log(http.address().port));
}

main();
