// The backend of the cluster test: answers each request with what it received, byte for byte. It is alone in its image.

import { createServer } from "node:http";

const port = 8080;

const server = createServer((request, response) => {
  const parts: Buffer[] = [];
  request.on("data", (part: Buffer) => parts.push(part));
  request.on("end", () => {
    const { method, url, headers } = request;
    const body = Buffer.concat(parts).toString("base64");
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ method, path: url, headers, body }));
  });
});
server.listen(port);
process.on("SIGTERM", () => process.exit(0));
