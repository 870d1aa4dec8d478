// The service worker: shows what is pushed, acknowledges from the notification, and keeps an acknowledgement until
// there is a network for it. It answers no requests of pages: nothing old is ever shown as if it were new.
//
// It cannot ring again by itself: browsers put it to sleep within a minute and have no alarm clock for it. So the
// server sends a loud page again while nobody has answered; the same tag replaces the notification, and it sounds anew.
import { renew } from "./push/browser.js";
import { all, forget, keep, recall } from "./push/store.js";

const LOOKS = { icon: __ICON__, badge: __BADGE__ };
const PATIENCE = 20000; // milliseconds that an answer may take
const GOOD_FOR = 24 * 3600 * 1000; // links are no longer

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("push", (event) => event.waitUntil(received(event.data)));
self.addEventListener("notificationclick", (event) => {
  const { notification, action } = event;
  notification.close();
  const { data } = notification;
  event.waitUntil(action === "acknowledge" ? acknowledge(data) : action === "confirm" ? confirm(data) : visit(data?.url));
});
self.addEventListener("sync", (event) => event.waitUntil(flush().then((left) => {
  if (left) throw new Error("still no network"); // the browser tries again
})));
self.addEventListener("online", () => flush());
self.addEventListener("message", (event) => { if (event.data?.type === "flush") event.waitUntil(flush()); });
self.addEventListener("pushsubscriptionchange", (event) => event.waitUntil(exchanged(event)));

// --- showing ---

async function received(data) {
  let page;
  try {
    page = data.json();
  } catch {
    page = { kind: "notice", title: "Tocsin", body: "Something happened. Open Tocsin to see what.", tag: "unknown", url: "/" };
  }
  await show(page);
  if (page.received && (await post(page.received))?.ok) await tellPages({ type: "confirmed" });
  await flush();
}

// Every push must show something, or browsers say it in words of their own, or take the permission away. That it is over
// therefore replaces the page by a quiet note: what rang and stayed is gone.
function show(page) {
  const loud = page.loud && page.kind === "page";
  const actions = [{ action: "open", title: "Open" }];
  if (page.acknowledge) actions.unshift({ action: "acknowledge", title: "Acknowledge" });
  if (page.confirm) actions.unshift({ action: "confirm", title: "It reaches me" });
  return self.registration.showNotification(page.title, {
    ...LOOKS, body: page.body, tag: page.tag || "tocsin", timestamp: page.at, actions, data: page,
    renotify: loud, requireInteraction: loud, silent: !loud && page.kind !== "test",
    ...(loud ? { vibrate: [400, 150, 400, 150, 400, 600, 400, 150, 400, 150, 400] } : {}),
  });
}

async function tellPages(what) {
  for (const client of await self.clients.matchAll({ type: "window", includeUncontrolled: true })) client.postMessage(what);
}

// a window that shows it already is brought forward; another one is left alone: somebody may be writing there
async function visit(url) {
  const target = new URL(url || "/", self.location.origin);
  const windows = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const same = windows.find((client) => new URL(client.url).pathname === target.pathname);
  if (same) return same.focus();
  return self.clients.openWindow(target.href);
}

// a person's word that they are reached here; a test needs none, the device answers it
async function confirm(page) {
  const answer = (await post(page.confirm)) ?? { message: "There is no network. Open Tocsin later and say it there." };
  await note(page, { silent: true }, answer.message, page.title);
  if (answer.ok) await tellPages({ type: "confirmed" });
}

// --- acknowledging ---

// kept before it is sent: a worker that is stopped in the middle sends it again, and twice is as good as once
async function acknowledge(page) {
  const kept = await keep(`ack:${page.tag}`, page).then(() => true, () => false); // a browser may refuse to keep anything
  if (!kept) {
    if (!(await send(page))) await told(page, { ok: false, message: "There is no network, and this browser keeps nothing. Try again." });
  } else if (await flush()) {
    await note(page, {}, `Not acknowledged yet: ${page.number || page.title}`, "There is no network. It is sent as soon as this device is back; until then others go on being paged.");
    await self.registration.sync?.register("acknowledge").catch(() => {}); // no Background Sync: see push/app.js
  }
}

let flushing = Promise.resolve();

// Send what waits; how many are left. One after the other: two at once would tell each other that it was done already.
function flush() {
  flushing = flushing.catch(() => {}).then(sendAll);
  return flushing;
}

async function sendAll() {
  let left = 0;
  for (const page of await all("ack:")) {
    const late = Date.now() - page.at > GOOD_FOR;
    if (await send(page)) await forget(`ack:${page.tag}`);
    else if (late) {
      await forget(`ack:${page.tag}`);
      await told(page, { ok: false, message: "It could not be sent for a day. Open the incident instead." });
    } else left += 1;
  }
  return left;
}

// whether the server has said something, whatever it is
async function send(page) {
  const answer = await post(page.acknowledge);
  if (answer) await told(page, answer);
  return answer !== null;
}

function told(page, answer) {
  if (answer.ok) return note(page, { silent: true }, answer.message, page.title);
  return note(page, { requireInteraction: true }, `Not acknowledged: ${page.number || page.title}`, answer.message);
}

function note(page, more, title, body) {
  return self.registration.showNotification(title, {
    ...LOOKS, body, tag: page.tag, data: { url: page.url }, actions: [{ action: "open", title: "Open" }], ...more,
  });
}

// What the server says, or null when it said nothing (no network, a proxy's error): then it may work later.
async function post(path) {
  try {
    const answer = await fetch(new URL(path, self.location.origin), {
      method: "POST", credentials: "omit", headers: { Accept: "application/json" }, signal: AbortSignal.timeout(PATIENCE),
    });
    if (answer.status >= 500 || answer.status === 429) return null;
    return { ok: answer.ok, message: (await answer.json()).message };
  } catch {
    return null;
  }
}

// --- the subscription ---

async function exchanged(event) {
  const mine = await recall("browser");
  if (!mine) return;
  try {
    const options = event.oldSubscription?.options ?? { userVisibleOnly: true, applicationServerKey: mine.key };
    const fresh = event.newSubscription ?? (await self.registration.pushManager.subscribe(options));
    if (await renew(fresh)) return;
  } catch { /* told below */ }
  await self.registration.showNotification("This browser gets no pages any more", {
    ...LOOKS, body: "Its push service has ended the subscription. Open Tocsin and switch push on again.", tag: "subscription",
    requireInteraction: true, data: { url: "/settings/you/#push" }, actions: [{ action: "open", title: "Open" }],
  });
}
