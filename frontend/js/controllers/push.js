// "Push to this browser" on one's own page: asks, subscribes, saves; says plainly why it cannot when it cannot.
import { Controller } from "@hotwired/stimulus";
import htmx from "../htmx.js";
import { toast } from "../announce.js";
import { install, installable } from "../push/app.js";
import { apple, bytes, fields, installed, label, renew } from "../push/browser.js";
import { forget, keep, recall } from "../push/store.js";

const DISMISSED = "tocsin.install";

export default class extends Controller {
  static targets = ["say", "on", "off", "install", "ios", "device"];
  static values = { key: String, user: Number };

  connect() {
    this.heard = ({ data }) => {
      if (data?.type !== "confirmed") return;
      toast("The test came: this browser is reached.");
      this.refresh();
    };
    this.offered = () => this.offer();
    navigator.serviceWorker?.addEventListener("message", this.heard);
    window.addEventListener("tocsin:installable", this.offered);
    this.look();
  }

  disconnect() {
    navigator.serviceWorker?.removeEventListener("message", this.heard);
    window.removeEventListener("tocsin:installable", this.offered);
  }

  // --- what is the case ---

  async look() {
    this.offer();
    if (!window.isSecureContext) {
      return this.tell(`Browsers push only to pages that come over https (or from localhost); this one came from ${location.origin}. Whoever runs Tocsin here can change that.`);
    }
    if (!("serviceWorker" in navigator) || !("PushManager" in window) || !("Notification" in window)) {
      this.iosTarget.hidden = !apple() || installed();
      return this.tell(apple() ? "This browser cannot receive push yet." : "This browser cannot receive push. A private window, or an old version, may be the reason.");
    }
    try {
      await this.compare();
    } catch (error) {
      this.tell(`This browser does not say whether it receives push: ${error.message}`);
    }
  }

  async compare() {
    const registration = await navigator.serviceWorker.getRegistration("/");
    const subscription = await registration?.pushManager.getSubscription();
    const mine = await recall("browser");
    let row = subscription && this.deviceTargets.find((one) => one.dataset.endpoint === subscription.endpoint);
    if (subscription && !row && mine?.user === this.userValue) {
      const known = this.deviceTargets.find((one) => Number(one.dataset.id) === mine.id);
      if (known && mine.endpoint !== subscription.endpoint && (await renew(subscription))) return this.refresh();
      if (!known) { // it was removed from the list: nothing more comes, so the browser need not listen either
        await subscription.unsubscribe();
        await forget("browser");
      }
    }
    if (Notification.permission === "denied") {
      return this.tell(`This browser blocks notifications from ${location.host}. Allow them in its settings for this page (the sign left of the address), then load this page again.`);
    }
    if (row) this.mark(row);
    if (row && row.dataset.off === undefined) return this.tell("Push to this browser is on.", { off: true });
    if (row) return this.tell("Push to this browser was switched off; the list above says why.", { on: true });
    const other = mine && mine.user !== this.userValue && subscription;
    this.tell(other ? "This browser receives the pages of somebody else who used it. Switched on here, it receives yours instead."
      : "Pages can come as notifications, with a button to acknowledge, also while Tocsin is closed.", { on: true });
  }

  tell(text, { on = false, off = false } = {}) {
    this.sayTarget.textContent = text;
    this.onTarget.hidden = !on;
    this.offTarget.hidden = !off;
  }

  mark(row) {
    this.mine = row.dataset.id;
    if (row.querySelector("[data-here]")) return;
    const here = document.createElement("span");
    here.dataset.here = "";
    here.className = "muted";
    here.textContent = " (this browser)";
    row.cells[0].append(here);
  }

  async refresh() {
    const here = location.pathname + location.search;
    await htmx.ajax("GET", here, {
      target: this.element, select: `#${this.element.id}`, swap: "outerMorph", source: this.element, headers: { "X-Part": this.element.id },
    });
    await this.look();
  }

  // --- what is done ---

  async submit(event) {
    event.preventDefault();
    const form = event.currentTarget;
    this.onTarget.disabled = true;
    try {
      await this.start(form);
    } catch (error) {
      this.tell(`This browser could not subscribe: ${error.message} Its push service may be out of reach from here.`, { on: true });
    } finally {
      this.onTarget.disabled = false;
    }
  }

  async start(form) {
    if ((await Notification.requestPermission()) !== "granted") {
      if (Notification.permission === "denied") return this.look();
      return this.tell("Without your permission nothing can be shown. Press the button again when you want it.", { on: true });
    }
    await navigator.serviceWorker.register("/sw.js", { scope: "/" });
    const registration = await navigator.serviceWorker.ready;
    const before = await recall("browser");
    await (await registration.pushManager.getSubscription())?.unsubscribe(); // it may be of another key, or of another person
    const subscription = await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: bytes(this.keyValue) });
    const told = fields(subscription, this.keyValue);
    const data = new FormData(form);
    for (const [name, value] of Object.entries({ ...told, label: label() })) data.set(name, value);
    if (before?.user === this.userValue) data.set("replaces", before.id);
    const answer = await fetch(form.action, { method: "POST", body: data });
    if (answer.redirected) return location.assign(answer.url); // the session has ended
    const said = answer.headers.get("Content-Type")?.includes("json") ? await answer.json() : { message: "The server did not take it; try again." };
    if (!answer.ok) {
      await subscription.unsubscribe();
      return this.tell(said.message, { on: true });
    }
    await keep("browser", { id: said.id, user: this.userValue, endpoint: told.endpoint, auth: told.auth, key: told.key });
    toast(said.message);
    await this.refresh();
  }

  async stop() {
    const data = new FormData(this.offTarget.form);
    const answer = await fetch(`/people/methods/${this.mine}/delete/`, { method: "POST", body: data });
    if (!answer.ok) return toast("The server could not be reached; push goes on.");
    const registration = await navigator.serviceWorker.getRegistration("/");
    await (await registration?.pushManager.getSubscription())?.unsubscribe();
    await forget("browser");
    toast("This browser receives no pages any more.");
    return this.refresh();
  }

  // --- an app of its own ---

  offer() {
    this.installTarget.hidden = !installable() || installed() || localStorage.getItem(DISMISSED) !== null;
  }

  async install() {
    this.notNow();
    await install();
  }

  notNow() {
    localStorage.setItem(DISMISSED, "1");
    this.offer();
  }
}
