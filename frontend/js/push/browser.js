// What a page and the service worker both say about a subscription.
import { keep, recall } from "./store.js";

export const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (char) => char.charCodeAt(0));

export function fields(subscription, key) {
  const { endpoint, keys } = subscription.toJSON();
  return { endpoint, p256dh: keys.p256dh, auth: keys.auth, key };
}

// The browser has another subscription than the one the server knows: whoever knows the old one may replace it.
export async function renew(subscription) {
  const mine = await recall("browser");
  if (!mine) return false;
  if (mine.endpoint === subscription.endpoint) return true;
  const fresh = fields(subscription, mine.key);
  const answer = await fetch("/push/renew/", {
    method: "POST", credentials: "omit", headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ id: mine.id, old: mine.endpoint, auth: mine.auth, new: fresh }),
  });
  if (answer.ok) await keep("browser", { ...mine, endpoint: fresh.endpoint, auth: fresh.auth });
  return answer.ok;
}

// "Chrome on Android": enough to tell one's devices apart in a list
export function label() {
  const agent = navigator.userAgent;
  const first = (names) => names.find(([mark]) => agent.includes(mark))?.[1];
  const browser = first([["Edg", "Edge"], ["OPR/", "Opera"], ["SamsungBrowser", "Samsung Internet"], ["Firefox/", "Firefox"],
    ["FxiOS", "Firefox"], ["CriOS", "Chrome"], ["Chrome/", "Chrome"], ["Safari/", "Safari"]]) ?? "Browser";
  const tablet = agent.includes("Macintosh") && navigator.maxTouchPoints > 1;
  const system = tablet ? "iPad" : first([["iPhone", "iPhone"], ["iPad", "iPad"], ["Android", "Android"], ["CrOS", "ChromeOS"],
    ["Windows", "Windows"], ["Mac OS", "macOS"], ["Linux", "Linux"]]) ?? "a computer";
  return `${browser} on ${system}${installed() ? ", app" : ""}`;
}

export const installed = () => matchMedia("(display-mode: standalone)").matches || navigator.standalone === true;
export const apple = () => /iPhone|iPad/.test(navigator.userAgent) || (navigator.userAgent.includes("Macintosh") && navigator.maxTouchPoints > 1);
