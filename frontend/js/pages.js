// Going from page to page: the main part is exchanged, the frame stays.
import { announce, toast } from "./announce.js";

const here = () => location.pathname;

function markNavigation() {
  for (const link of document.querySelectorAll("a[data-nav]")) {
    const path = new URL(link.href).pathname;
    const current = path === "/" ? here() === "/" : here().startsWith(path);
    if (current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

// a new page: tell it, and put the focus at its beginning; a change inside the page leaves the focus alone
document.addEventListener("htmx:after:history:push", () => {
  document.querySelectorAll("[popover]:popover-open").forEach((menu) => menu.hidePopover());
  markNavigation();
  requestAnimationFrame(() => {
    const main = document.getElementById("main");
    if (!document.activeElement || document.activeElement === document.body || !main.contains(document.activeElement)) {
      if (!document.querySelector("dialog[open]")) main.focus({ preventScroll: true });
    }
    announce(document.title);
  });
});
document.addEventListener("htmx:after:history:replace", markNavigation);
window.addEventListener("popstate", () => setTimeout(markNavigation, 50));

// an answer that is no page (a proxy's error, a sign-in page after the session ended) is opened as a page of its own
document.addEventListener("htmx:before:response", (event) => {
  const raw = event.detail.ctx?.response?.raw;
  if (!raw) return;
  if (raw.redirected && new URL(raw.url).pathname === "/sign-in/") {
    event.preventDefault();
    location.assign(raw.url);
    return;
  }
  const kind = raw.headers.get("Content-Type") ?? "";
  if (raw.status === 200 && kind && !kind.startsWith("text/html")) {
    event.preventDefault();
    location.assign(raw.url);
  }
});
document.addEventListener("htmx:error", (event) => {
  if (event.detail?.ctx) toast("The server could not be reached. What you see may be out of date; try again.");
});

document.addEventListener("tocsin:trouble", (event) => toast(event.detail.message));

// openers of the palette and of the keys; both are links or buttons that the browser may know how to handle itself
document.addEventListener("click", (event) => {
  if (event.target.closest?.("[data-open-palette]") && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    window.dispatchEvent(new Event("keyboard:palette"));
  }
  if (event.target.closest?.("[data-keys]")) {
    document.getElementById("user-menu")?.hidePopover();
    const keys = document.getElementById("keys");
    if (!keys.open) keys.showModal();
  }
});

// a link on which the pointer or the focus rests is fetched ahead; sweeping over a list fetches nothing
const REST = { pointerover: 80, focusin: 180 };
let resting = 0;
for (const [kind, delay] of Object.entries(REST)) {
  document.addEventListener(kind, (event) => {
    const link = event.target.closest?.("a[href]:not([data-sheet])");
    clearTimeout(resting);
    if (!link || link.origin !== location.origin || navigator.connection?.saveData) return;
    resting = setTimeout(() => link.isConnected && link.dispatchEvent(new Event("prefetch")), delay);
  });
}
