// On every page: the offer to install is kept until somebody wants it, and acknowledgements that wait are sent.
let offer = null;

window.addEventListener("beforeinstallprompt", (event) => {
  event.preventDefault(); // no banner over an incident; "You" offers it, once and quietly
  offer = event;
  window.dispatchEvent(new Event("tocsin:installable"));
});
window.addEventListener("appinstalled", () => { offer = null; });

export const installable = () => offer !== null;

export async function install() {
  const event = offer;
  offer = null;
  await event?.prompt();
}

// where the browser knows no Background Sync, the next page or the return of the network does it
const flush = () => navigator.serviceWorker?.controller?.postMessage({ type: "flush" });
// "online" often comes before the network carries anything
window.addEventListener("online", () => [0, 2000, 10000, 60000].forEach((wait) => setTimeout(flush, wait)));
window.addEventListener("load", flush);
document.addEventListener("visibilitychange", () => { if (!document.hidden) flush(); });
