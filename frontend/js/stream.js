// One stream of changes for the whole browser: a shared worker holds it where there is one, else this page does.
const listeners = new Set();
let started = false;

const tell = (change) => listeners.forEach((listener) => listener(change));

export function subscribe(listener) {
  listeners.add(listener);
  start();
  return () => listeners.delete(listener);
}

function start() {
  const body = document.body;
  if (started || !body.dataset.live) return;
  started = true;
  if (window.SharedWorker && body.dataset.liveWorker) {
    try {
      const worker = new SharedWorker(body.dataset.liveWorker, { name: "tocsin-live" });
      worker.port.onmessage = (event) => tell(event.data);
      worker.port.postMessage({ url: body.dataset.live });
      window.addEventListener("pagehide", () => worker.port.postMessage({ bye: true }));
      window.addEventListener("pageshow", (event) => {
        if (event.persisted) worker.port.postMessage({ url: body.dataset.live });
      });
      worker.onerror = direct;
      return;
    } catch { /* forbidden in this browser: hold the stream ourselves */ }
  }
  direct();
}

function direct() {
  const source = new EventSource(document.body.dataset.live);
  let broken = false;
  source.onerror = () => { broken = true; };
  source.onopen = () => {
    if (broken) tell({ kind: "*", id: 0 }); // something may have been missed meanwhile
    broken = false;
  };
  for (const kind of ["incident", "alert", "page", "oncall", "pocket"]) {
    source.addEventListener(kind, (event) => tell({ kind, ...JSON.parse(event.data) }));
  }
}
