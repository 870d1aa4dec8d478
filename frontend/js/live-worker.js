// Shared by all pages of this browser: one EventSource, its changes passed on to each of them.
import { open } from "./source.js";

const ports = new Set();
let source = null;
let at = null;

function tell(change) {
  if (change.kind === "position") at = change.at;
  ports.forEach((port) => port.postMessage(change));
}

self.onconnect = (event) => {
  const port = event.ports[0];
  port.onmessage = ({ data }) => {
    if (data.bye) {
      ports.delete(port);
      if (!ports.size) {
        source?.close();
        source = at = null;
      }
      return;
    }
    ports.add(port);
    if (!source || source.readyState === EventSource.CLOSED) source = open(data.url, tell);
    else if (at !== null) port.postMessage({ kind: "position", at, jump: true }); // this page joins late
  };
};
