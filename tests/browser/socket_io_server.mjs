// SPDX-License-Identifier: Apache-2.0
// A backend of the real Socket.IO: tells its port, then each thing that it hears, a line of JSON each. A CONNECT must bring a token of `secret`, told in the first line
// of standard input.
import { createHmac } from "node:crypto";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { Server } from "socket.io";

const lines = createInterface({ input: process.stdin });
const secret = (await lines[Symbol.asyncIterator]().next()).value;
const tell = (what) => process.stdout.write(JSON.stringify(what) + "\n");

function verify(token) {
  const [head, claims, tag] = (token ?? "").split(".");
  const right = createHmac("sha256", secret).update(`${head}.${claims}`).digest("base64url");
  return tag === right ? JSON.parse(Buffer.from(claims, "base64url")) : null;
}

const http = createServer();
const io = new Server(http, { transports: ["websocket"], pingInterval: 200, pingTimeout: 2000 });
io.use((socket, next) => {
  const { token, ...others } = socket.handshake.auth;
  const claims = verify(token);
  tell({ connect: claims?.username ?? null, others });
  next(claims ? undefined : new Error("Invalid token"));
});
io.on("connection", (socket) => {
  socket.onAny((event, ...data) => {
    const acknowledge = typeof data.at(-1) === "function" ? data.pop() : null;
    tell({ event, data: data.map((d) => (Buffer.isBuffer(d) ? { bytes: d.length } : d)) });
    acknowledge?.({ ok: true });
    socket.emit("bot_update", { of: event }, Buffer.from("payload"));
  });
  socket.on("disconnect", (reason) => tell({ disconnect: reason }));
});
http.listen(0, "127.0.0.1", () => tell({ port: http.address().port }));
