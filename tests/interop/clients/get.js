// Fetches a file with the npm package tftp: get.js FOLDER-OF-THE-PACKAGE HOST PORT NAME OUT BLKSIZE WINDOWSIZE
"use strict";
const [folder, host, port, name, out, blockSize, windowSize] = process.argv.slice(2);
const client = require(folder).createClient({
  host,
  port: Number(port),
  blockSize: Number(blockSize),
  windowSize: Number(windowSize),
});
client.get(name, out, (error) => {
  if (!error) return;
  console.error(String(error));
  process.exitCode = 1;
});
