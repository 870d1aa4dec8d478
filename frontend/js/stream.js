// One stream of changes for the whole browser: a shared worker holds it where there is one, else this page does.
//
// The server tells the position of the stream; whoever is not at that position has missed something.
import { open } from "./source.js";

const listeners = new Set();
const everything = { kind: "*", id: 0 };
let started = false;
let at = null; // position of the stream; null until it is told
let from = null; // position at which the page was made, until it is compared

const tell = (change) => listeners.forEach((listener) => listener(change));

function heard(change) {
  if (change.kind !== "position") return tell(change);
  const before = from ?? at;
  [at, from] = [change.at, null];
  // changes come before their position, so only a jump means that something was missed
  if (change.jump && before !== null && before !== at) tell(everything);
}

// A page that was made at this position is shown now; its live parts have subscribed by the end of this task.
export function arrived(position) {
  setTimeout(() => {
    if (at === null) from = position;
    else if (position !== at) tell(everything);
  });
}

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
      worker.port.onmessage = (event) => heard(event.data);
      worker.port.postMessage({ url: body.dataset.live });
      window.addEventListener("pagehide", () => worker.port.postMessage({ bye: true }));
      window.addEventListener("pageshow", (event) => {
        if (event.persisted) worker.port.postMessage({ url: body.dataset.live });
      });
      worker.onerror = () => open(body.dataset.live, heard);
      return;
    } catch { /* forbidden in this browser: hold the stream ourselves */ }
  }
  open(body.dataset.live, heard);
}
