// Shared by all pages of this browser: one EventSource, its changes passed on to each of them.
const ports = new Set();
let source = null;
let broken = false;

const tell = (change) => ports.forEach((port) => port.postMessage(change));

function open(url) {
  if (source && source.readyState !== EventSource.CLOSED) return;
  source = new EventSource(url);
  source.onerror = () => { broken = true; };
  source.onopen = () => {
    if (broken) tell({ kind: "*", id: 0 });
    broken = false;
  };
  for (const kind of ["incident", "alert", "page", "oncall", "pocket"]) {
    source.addEventListener(kind, (event) => tell({ kind, ...JSON.parse(event.data) }));
  }
}

self.onconnect = (event) => {
  const port = event.ports[0];
  port.onmessage = ({ data }) => {
    if (data.bye) {
      ports.delete(port);
      if (!ports.size) { source?.close(); source = null; }
    } else {
      ports.add(port);
      open(data.url);
    }
  };
};
