// SPDX-License-Identifier: Apache-2.0
// A client of the real Socket.IO: does what it is told by lines of JSON, and tells what it sees, a line each.
import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const lines = createInterface({ input: process.stdin });
const tell = (what) => process.stdout.write(JSON.stringify(what) + "\n");
const plain = (data) => data.map((d) => (Buffer.isBuffer(d) ? { bytes: d.length } : d));
let socket = null;

const deeds = {
  open({ url, ca, headers, auth, query, path }) {
    socket = io(url, { transports: ["websocket"], ca, extraHeaders: headers, auth, query, reconnection: false, ...(path ? { path } : {}) });
    socket.on("connect", () => tell({ connected: true }));
    socket.on("connect_error", (error) => tell({ refused: error.message, status: error.context?.statusCode ?? error.description?.message ?? null }));
    socket.on("disconnect", (reason, details) => tell({ disconnected: reason, code: details?.context?.code ?? null }));
    socket.onAny((event, ...data) => tell({ event, data: plain(data) }));
    socket.io.engine.on("pong", () => tell({ pong: true }));
  },
  emit({ event, data }) {
    socket.emit(event, ...data);
  },
  ask({ event, data }) {
    socket.timeout(5000).emit(event, ...data, (error, answer) => tell({ answer: error ? String(error) : answer }));
  },
  send_bytes({ event, count }) {
    socket.emit(event, Buffer.alloc(count, 7));
  },
  close() {
    socket.close();
  },
};

for await (const line of lines) {
  const { does, ...told } = JSON.parse(line);
  deeds[does](told);
}
